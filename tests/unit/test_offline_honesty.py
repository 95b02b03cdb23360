"""The offline master answers only what a statement says, quotes what is asked for, and says truly what it did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.graph import prompts
from agentcvr_graph.models.offline.master import OfflineMaster
from agentcvr_graph.models.offline.master.asked import asked_noun
from agentcvr_graph.models.offline.master.language import digits, words_of
from agentcvr_graph.models.offline.master.marks import Marks, lacks_things, marks_of, things_in
from agentcvr_graph.models.offline.master.whole import sort_asked
from agentcvr_graph.models.self_report import report_in
from agentcvr_graph.render import observation_text
from agentcvr_graph.testing import FakePerception
from agentcvr_graph.tools import TOOL_SCHEMAS
from agentcvr_graph.types import Answer, AnswerKind, Evidence, Modality, Observation, Video, VideoInfo, Window

STATEMENTS = (
    (1, 0.0, 10.0, 'on-screen text "PLATFORM 7"; mostly red; still'),
    (2, 0.0, 10.0, 'on-screen text "EXIT 12"; mostly purple; still'),
    (3, 0.0, 10.0, 'on-screen text "OPEN DAILY"; mostly green; still'),
    (4, 0.0, 10.0, 'on-screen text "ITEM 1"; mostly blue'),
    (1, 1.7, 5.0, '"the train to boston leaves at noon please bring your ticket"'),
    (2, 1.7, 5.3, '"the train to chicago leaves at midnight"'),
    (3, 1.0, 4.0, '"our shop sells bread and honey"'),
)
NUMBERED = tuple(f"Video {n}" for n in range(1, 5))
TIMES = ("at noon", "at midnight", "at six")


def given(question: str, kind: AnswerKind = "text", options: Sequence[str] = ()) -> Any:
    """Return the value that the master gives after it has seen and heard all statements; None for a guess."""
    infos = [
        VideoInfo(number=n, video=Video(source=f"v{n}.mp4"), duration_s=60, width=640, height=360, has_sound=True)
        for n in range(1, 5)
    ]
    left = [("turns", 12.0), ("frames", 512.0), ("audio seconds", 7200.0)]
    start = [SystemMessage(prompts.system("", "")), HumanMessage(prompts.brief(question, kind, options, infos, left))]
    replies = [ToolMessage(_seen(modality), tool_call_id="1") for modality in ("visual", "audio")]
    # Two turns are over, so this is the one that answers.
    turns = [AIMessage(""), *replies, AIMessage(""), ToolMessage("", tool_call_id="2")]
    turn = OfflineMaster().bind_tools(list(TOOL_SCHEMAS)).invoke([*start, *turns])
    report = report_in(turn)
    assert report is not None
    return None if report.looked_for else turn.tool_calls[0]["args"]["value"]


def _seen(modality: Modality) -> str:
    chosen = [one for one in STATEMENTS if one[3].startswith('"') == (modality == "audio")]
    windows = tuple(Window(video=v, start_s=a, end_s=b) for v, a, b, _ in chosen)
    evidence = tuple(Evidence(text=one[3], window=window) for one, window in zip(chosen, windows, strict=True))
    times = tuple((0.0,) * 60 for _ in windows) if modality == "visual" else ()
    return observation_text(Observation(modality=modality, windows=windows, frame_times_s=times, evidence=evidence))


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("Which video shows the text EXIT 12?", "Video 2"),
        ("Which video shows the text EXIT 99?", None),
        ("Which video shows EXIT 1?", None),  # not the first digit of 12
        ("Which video shows ITEM 1?", "Video 4"),
        ("Which video shows ITEM 7?", None),
        ("Which video shows the number 7?", "Video 1"),
        ("Which video shows the number 17?", None),
        ("Which video shows platform 7 and exit 99?", None),
        ('Which video says "bring your ticket"?', "Video 1"),
        ('Which video says "bring your dog"?', None),
        ("When does the train to Denver leave?", None),
        ("when does the train to denver leave?", None),
        ("when does the train to boston leave?", "the train to boston leaves at noon please bring your ticket"),
        ("What colour is the video with EXIT 12?", "purple"),
        ("Which platform is shown in the red video?", "PLATFORM 7"),
        ("Which number is on the platform sign?", "7"),
        ("What is the price of the ticket to Boston?", None),
        ("How much does the ticket to Boston cost?", None),
        ("What is the colour of the train to Boston?", None),
        ("What is the name of the train to Boston?", None),
        ("What is the number of the train to Boston?", None),
        ("What is written in video 3?", "OPEN DAILY"),
        ("What does the text in the last video read?", "ITEM 1"),
        ("What is said in the second video?", "the train to chicago leaves at midnight"),
        ("What does the speaker say in the 3rd video?", "our shop sells bread and honey"),
        ("Transcribe the second clip.", "the train to chicago leaves at midnight"),
        ("What words are spoken in video 3?", "our shop sells bread and honey"),
        ("What is the main colour of the first video?", "red"),
        ("What is the exit number in the second video?", "12"),
        ("What text is visible in video 2?", "EXIT 12"),
        ("What is said in video 4?", None),
    ],
)
def test_a_text_says_what_is_asked_for_or_is_a_guess(question: str, value: str | None):
    assert given(question) == value


@pytest.mark.parametrize(
    ("question", "options", "value"),
    [
        ("When does the train to Boston leave?", TIMES, "A"),
        ("When does the train to Denver leave?", TIMES, None),
        ("Which video shows the text EXIT 12?", NUMBERED, "B"),
        ("Which video shows the text EXIT 99?", NUMBERED, None),
        ("Which video shows the text EXIT 12?", ("the first video", "the second video", "the last video"), "B"),
        ("Which text is shown in video 2?", ("EXIT 11", "EXIT 12", "EXIT 99"), "B"),
        ("Which text is shown in video 2?", ("EXIT 11", "EXIT 99"), None),
        ("Which platform is shown?", ("17", "7", "1"), "B"),
        ("What is the price of the ticket to Boston?", ("noon", "five dollars"), None),
    ],
)
def test_a_choice_has_what_the_question_and_the_option_name(question: str, options: tuple[str, ...], value: str | None):
    assert given(question, "choice", options) == value


def test_what_is_said_quotes_every_video():
    said = given("What is said?")
    assert said.startswith("Video 1: the train to boston leaves at noon") and "; Video 3: our shop sells" in said
    assert given("Which video has text?") != given("Which text is shown?")
    assert given("Who speaks?") is None
    assert given("How many videos show EXIT 99?", "number") is None


@pytest.mark.parametrize(
    ("question", "sort"),
    [
        ("What is said in video 4?", "speech"),
        ("Which text is shown?", "on-screen text"),
        ("What colour is it?", "colours"),
        ("Who says hello?", ""),
    ],
)
def test_a_question_for_all_of_a_sort_is_known_by_it(question: str, sort: str):
    assert sort_asked(question) == sort


def test_marks_are_quoted_texts_capitals_numbers_and_names():
    assert marks_of("Who says 'add salt' near EXIT 12 in Boston?") == Marks(("add salt", "EXIT 12"), names=("Boston",))
    assert marks_of("What is said at 7 to 9 s of video 1, and in videos 2, 3 and 4?") == Marks()
    assert marks_of("Which Video Shows The Cat?") == marks_of("Which of the 3 videos is it?") == Marks()
    assert marks_of("WHAT IS ON PLATFORM 7?") == Marks(numbers=frozenset({"7"}))
    assert not marks_of("Who is at EXIT 12 at 7:45 pm?").missing(['on-screen text "EXIT12", "19:45"'])
    assert marks_of("Is it 7:45?").missing(['on-screen text "7:15"'])
    assert not marks_of("Is Goddard there?").missing(['"at the goddart center"'])  # misheard by a letter


def test_numbers_are_whole_numbers():
    assert digits("EXIT12, room 7, 1,000 g, 4.50 m") == {"12", "7", "1000", "4.5"}
    assert {"7", "seven"} <= words_of("item 7") & words_of("item seven")
    assert not {"1", "7"} & words_of("item 17")


def test_the_noun_that_says_what_is_asked():
    asked = {"What is the price of it?": "price", "Which ticket number is it?": "number", "What does he do?": ""}
    assert {question: asked_noun(question) for question in asked} == asked


class SilentPerception(FakePerception):
    """A perception whose videos have no sound."""

    async def probe(self, video: Video, number: int) -> VideoInfo:
        return (await super().probe(video, number)).model_copy(update={"has_sound": False})


def abstention_after(context: CVRContext, *, videos: int = 2, perception: FakePerception | None = None) -> Answer:
    fake = perception or FakePerception(text='on-screen text "A"', said="hm")
    graph = create_cvr_graph(OfflineMaster(), fake).compile()
    question = "But compare: which zebra has number 7? Thanks!"
    output = graph.invoke({"question": question, "videos": [f"{n}.mp4" for n in range(videos)]}, context=context)
    assert output["answer"] is not None and output["answer"].abstained
    return output["answer"]


@pytest.mark.parametrize(
    ("context", "where", "setting"),
    [
        (CVRContext(), "in what was seen and heard", None),
        (CVRContext(max_frames=0), "in what was heard", "max_frames"),
        (CVRContext(max_frames=1), "in what was heard", "max_frames"),
        (CVRContext(max_audio_s=0), "in what was seen", "max_audio_s"),
    ],
)
def test_an_abstention_says_where_it_looked(context: CVRContext, where: str, setting: str | None):
    answer = abstention_after(context)
    assert answer.text == f'No answer: looked for "zebra", "number", "7" {where}, and found no evidence.'
    assert ("budget" in answer.rationale) == (setting is not None) and (setting or "") in answer.rationale


@pytest.mark.parametrize(
    ("context", "settings"),
    [
        (CVRContext(max_frames=0, max_audio_s=0), ["max_frames", "max_audio_s"]),
        (CVRContext(max_turns=1), ["max_turns"]),
        (CVRContext(max_wall_s=0), ["max_wall_s"]),
    ],
)
def test_an_abstention_without_a_look_says_so_and_names_the_setting(context: CVRContext, settings: list[str]):
    answer = abstention_after(context)
    assert answer.text == 'No answer: nothing was looked at or listened to for "zebra", "number", "7".'
    assert "The budget did not allow" in answer.rationale and all(name in answer.rationale for name in settings)


def test_an_abstention_counts_what_was_not_opened_and_names_missing_sound():
    assert (
        "20 of the 40 videos were not opened; the feature find" in abstention_after(CVRContext(), videos=40).rationale
    )
    silent = abstention_after(CVRContext(), perception=SilentPerception())
    assert "in what was seen, and" in silent.text and "None of the opened videos has sound." in silent.rationale


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("Which cook adds the saffron before the pepper and says that they cook with cream?", "saffron pepper cream"),
        ("How much does the ticket to Boston cost?", "ticket"),  # "cost" may be a verb
        ("Which video shows a man playing the drums?", "man drums"),
        ("Which cook never adds the salt?", ""),
        ("Which video shows a dog or a cat?", ""),
        ("Who looks for the silver key?", "silver key"),
    ],
)
def test_the_things_that_a_question_names(question: str, named: str):
    assert things_in(question) == named.split()


@pytest.mark.parametrize(
    ("statements", "lacks"),
    [
        (("a cook adds pepper", "saffron in the pan"), False),
        (("a cook adds pepper", 'on-screen text "ADDSAFFRON"'), False),
        (("a cook adds pepper", '"then the safron goes in"'), False),  # misheard by a letter
        (("a cook adds pepper", "salt in the pan"), True),
    ],
)
def test_a_thing_that_is_nowhere_in_the_evidence_is_lacking(statements: tuple[str, ...], lacks: bool):
    question = "Which speaker adds the saffron before the pepper at the beginning of the video?"
    assert lacks_things(question, frozenset(), statements) == lacks


@pytest.mark.parametrize(("thing", "value"), [("bread", "Video 3"), ("saffron", None)])
def test_the_words_around_a_thing_do_not_prove_it(thing: str, value: str | None):
    assert given(f"Which video says that our shop sells the {thing} and the honey?") == value
