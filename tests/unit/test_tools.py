"""Planning of tool calls: windows are clipped or rejected, frames are shared, and one schema serves every model."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcvr_graph.errors import ActionError
from agentcvr_graph.graph.nodes.master import plan_turn
from agentcvr_graph.graph.state import Call
from agentcvr_graph.testing import FakePerception
from agentcvr_graph.tools import TOOL_SCHEMAS, TOOLS, Budget, Features, Toolset
from agentcvr_graph.tools.answer import AnswerArgs, clip_citations
from agentcvr_graph.tools.observe import share_frames
from agentcvr_graph.types import Citation, Evidence, Observation, Target, Video, VideoInfo, Window

PLENTY = Budget(turns=10, frames=1000, audio_s=1000.0)
VIDEOS = [
    VideoInfo(number=1, video=Video(source="a.mp4"), duration_s=60, width=640, height=360, has_sound=True),
    VideoInfo(number=2, video=Video(source="b.mp4"), duration_s=30, width=640, height=360),
    VideoInfo(number=3, video=Video(source="c.mp3"), duration_s=30, has_sound=True),
    VideoInfo(number=4, video=Video(source="d.mp4"), problem="d.mp4: it cannot be read."),
]


def plan(tool, budget=PLENTY, **arguments):
    spec = TOOLS.spec(tool)
    return spec.planned(spec.read(arguments), VIDEOS, budget)


def target(video, start_s, end_s, frames=8):
    return {"video": video, "start_s": start_s, "end_s": end_s, "frames": frames}


def test_a_window_is_clipped_to_its_video():
    request, notes = plan("observe", targets=[target(1, -5, 99)])
    assert (request.targets[0].start_s, request.targets[0].end_s) == (0.0, 60.0)
    assert notes == ()


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("observe", {"targets": [target(7, 0, 5)]}, "There is no video 7; the videos are 1 to 4."),
        ("observe", {"targets": [target(1, 70, 80)]}, "runs from 0.0 to 60.0 s"),
        ("observe", {"targets": [target(1, 9, 3)]}, "must end after its start"),
        ("observe", {"targets": [target(3, 0, 5)]}, "Video 3 has no picture; use listen."),
        ("observe", {"targets": [target(4, 0, 5)]}, "Video 4 cannot be read: d.mp4"),
        ("observe", {"targets": []}, "observe: targets"),
        ("observe", {"targets": [{"video": 1}]}, "observe: targets.0.start_s: Field required."),
        ("observe", {"targets": [target(1, 0, 5, 0)]}, "observe: targets.0.frames"),
        ("listen", {"video": 2, "start_s": 0, "end_s": 5}, "Video 2 has no sound; use observe."),
        ("listen", {"video": 1, "start_s": "soon", "end_s": 5}, "listen: start_s"),
        ("listen", {"video": 0, "start_s": 0, "end_s": 5}, "listen: video: Input should be greater than"),
        ("look", {}, "There is no tool 'look'; the tools are observe, listen, answer."),
    ],
)
def test_invalid_calls_raise_a_one_line_action_error(tool, arguments, says):
    with pytest.raises(ActionError) as error:
        plan(tool, **arguments)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_valid_windows_are_kept_when_another_one_is_invalid():
    request, notes = plan("observe", targets=[target(1, 0, 5), target(9, 0, 5), target(2, 0, 5)])
    assert [t.video for t in request.targets] == [1, 2]
    assert notes == ("There is no video 9; the videos are 1 to 4.",)


def test_frames_of_a_call_are_distributed_by_duration():
    request, notes = plan(
        "observe", budget=replace(PLENTY, frames_per_call=12), targets=[target(1, 0, 20, 64), target(2, 0, 10, 64)]
    )
    assert [t.frames for t in request.targets] == [8, 4]
    assert "12 frames were shared" in notes[0]


def test_a_spent_budget_is_an_error_and_a_nearly_spent_one_adds_a_note():
    with pytest.raises(ActionError, match="frame budget is spent"):
        plan("observe", budget=Budget(turns=3, frames=0, audio_s=9.0), targets=[target(1, 0, 5)])
    with pytest.raises(ActionError, match="audio budget is spent"):
        plan("listen", budget=Budget(turns=3, frames=9, audio_s=0.0), video=1, start_s=0, end_s=5)
    request, notes = plan("listen", budget=Budget(turns=3, frames=9, audio_s=2.0), video=1, start_s=10, end_s=50)
    assert request.window.end_s == 12.0
    assert "Cut to 2.0 s" in notes[0]


class TimedSpeech(FakePerception):
    async def listen(self, request, videos):
        said = Evidence(text='"add salt"', window=request.window, word_times_s=((0, 1), (1, 2)))
        return Observation(modality="audio", windows=(request.window,), evidence=(said,))


async def test_a_run_does_not_keep_the_times_of_words():
    request, _ = plan("listen", video=1, start_s=0, end_s=2)
    heard = await TOOLS.spec("listen").run(request, TimedSpeech(), VIDEOS)
    assert heard.evidence == (Evidence(text='"add salt"', window=request.window),)


@given(st.lists(st.tuples(st.floats(0.1, 500), st.integers(1, 200)), min_size=1, max_size=6), st.integers(6, 128))
def test_distributed_frames_fit_the_budget_and_never_exceed_the_request(windows, most):
    targets = [Target(video=1, start_s=0, end_s=length, frames=frames) for length, frames in windows]
    shared = share_frames(targets, most)
    assert sum(t.frames for t in shared) <= max(most, len(targets))
    assert all(1 <= new.frames <= old.frames for new, old in zip(shared, targets, strict=True))


def test_a_malformed_citation_is_dropped_and_the_answer_is_kept():
    good = {"video": 1, "start_s": 0, "end_s": 2, "modality": "visual"}
    arguments = TOOLS.read("answer", {"value": "A", "citations": [good, {"video": "?"}, "nonsense"]})
    assert isinstance(arguments, AnswerArgs)
    assert arguments.citations == [Citation(video=1, start_s=0, end_s=2, modality="visual")]


def test_citations_outside_the_observations_are_dropped():
    seen = Observation(modality="visual", windows=(Window(video=1, start_s=10, end_s=20),))
    inside = Citation(video=1, start_s=12, end_s=14, modality="visual")
    others = [
        Citation(video=1, start_s=12, end_s=14, modality="audio"),
        Citation(video=2, start_s=12, end_s=14, modality="visual"),
        Citation(video=1, start_s=30, end_s=34, modality="visual"),
    ]
    assert clip_citations([inside, *others, inside], [seen], VIDEOS) == ((inside,), ())


@pytest.mark.parametrize(
    ("start_s", "end_s", "clipped"),
    [(50.0, 99.0, (50.0, 60.0)), (-5.0, 12.0, (0.0, 12.0)), (-1e9, 1e9, (0.0, 60.0)), (59.0, 60.0, (59.0, 60.0))],
)
def test_citations_are_clipped_to_the_video(start_s, end_s, clipped):
    seen = Observation(modality="visual", windows=(Window(video=1, start_s=0, end_s=60),))
    cited = Citation(video=1, start_s=start_s, end_s=end_s, modality="visual")
    kept, notes = clip_citations([cited], [seen], VIDEOS)
    assert [(one.start_s, one.end_s) for one in kept] == [clipped] and notes == ()


@pytest.mark.parametrize(
    ("video", "start_s", "end_s", "note"),
    [
        (1, 70, 80, "The window 70.0-80.0 s lies outside video 1, which runs from 0.0 to 60.0 s."),
        (1, -20, -10, "The window -20.0--10.0 s lies outside video 1, which runs from 0.0 to 60.0 s."),
        (1, 60, 61, "The window 60.0-61.0 s lies outside video 1, which runs from 0.0 to 60.0 s."),
        (1, 20, 10, "The window 20.0-10.0 s of video 1 must end after its start."),
        (1, 10, 10, "The window 10.0-10.0 s of video 1 must end after its start."),
        (9, 0, 5, "There is no video 9; the videos are 1 to 4."),
        (4, 0, 5, "Video 4 cannot be read: d.mp4: it cannot be read."),
        (3, 0, 5, "Video 3 has no picture; use listen."),
    ],
)
def test_a_citation_that_names_nothing_is_dropped_with_a_note(video, start_s, end_s, note):
    seen = Observation(modality="visual", windows=(Window(video=1, start_s=0, end_s=60),))
    cited = Citation(video=video, start_s=start_s, end_s=end_s, modality="visual")
    assert clip_citations([cited], [seen], VIDEOS) == ((), (f"a citation was dropped: {note}",))


@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), float("-inf"), None, "soon"])
@pytest.mark.parametrize("name", ["start_s", "end_s"])
def test_a_citation_without_a_real_time_is_dropped(name, time_s):
    cited = {"video": 1, "start_s": 0.0, "end_s": 2.0, "modality": "visual", name: time_s}
    assert TOOLS.read("answer", {"value": "A", "citations": [cited]}).citations == []


def test_schemas_are_plain_json_without_references():
    text = json.dumps(TOOL_SCHEMAS)
    assert [schema["function"]["name"] for schema in TOOL_SCHEMAS] == ["observe", "listen", "answer"]
    assert "$ref" not in text
    assert "$defs" not in text


WILD_NUMBERS = st.one_of(
    st.integers(-2, 5), st.floats(), st.sampled_from([10**400, -(10**30), 1e308, True, None, "1", "0:05", "", [], {}])
)
WILD_ARGUMENTS = st.dictionaries(
    st.sampled_from(["video", "start_s", "end_s", "frames", "zoom", "region", "focus", "query", "limit"]), WILD_NUMBERS
)
EVERY_TOOL = Toolset(Features(find=True, zoom=True).apply(TOOLS))


@given(st.sampled_from(["observe", "listen", "find", "targets"]), WILD_ARGUMENTS)
def test_no_arguments_look_like_a_failure_of_the_infrastructure(tool, arguments):
    """It would cost a policy nothing: an episode that the infrastructure stopped is not scored."""
    name, given_arguments = ("observe", {"targets": [arguments]}) if tool == "targets" else (tool, arguments)
    made = plan_turn([Call(id="1", tool=name, arguments=given_arguments)], VIDEOS, PLENTY, EVERY_TOOL, 1)
    assert not made.stopped, made.refusals
    assert len(made.assignments) + len(made.refusals) == 1
