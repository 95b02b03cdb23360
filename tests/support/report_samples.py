"""Trajectories for the tests of the report: a typical one over the demo clips, and edge cases."""

from __future__ import annotations

from agentcvr_graph.demo import CLIPS_DIR
from agentcvr_graph.trajectory import Action, Trajectory, Turn
from agentcvr_graph.types import (
    Answer,
    Citation,
    ClaimedCitation,
    Cost,
    Evidence,
    Failure,
    Observation,
    Usage,
    Verification,
    Video,
    VideoInfo,
    Window,
)

NASTY = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=2'>"


def window(video, start_s, end_s):
    return Window(video=video, start_s=start_s, end_s=end_s)


def video(number, name="cook_red", duration_s=38.0):
    source = Video(source=str(CLIPS_DIR / f"{name}.mp4"))
    return VideoInfo(number=number, video=source, duration_s=duration_s, width=640, height=360, has_sound=True)


def seen(call_id, turn, where, times_s, text='on-screen text "ADD SALT"'):
    return Observation(
        modality="visual",
        windows=(where,),
        evidence=(Evidence(text=text, window=where),),
        frame_times_s=(tuple(times_s),),
        cost=Cost(frames=len(times_s)),
        call_id=call_id,
        turn=turn,
    )


def heard(call_id, turn, where, text='"today i am cooking with butter"'):
    return Observation(
        modality="audio",
        windows=(where,),
        evidence=(Evidence(text=text, window=where),),
        cost=Cost(audio_s=where.duration_s),
        call_id=call_id,
        turn=turn,
    )


def usual(question="Which cook uses butter?", text='on-screen text "ADD SALT"'):
    """Make a trajectory of two videos, three turns, an error, and a citation of each modality."""
    look, sound = seen("a", 1, window(1, 7, 13), (8.0, 10.0, 12.0), text), heard("b", 1, window(1, 14, 17))
    turns = (
        Turn(
            number=1,
            thought="First an overview.",
            actions=(
                Action(call_id="a", tool="observe", arguments={}, reply="seen: ...", observation=look),
                Action(call_id="b", tool="listen", arguments={}, reply="heard: ...", observation=sound),
            ),
        ),
        Turn(
            number=2,
            actions=(Action(call_id="c", tool="listen", arguments={"video": 9}, reply="error: There is no video 9."),),
        ),
        Turn(
            number=3,
            thought="Clear.",
            actions=(Action(call_id="d", tool="answer", arguments={"value": "A"}, ends=True),),
        ),
    )
    answer = Answer(
        kind="choice",
        value="A",
        text="the red one",
        rationale="It says so.",
        citations=(
            Citation(video=1, start_s=8, end_s=10, modality="visual"),
            Citation(video=1, start_s=14.5, end_s=16.5, modality="audio"),
        ),
    )
    return Trajectory(
        question=question,
        kind="choice",
        options=("the red one", "the blue one " * 30),
        videos=(video(1), video(2, "cook_blue", 36.0)),
        turns=turns,
        answer=answer,
        failure=None,
        usage=Usage(frames=3, audio_s=3.0, input_tokens=1200, output_tokens=80, model_calls=3, wall_s=4.2),
    )


def checked(claim="The cook adds salt."):
    """Make the usual trajectory with a check of its first citation, and one of a citation of an earlier answer."""
    trajectory = usual()
    claimed = [
        ClaimedCitation(**citation.model_dump(), claim=claim)
        for citation in (trajectory.answer.citations[0], Citation(video=2, start_s=3, end_s=5, modality="visual"))
    ]
    again = seen("check_3_0", 3, window(1, 8, 10), (8.5, 9.5))
    checks = (
        Verification(citation=claimed[0], verdict="supported", judge="offline", observation=again, turn=3),
        Verification(citation=claimed[1], verdict="unclear", reason="the second look failed: gone", turn=2),
    )
    answer = trajectory.answer.model_copy(update={"citations": (claimed[0], trajectory.answer.citations[1])})
    return trajectory.model_copy(update={"answer": answer, "verifications": checks})


def failed():
    """Make a failed trajectory without turns."""
    return Trajectory(
        question="Which?",
        kind="text",
        options=(),
        videos=(video(1),),
        turns=(),
        answer=None,
        failure=Failure(boundary="infrastructure", message="The master's model failed: it cannot be reached."),
        usage=Usage(),
    )


def long_video():
    """Make a trajectory with a window of two seconds in a video of three hours."""
    look = seen("a", 1, window(1, 5400, 5402), (5401.0,))
    turn = Turn(number=1, actions=(Action(call_id="a", tool="observe", arguments={}, observation=look),))
    return usual().model_copy(update={"videos": (video(1, duration_s=10_800.0),), "turns": (turn,), "answer": None})


def many_turns():
    """Make a trajectory of four videos and twelve turns, with overlapping windows, non-English text and an error."""
    clips = (("cook_red", 38.0), ("cook_blue", 36.0), ("cook_green", 38.0), ("cook_yellow", 36.0))
    turns = tuple(_look_and_listen(number) for number in range(1, 12))
    last = Turn(number=12, complaint="error: Reply with one call.")
    answer = usual().answer.model_copy(
        update={"citations": (Citation(video=3, start_s=9, end_s=13, modality="visual"),)}
    )
    return usual().model_copy(
        update={
            "videos": tuple(video(number, *clip) for number, clip in enumerate(clips, start=1)),
            "turns": (*turns, last),
            "answer": answer,
        }
    )


def _look_and_listen(turn):
    """Observe all four videos in the first turn, one video in each later turn; listen to one video in every turn."""
    windows = (
        [window(n, 0, 35) for n in (1, 2, 3, 4)] if turn == 1 else [window((turn - 1) % 4 + 1, turn + 2, turn + 12)]
    )
    look = Observation(
        modality="visual",
        windows=tuple(windows),
        focus="the butter and the salt",
        evidence=tuple(Evidence(text="Die Köchin rührt um, 加盐", window=where) for where in windows),
        frame_times_s=tuple(_eight_times_s(where) for where in windows),
        notes=("Key frames only.",),
        call_id=f"a{turn}",
        turn=turn,
    )
    sound = heard(f"b{turn}", turn, window((turn - 1) % 4 + 1, turn, turn + 9))
    return Turn(
        number=turn,
        thought="I compare the cooks.\n1. the red one\n2. the blue one",
        actions=(
            Action(call_id=look.call_id, tool="observe", arguments={}, reply="seen: ...", observation=look),
            Action(call_id=sound.call_id, tool="listen", arguments={}, reply="heard: ...", observation=sound),
        ),
    )


def _eight_times_s(where):
    return tuple(where.start_s + (n + 0.5) * where.duration_s / 8 for n in range(8))
