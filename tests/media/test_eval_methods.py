"""Evaluation methods: what each model receives, what a question costs, and how a reply becomes an answer."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from agentcvr_graph import CVRContext, InputError, create_cvr_graph
from agentcvr_graph.errors import ActionError, InfrastructureError
from agentcvr_graph.eval import EvalConfig
from agentcvr_graph.eval.methods import MethodResources, make_methods
from agentcvr_graph.eval.methods.base import GraphMethod
from agentcvr_graph.eval.methods.frames import share_frames
from agentcvr_graph.eval.methods.single_pass import SinglePass, read_reply
from agentcvr_graph.eval.methods.single_pass_graph import single_pass_graph
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.chat_format.thoughts import without_thoughts
from agentcvr_graph.models.limiter import LimitedChat
from agentcvr_graph.models.offline.audio import OfflineAudio
from agentcvr_graph.models.offline.vision import OfflineVision
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.models.text_judge import ChatJudge, WordJudge, read_grades
from agentcvr_graph.perception.blind import BlindPerception
from agentcvr_graph.perception.live import LivePerception
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import write_scripts
from agentcvr_graph.types import Question, Video
from tests.support.media_files import counting


class Saying(GenericFakeChatModel):
    """A chat model that returns scripted replies in order and records the messages it receives."""

    heard: list

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        self.heard.append(messages)
        return super()._generate(messages, stop, run_manager, **kwargs)


def saying(*texts: str) -> Saying:
    return Saying(messages=iter([AIMessage(text) for text in texts]), heard=[])


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = counting(tmp_path_factory.mktemp("methods") / "clip.mp4")
    path.with_suffix(".srt").write_text("1\n00:00:01,000 --> 00:00:03,000\nput in the salt\n")
    return path


@pytest.fixture
def perception(tmp_path):
    return LivePerception(OfflineVision(), OfflineAudio(), MediaLibrary(cache_dir=tmp_path))


def question_about(*sources: str, **more) -> Question:
    videos = tuple(Video(source=source) for source in sources)
    return Question(question="Which?", videos=videos, options=("left", "right"), kind="choice", **more)


def test_frames_are_distributed_by_the_protocol():
    assert share_frames([10.0, 30.0], 128, evenly=True) == [64, 64]
    assert share_frames([10.0, 30.0, 20.0], 7, evenly=False) == [1, 4, 2]  # exact shares: 1.17, 3.5, 2.33
    assert share_frames([1.0] * 3, 2, evenly=True) == [0, 0, 0]
    assert share_frames([0.0], 4, evenly=False) == [0] and share_frames([], 4, evenly=True) == []


async def test_a_single_pass_shows_every_video_in_one_request(clip, perception, tmp_path):
    other = tmp_path / "other.mp4"
    other.write_bytes(clip.read_bytes())
    model = saying("The left one shows it.\nAnswer: B")
    method = SinglePass(model, "stub", perception, frames=8)
    trajectory = await method.ask(question_about(str(clip), f"{other}#t=4,8"))
    assert trajectory.answer.value == "B" and trajectory.failure is None
    assert len(model.heard) == 1
    blocks = model.heard[0][0].content_blocks
    labels = [block["text"] for block in blocks if block["type"] == "text"]
    assert sum(block["type"] == "image" for block in blocks) == 8
    assert labels[1] == "video 1, 1.0 s:" and any(label.startswith("video 2, ") for label in labels)
    assert "Question: Which?" in labels[-1] and "A. left\nB. right" in labels[-1]
    assert "salt" not in str(labels)
    (turn,) = trajectory.turns
    assert [action.tool for action in turn.actions] == ["observe", "observe", "answer"]
    assert len(trajectory.observations[0].frame_times_s[0]) == 4
    assert trajectory.usage.frames == 8 and trajectory.usage.model_calls == 1 and trajectory.usage.wall_s > 0


async def test_segments_of_one_recording_get_frames_by_duration(clip, perception):
    model = saying("A")
    trajectory = await SinglePass(model, "stub", perception, frames=8).ask(
        question_about(f"{clip}#t=0,2", f"{clip}#t=2,8")
    )
    assert [len(seen.frame_times_s[0]) for seen in trajectory.observations] == [2, 6]


async def test_transcripts_follow_the_frames(clip, perception):
    model = saying("right")
    trajectory = await SinglePass(model, "stub", perception, frames=4, listens=True).ask(question_about(str(clip)))
    said = [block["text"] for block in model.heard[0][0].content_blocks if block["type"] == "text"]
    assert any("[video 1, 1.0-3.0 s]" in text and "put in the salt" in text for text in said)
    assert trajectory.answer.value == "B" and trajectory.usage.audio_s == pytest.approx(8, abs=0.1)


async def test_a_reply_without_an_answer_is_sent_back_once(clip, perception):
    model = saying("I see nothing.", "Sorry. The answer is B.")
    trajectory = await SinglePass(model, "stub", perception, frames=2).ask(question_about(str(clip)))
    assert trajectory.answer.value == "B" and trajectory.usage.model_calls == 2 and trajectory.usage.frames == 2
    assert "not one of the options A to B" in model.heard[1][-1].text and len(model.heard[1]) == 3
    first, second = trajectory.turns
    assert [action.tool for action in first.actions] == ["observe", "answer"]
    assert "not one of the options" in first.actions[-1].reply
    assert second.actions[0].arguments == {"value": "Sorry. The answer is B."}


async def test_replies_without_an_answer_are_a_failed_run_and_a_broken_model_raises(clip, perception):
    model = saying("I see nothing.", "Still nothing.")
    trajectory = await SinglePass(model, "stub", perception, frames=2).ask(question_about(str(clip)))
    assert trajectory.answer is None and trajectory.failure.boundary == "master"
    with pytest.raises(InfrastructureError, match="stub failed"):
        await SinglePass(saying(), "stub", perception, frames=2).ask(question_about(str(clip)))
    with pytest.raises(InputError, match="no such file"):
        await SinglePass(saying("A"), "stub", perception, frames=2).ask(question_about("none.mp4"))


class Limited(Saying):
    """A chat model of a server that takes few images, and small ones."""

    most: int
    most_characters: int = 10**9

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        images = [block for block in messages[0].content_blocks if block["type"] == "image"]
        if len(images) > self.most:
            raise Refusal(f"At most {self.most} image(s) may be provided in one prompt.")
        if any(len(image["base64"]) > self.most_characters for image in images):
            raise Refusal("Image dimensions exceed the maximum.")
        return super()._generate(messages, stop, run_manager, **kwargs)


class Refusal(Exception):
    status_code = 400


async def test_a_limit_of_images_thins_the_frames_evenly_and_the_record_says_so(clip, perception):
    model = Limited(messages=iter(map(AIMessage, ["A", "B"])), heard=[], most=5)
    method = SinglePass(model, "stub", perception, frames=16)
    questions = [question_about(f"{clip}#t=0,2", f"{clip}#t=2,8")] * 2
    first, second = [await method.ask(question) for question in questions]
    assert (first.answer.value, second.answer.value) == ("A", "B")
    assert [len(seen.frame_times_s[0]) for seen in first.observations] == [1, 4]
    times = first.observations[1].frame_times_s[0]
    assert max(b - a for a, b in itertools.pairwise(times)) < 2 * min(b - a for a, b in itertools.pairwise(times))
    assert "video 2: 4 of 12 frames were sent, because the model takes no more." in first.notes
    assert "note: video 2: 4 of 12 frames were sent" in str(model.heard[0][0].content)
    assert second.notes == first.notes, "the limit is known from the first question on"


async def test_a_limit_of_the_size_of_images_makes_them_smaller(clip, perception):
    model = Limited(messages=iter([AIMessage("A")]), heard=[], most=9, most_characters=2500)
    trajectory = await SinglePass(model, "stub", perception, frames=2).ask(question_about(str(clip)))
    assert trajectory.answer.value == "A" and trajectory.usage.model_calls == 1


LOOK = '{"action": "observe", "arguments": {"targets": [{"video": 1, "start_s": 0, "end_s": 5}]}}'
METHODS = {
    "agent": lambda model, perception: GraphMethod(
        create_cvr_graph(model, perception).compile(), CVRContext(max_turns=2)
    ),
    "blind": lambda model, perception: GraphMethod(
        create_cvr_graph(model, BlindPerception(perception)).compile(), CVRContext(max_turns=1)
    ),
    "single-pass": lambda model, perception: SinglePass(model, "stub", perception, frames=2),
    "single-pass of an offline vision model": lambda model, perception: single_pass_graph(
        model, perception, CVRContext(), frames=2, listens=False
    ),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("replies", "kind", "value"),
    [
        (["right"], "choice", "B"),
        (["<think>left?</think>Right."], "choice", "B"),
        (["b)"], "choice", "B"),
        (["I think it is right, because of the hat."], "choice", "B"),
        (['A sign says "The answer is A". It is right.'], "choice", "B"),
        (["left and right"], "choices", ["A", "B"]),
        (["because of the hat"], "text", "because of the hat"),
        (["I saw it.\n**Answer:** a hat"], "text", "a hat"),
        (["seven"], "number", None),
        (["Neither.", "right"], "choice", "B"),
        (["Neither.", "I cannot say."], "choice", None),
        (["left or right", "A/B"], "choice", None),
    ],
)
async def test_plain_words_are_read_alike_by_every_method(clip, perception, name, replies, kind, value):
    second = [] if value is not None or len(replies) == 2 else replies
    model = saying(*([LOOK] if name == "agent" else []), *replies, *second)
    question = question_about(str(clip)).model_copy(update={"kind": kind})
    if kind in ("number", "text"):
        question = question.model_copy(update={"options": ()})
    trajectory = await METHODS[name](model, perception).ask(question)
    assert (trajectory.answer and trajectory.answer.value) == value
    calls = len(model.heard) - (name == "agent")
    assert calls == len(replies) + len(second)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("<answer>B</answer>", "choice", "B"),
        ("I think (A) is wrong.\n**Answer: B**", "choice", "B"),
        ("Because of the hat:\nB", "choice", "B"),
        ("right", "choice", "B"),
        ("AB", "choices", ["A", "B"]),
        ("Answer: 2->1", "order", "2->1"),
        ("The answer is: 15,23", "interval", (15.0, 23.0)),
        ("Answer: 7", "number", 7.0),
        ("Answer: a hat", "text", "a hat"),
        ("The answer is B.", "choice", "B"),
        ("<thinking>Answer: A</thinking>\n\\boxed{B}", "choice", "B"),
        ('{"answer": "B"}', "choice", "B"),
        ("I think it is B", "choice", "B"),
    ],
)
def test_replies_in_many_forms_are_parsed(text, kind, value):
    question = question_about("a", "b").model_copy(update={"kind": kind})
    if kind in ("order", "interval", "number", "text"):
        question = question.model_copy(update={"options": ()})
    answer = read_reply(text, question)
    assert answer.value == value and answer.rationale == without_thoughts(text)


def test_replies_without_a_valid_answer_raise_action_error():
    with pytest.raises(ActionError):
        read_reply("", question_about("a", "b"))
    with pytest.raises(ActionError, match="not one of the options"):
        read_reply("Neither of them", question_about("a", "b"))


async def test_single_pass_observes_once_and_transcribes_only_when_configured(tmp_path):
    path = tmp_path / "scripts.jsonl"
    write_scripts(make_scripts({"FSA": 2}), path)
    names = ("single-pass", "single-pass-transcripts", "blind")
    methods = make_methods(EvalConfig(methods=names, scripts=str(path), frames=40))
    question = next(iter(make_scripts({"FSA": 1}))).as_question()
    silent, heard, blind = [await methods[name].ask(question) for name in names]
    assert len(silent.turns) == len(heard.turns) == 2 and len(blind.turns) == 1
    assert silent.usage.frames == heard.usage.frames == 40
    assert silent.usage.audio_s == 0 and heard.usage.audio_s > 50 and blind.observations == ()
    assert [seen.modality for seen in heard.observations] == ["visual", "audio", "audio"]
    assert silent.answer and heard.answer and blind.answer


def test_methods_share_their_models_and_unknown_methods_are_refused():
    config = EvalConfig(models=ModelStrings(master="http://127.0.0.1:9/v1#m", vision="http://127.0.0.1:9/v1#v"))
    resources = MethodResources(config)
    assert isinstance(resources.master, LimitedChat) and isinstance(resources.vision_chat_model, LimitedChat)
    assert resources.master.limiter is resources.vision_chat_model.limiter
    assert resources.vision_chat_model.model.model_name == "v"
    with pytest.raises(InputError, match="Unknown method 'x'"):
        make_methods(EvalConfig(methods=("x",)))


POINTS = ("only the cook of video 1 adds salt", "the meal of video 2 is for my boss")
JUDGED = Question(
    question="What, and for whom?",
    videos=(Video(source="a"),),
    kind="text",
    key="salt; boss",
    scoring_points=POINTS,
)


async def test_the_judge_grades_point_by_point():
    said = 'Well: {"coverage": [true, true], "correctness": [true, false]}'
    model = saying("I cannot say.", said)
    grades = await ChatJudge(model, "stub").grade(JUDGED, "salt, for a friend")
    assert grades.coverage == (True, True) and grades.correctness == (True, False) and grades.score == 0.75
    prompt = model.heard[0][1].text
    assert "1. only the cook" in prompt and "salt, for a friend" in prompt and "lists of 2" not in prompt
    with pytest.raises(InfrastructureError, match="no grades in 3 replies"):
        await ChatJudge(saying("no", "no", "no"), "stub").grade(JUDGED, "x")


@pytest.mark.parametrize("thought", ["<thinking>{0}</thinking>", "{0}</think>", "[THINK]{0}[/THINK]"])
async def test_the_reasoning_of_the_judge_is_no_grade(thought):
    all_wrong = '{"coverage": [false, false], "correctness": [false, false]}'
    reply = thought.format(all_wrong) + all_wrong.replace("false", "true")
    assert (await ChatJudge(saying(reply), "stub").grade(JUDGED, "salt")).score == 1.0


def test_malformed_grades_are_rejected_and_uncovered_points_are_not_correct():
    assert read_grades('{"coverage": [true], "correctness": [true]}', 2) is None
    assert read_grades("{coverage}", 1) is None and read_grades("", 1) is None
    assert read_grades('{"coverage": ["false"], "correctness": ["false"]}', 1).coverage == (False,)
    assert read_grades('{"coverage": ["True"], "correctness": [1]}', 1).correctness == (True,)
    for odd in ("0.5", "2", "null", '"yes"', '{"true": 1}', "[true]", "1.0"):
        assert read_grades(f'{{"coverage": [{odd}], "correctness": [true]}}', 1) is None
    assert read_grades('{"grades": {"coverage": [true], "correctness": [true]}}', 1) is None
    assert (
        read_grades('So {x}: {"note": "a { in a text", "coverage": [true], "correctness": [false]} {}', 1).score == 0.5
    )
    uncovered = read_grades('{"coverage": [false], "correctness": [true]}', 1)
    assert uncovered.correctness == (False,), "what is not spoken of is not right either"


async def test_the_offline_judge_scores_by_matching_words():
    full = await WordJudge().grade(JUDGED, "Cook 1 adds salt; the meal of video 2 is for my boss")
    half = await WordJudge().grade(JUDGED, "salt")
    none = await WordJudge().grade(JUDGED, "pepper")
    assert full.score == 1.0 and 0 < half.score < 1 and none.score == 0.0
