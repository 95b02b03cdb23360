"""The offline master on hand-written evidence: each answer kind in several phrasings, and its actions turn by turn."""

from __future__ import annotations

from dataclasses import replace

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.answers import KINDS
from agentcvr_graph.graph import prompts
from agentcvr_graph.models.offline.master import OfflineMaster
from agentcvr_graph.models.offline.master.follow_ups import place_of
from agentcvr_graph.models.offline.master.language import clock_minutes, day_of_year
from agentcvr_graph.models.offline.master.planning import reference_window
from agentcvr_graph.models.self_report import report_in
from agentcvr_graph.render import ONLY_ANSWER, observation_text
from agentcvr_graph.testing import FakePerception
from agentcvr_graph.tools import TOOL_SCHEMAS, TOOLS, Features, Toolset
from agentcvr_graph.types import Evidence, Observation, Video, VideoInfo, Window

LEFT = [("turns", 12.0), ("frames", 512.0), ("audio seconds", 7200.0)]


def window(video, start_s, end_s):
    return Window(video=video, start_s=start_s, end_s=end_s)


def brief(question, kind, options=(), videos=2, duration_s=60.0):
    infos = [
        VideoInfo(
            number=n, video=Video(source=f"v{n}.mp4"), duration_s=duration_s, width=640, height=360, has_sound=True
        )
        for n in range(1, videos + 1)
    ]
    return [SystemMessage(prompts.system("", "")), HumanMessage(prompts.brief(question, kind, options, infos, LEFT))]


def evidence(*statements):
    """Return tool messages for (video, start_s, end_s, text) statements. Quoted texts are speech, the others visual."""
    messages = [AIMessage("", tool_calls=[{"name": "observe", "args": {}, "id": "1"}])]
    for modality in ("visual", "audio"):
        chosen = [s for s in statements if s[3].startswith('"') == (modality == "audio")]
        if chosen:
            seen = Observation(
                modality=modality,
                windows=(window(1, 0, 60),),
                frame_times_s=((0.0,) * 120,) if modality == "visual" else (),
                evidence=tuple(Evidence(text=text, window=window(v, a, b)) for v, a, b, text in chosen),
            )
            messages.append(ToolMessage(observation_text(seen), tool_call_id="1"))
    return messages


def ask(messages):
    """Return the tool calls of the next turn."""
    return OfflineMaster().bind_tools(list(TOOL_SCHEMAS)).invoke(messages).tool_calls


def answer_to(question, kind, statements, options=(), videos=2):
    messages = [*brief(question, kind, options, videos), *evidence(*statements)]
    for _ in range(3):
        calls = ask(messages)
        if calls[0]["name"] == "answer":
            return calls[0]["args"]
        messages += [AIMessage("", tool_calls=calls), ToolMessage("seen: video 1, 0.0-1.0 s", tool_call_id="x")]
    raise AssertionError("no answer within three turns")


GARDEN = [
    (1, 5, 10, 'on-screen text "PLANT THE ROSES"'),
    (1, 20, 25, 'on-screen text "WATER THE LAWN"'),
    (2, 5, 10, 'on-screen text "WATER THE LAWN"'),
    (2, 20, 25, 'on-screen text "PLANT THE ROSES"'),
    (1, 30, 33, '"my neighbour lent me the spade"'),
    (2, 30, 33, '"i bought the shovel last year"'),
]


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("Which gardener plants the roses before they water the lawn?", "A"),
        ("Which gardener plants the roses after the lawn was watered?", "B"),
        ("Which gardener mentions a shovel?", "B"),
        ("Which gardener waters the lawn before the roses and says that they bought the shovel?", "B"),
    ],
)
def test_choice_between_videos(question, value):
    found = answer_to(question, "choice", GARDEN, ["Video 1", "Video 2"])
    assert found["value"] == value
    assert {citation["video"] for citation in found["citations"]} == {"AB".index(value) + 1}


@pytest.mark.parametrize(
    ("question", "options", "value"),
    [
        ("What does the gardener of video 1 borrow?", ["a wheelbarrow", "a spade", "a ladder"], "B"),
        ("What is on the sign in video 2?", ["Cut the hedge", "Feed the fish", "Water the lawn"], "C"),
        ("What was bought?", ["the shovel", "a new hose", "some seeds"], "A"),
    ],
)
def test_choice_between_texts(question, options, value):
    assert answer_to(question, "choice", GARDEN, options)["value"] == value


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("In which videos is a goal scored?", ["A", "C"]),
        ("Which players say that they are tired?", ["B"]),
        ("Which matches show a red card?", ["B", "C"]),
    ],
)
def test_choices_with_several_right_options(question, value):
    statements = [
        (1, 0, 5, 'on-screen text "GOAL SCORED"'),
        (3, 0, 5, 'on-screen text "GOAL SCORED"'),
        (2, 8, 9, 'on-screen text "RED CARD"'),
        (3, 8, 9, 'on-screen text "RED CARD"'),
        (2, 20, 22, '"i am so tired now"'),
        (1, 20, 22, '"what a day"'),
    ]
    options = ["Video 1", "Video 2", "Video 3"]
    assert answer_to(question, "choices", statements, options, videos=3)["value"] == value


@pytest.mark.parametrize(
    ("statements", "value"),
    [
        (
            [(1, 0, 5, 'on-screen text "14:30"'), (2, 0, 5, '"it is nine o\'clock"'), (3, 0, 5, 'text "9:45"')],
            "2->3->1",
        ),
        ([(1, 0, 5, 'text "12 March"'), (2, 0, 5, '"today is the 3rd of february"'), (3, 0, 5, "May 1")], "2->1->3"),
        ([(1, 0, 5, 'text "STEP 3"'), (2, 0, 5, 'text "STEP 1"'), (3, 0, 5, 'text "STEP 2"')], "2->3->1"),
    ],
)
def test_order_of_videos(statements, value):
    assert answer_to("In which order were these filmed?", "order", statements, videos=3)["value"] == value


def test_order_of_events():
    statements = [(1, 5, 9, "the dog jumps"), (1, 20, 24, "the cat sleeps"), (1, 40, 44, "the bird sings")]
    options = ["a bird sings", "a dog jumps", "a cat sleeps"]
    assert answer_to("In which order does this happen?", "order", statements, options, 1)["value"] == "2->3->1"


@pytest.mark.parametrize(
    "question",
    [
        "Which interval of video 2 shows the same repair as 10 to 20 s of video 1?",
        "When in video 2 does the mechanic do what is done in video 1 at 10 to 20 s?",
        "Which interval of video 2 shows the part that video 1 talks about between 10 and 20 s?",
    ],
)
def test_interval_is_found_across_videos(question):
    statements = [
        (1, 10, 20, '"now we replace the chain"'),
        (2, 0, 12, 'on-screen text "CLEAN THE FRAME"'),
        (2, 12, 25, 'on-screen text "NEW CHAIN"'),
        (2, 25, 40, 'on-screen text "TEST RIDE"'),
    ]
    assert answer_to(question, "interval", statements)["value"] == [12.0, 25.0]


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("How many of the videos show a bridge?", 2),
        ("How many times does the bell ring?", 3),
        ("How many eggs are used?", 4),
    ],
)
def test_numbers_are_counted_or_quoted(question, value):
    statements = [
        (1, 0, 5, "a stone bridge"),
        (3, 0, 5, "a bridge of wood"),
        (2, 1, 2, "the bell rings"),
        (2, 10, 11, "the bell rings"),
        (2, 30, 31, "the bell rings"),
        (3, 20, 24, '"you need four eggs for this"'),
    ]
    assert answer_to(question, "number", statements, videos=3)["value"] == value


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("What did the neighbour lend?", "my neighbour lent me the spade"),
        ("What does the gardener say about the shovel?", "i bought the shovel last year"),
    ],
)
def test_text_answers_come_from_the_evidence(question, text):
    assert answer_to(question, "text", GARDEN)["value"] == text


SPACE = [
    (1, 0, 4, '"here is the telescope"'),
    (1, 4, 8, '"in a clean room"'),
    (1, 20, 24, '"it was built in maryland"'),
    (1, 0, 16, "mostly black"),
    (2, 0, 10, "unclear speech"),
]


@pytest.mark.parametrize(
    ("question", "value", "cited"),
    [
        ("What is said between 0 and 12 s of video 1?", "here is the telescope in a clean room", 2),
        ("In which video is a telescope named?", "Video 1", 1),
        ("Which of video 1 and video 2 names a telescope?", "Video 1", 1),
        ("In which of these two clips is a telescope named?", "Video 1", 1),
        ("Which video shows a drummer?", "The evidence does not say.", 0),
        ("What is said from 30 to 40 s of video 1?", "The evidence does not say.", 0),
    ],
)
def test_speech_in_a_window_is_quoted_and_videos_are_named(question, value, cited):
    answer = answer_to(question, "text", SPACE)
    assert (answer["value"], len(answer["citations"])) == (value, cited)
    assert cited or "only matches words" in answer["rationale"]


def test_when_something_is_said_is_the_time_of_the_speech():
    assert answer_to("When is a telescope mentioned?", "interval", SPACE)["value"] == [0.0, 4.0]


def test_a_guess_is_called_one():
    answer = answer_to("Who plays the drums?", "choice", SPACE, ["the man", "the woman"])
    assert answer["citations"] == []
    assert answer["rationale"].startswith("This is a guess")


def test_an_option_that_is_the_title_of_a_video_stands_for_the_video(monkeypatch):
    monkeypatch.setattr(VideoInfo, "title", property(lambda info: ["telescope", "drums"][info.number - 1]))
    guess = answer_to("Which video shows a man playing the piano?", "choice", SPACE, ["telescope", "drums"])
    assert guess["citations"] == [] and guess["rationale"].startswith("This is a guess")
    found = answer_to("Which video shows a clean room?", "choice", SPACE, ["drums", "telescope"])
    assert found["value"] == "B" and {one["video"] for one in found["citations"]} == {1}


@pytest.mark.parametrize(
    "options",
    [
        ("the second", "the first"),
        ("the second one", "the first one"),
        ("2", "1"),
        ("#2", "#1"),
        ("B", "A"),
        ("clip two", "clip one"),
        ("recording 2", "recording 1"),
        ("v2.mp4", "V1.MP4"),
    ],
)
def test_an_option_may_name_a_video_by_its_file_or_its_place_in_the_list(options):
    found = answer_to("In which of the videos is a telescope named?", "choice", SPACE, options)
    assert found["value"] == "B" and {one["video"] for one in found["citations"]} == {1}


@pytest.mark.parametrize(
    ("option", "bare", "video"),
    [
        ("the third", True, 3),
        ("3", True, 3),
        ("4", True, None),
        ("0", True, None),
        ("3", False, None),
        ("video three", False, 3),
        ("the last", True, 3),
        ("the last", False, None),
        ("the first act", True, None),
    ],
)
def test_a_place_in_the_list_needs_a_noun_unless_the_question_asks_for_a_video(option, bare, video):
    assert place_of(option, 3, bare=bare) == video


def test_a_number_is_no_video_where_the_question_does_not_ask_for_one():
    lines = [(1, 0, 5, 'on-screen text "1 LAP TO GO"'), (2, 0, 5, 'on-screen text "2 LAPS TO GO"')]
    found = answer_to("How many laps to go does video 1 show?", "choice", lines, ("2", "1"))
    assert found["value"] == "B" and {one["video"] for one in found["citations"]} == {1}


@pytest.mark.parametrize("options", [("the left one", "the right one"), ("Video 1", "Video 2")])
def test_where_the_options_fail_the_report_does_not_blame_the_evidence(options):
    lines = [*SPACE, (2, 0, 4, '"here is the telescope"')]  # both videos fit
    messages = [*brief("In which video is a telescope named?", "choice", options), *evidence(*lines), AIMessage("")]
    turn = OfflineMaster().bind_tools(list(TOOL_SCHEMAS)).invoke([*messages, ToolMessage("", tool_call_id="2")])
    report = report_in(turn)
    assert report is not None
    assert report.looked_for == 'the option that fits "telescope", "named" in what was seen and heard'
    assert "they do not decide between its options" in report.reason


async def test_a_kind_of_an_extension_is_answered_as_text_and_ends_in_a_typed_failure(monkeypatch):
    moment = replace(KINDS["interval"], name="moment", format="a time, for example 1:14")
    monkeypatch.setitem(KINDS, "moment", moment)
    app = create_cvr_graph(OfflineMaster(), FakePerception()).compile()
    given = {"question": "When does the car appear?", "videos": ["a.mp4"], "kind": "moment"}
    output = await app.ainvoke(given, context=CVRContext(abstain="never"))
    assert output["failure"] is not None
    assert output["failure"].boundary == "master"


def test_the_first_turn_observes_and_listens_to_every_video():
    calls = ask(brief("Which is red?", "choice", ["Video 1", "Video 2"], videos=3))
    assert [call["name"] for call in calls] == ["observe", "listen", "listen", "listen"]
    assert {target["video"] for target in calls[0]["args"]["targets"]} == {1, 2, 3}
    assert sum(target["frames"] for target in calls[0]["args"]["targets"]) <= 128


def test_it_observes_the_videos_that_the_graph_reports_as_missing():
    messages = brief("Which is red?", "text")
    refused = ToolMessage("error: " + prompts.EVIDENCE_FIRST.format(missing="2"), tool_call_id="1")
    messages += [AIMessage("", tool_calls=[{"name": "answer", "args": {"value": "x"}, "id": "1"}]), refused]
    assert ask(messages)[0]["args"]["targets"][0]["video"] == 2


def test_it_answers_when_only_an_answer_is_allowed():
    messages = [*brief("Which is red?", "choice", ["Video 1", "Video 2"])]
    messages += [AIMessage(""), HumanMessage(ONLY_ANSWER.format(budget="turns"))]
    (call,) = ask(messages)
    assert call["name"] == "answer"
    assert call["args"]["value"] == "A"
    assert "guess" in call["args"]["rationale"]


def test_it_is_deterministic_counts_tokens_and_writes_json_actions():
    messages = brief("Which is red?", "choice", ["Video 1", "Video 2"])
    one, other = (OfflineMaster().invoke(messages) for _ in range(2))
    assert one.content == other.content
    assert '"action": "observe"' in one.text
    assert one.usage_metadata["input_tokens"] > 100


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("half past nine", 570),
        ("a quarter to eight", 465),
        ("ten past three", 190),
        ("9:15 AM", 555),
        ("9:15 pm", 1275),
        ("it is seven o'clock in the evening", 1140),
        ("11:15", 675),
        ("a ratio of 3", None),
    ],
)
def test_times_of_day_are_parsed(text, minutes):
    assert clock_minutes(text) == minutes


def test_dates_and_references_to_windows_are_parsed():
    assert day_of_year("2024-03-12") < day_of_year("2024-04-01")
    assert day_of_year("12 March") == day_of_year("March 12")
    assert reference_window("what 74 to 89 s of video 1 does") == window(1, 74, 89)
    assert reference_window("Which is red?") is None
    assert reference_window("What is said between 0 and 12 s?") is None
    assert reference_window("What is said between 0 and 12 s?", only_video=1) == window(1, 0, 12)


FIND = "- find: searches what is seen, said and written in many videos.\n"


def library_brief(question, kind, options=(), more=80):
    """Return a brief that lists 20 videos and says that there are more."""
    system, text = brief(question, kind, options, videos=20)
    listed, left = text.text.rsplit("\nleft: ", 1)
    line = f"... and {more} more videos, numbered 21 to {20 + more}; find reaches all of them."
    return [SystemMessage(f"{system.text}\n{FIND}"), HumanMessage(f"{listed}\n{line}\nleft: {left}")]


def found(query, *statements):
    said = tuple(Evidence(text=text, window=window(v, a, b)) for v, a, b, text in statements)
    return ToolMessage(
        observation_text(Observation(modality="index", windows=(), focus=query, evidence=said)), tool_call_id="f"
    )


def queries(calls):
    return [call["args"]["query"] for call in calls if call["name"] == "find"]


def test_many_videos_are_searched_by_the_question_its_clauses_and_its_options():
    question = "Somebody says that their aunt gave them the lamp. Which word is on the card?"
    calls = ask(library_brief(question, "choice", ["tiger", "river"]))
    assert {call["name"] for call in calls} == {"find"}
    assert queries(calls) == [
        "tiger",
        "river",
        "Somebody aunt gave lamp word card",
        "Somebody aunt gave lamp",
        "word card",
    ]


@pytest.mark.parametrize("videos", [8, 9])
def test_few_videos_are_looked_at_without_a_search(videos):
    messages = brief("Which video shows a lamp?", "choice", ["1", "2"], videos)
    messages[0] = SystemMessage(f"{messages[0].text}\n{FIND}")
    assert {call["name"] for call in ask(messages)} == ({"find"} if videos > 8 else {"observe", "listen"})


def test_many_videos_are_not_searched_if_find_is_not_bound():
    messages = library_brief("Which video shows a lamp?", "text")
    messages[0] = SystemMessage(prompts.system("", ""))
    assert {call["name"] for call in ask(messages)} == {"observe", "listen"}


def test_after_a_search_the_master_looks_at_what_was_found_and_cites_what_it_saw():
    question = "Somebody says that their aunt gave them the lamp. Which word is on the card?"
    messages = library_brief(question, "choice", ["tiger", "river"])
    searches = ask(messages)
    hit = (57, 10.0, 13.0, '"my aunt gave me this lamp"')
    decoy = (3, 20.0, 24.0, "a card with the word TIGER")
    messages += [AIMessage("", tool_calls=searches), found(searches[2]["args"]["query"], hit, decoy)]
    looks = ask(messages)
    targets = looks[0]["args"]["targets"]
    assert [target["video"] for target in targets] == [57, 3]
    assert [call["args"]["video"] for call in looks[1:]] == [57, 3]
    seen = [*evidence(hit, (57, 30.0, 34.0, "a card with the word RIVER"), decoy)]
    seen[0] = AIMessage("", tool_calls=looks)
    [given] = ask([*messages, *seen])
    assert given["args"]["value"] == "B"
    cited = [(citation["video"], citation["modality"], citation["start_s"]) for citation in given["args"]["citations"]]
    assert cited == [(57, "visual", 30.0), (57, "audio", 10.0)]


def test_what_was_only_found_is_not_cited():
    messages = library_brief("Which video shows a lamp?", "text")
    searches = ask(messages)
    messages += [AIMessage("", tool_calls=searches), found(searches[0]["args"]["query"], (57, 1.0, 3.0, "a lamp"))]
    messages += [AIMessage("", tool_calls=ask(messages)), ToolMessage("error: no", tool_call_id="x")]
    [given] = ask(messages)
    assert (given["name"], given["args"]["citations"]) == ("answer", [])


@pytest.mark.parametrize("abstain", ["allowed", "never"])
def test_without_support_it_cites_nothing_also_where_many_videos_need_a_citation(abstain):
    videos = [f"{n}.mp4" for n in range(1, 6)]
    graph = create_cvr_graph(OfflineMaster(), FakePerception(text="a picture without text", said="hm")).compile()
    given = {"question": "Which zebra wins?", "videos": videos, "options": ["red", "blue"]}
    output = graph.invoke(given, context=CVRContext(abstain=abstain))
    assert output["failure"] is None and output["answer"].citations == ()
    assert (output["answer"].abstained, output["answer"].is_guess) == (abstain == "allowed", abstain == "never")


LINES = [
    (1, 0, 4, '"NAR: This is the optical segment of the Webb"'),
    (1, 4, 8, '"space telescope in one of the largest clean rooms"'),
    (1, 8, 12, '"at the Goddard Space Flight Center."'),
    (1, 13, 15, '"It is golden."'),
    (2, 0, 30, "mostly dark grey and black; something moves"),
    (2, 3, 5, '"if that are are a man"'),
]


@pytest.mark.parametrize(
    ("question", "kind", "options", "value"),
    [
        ("Where is Webb?", "text", (), "in one of the largest clean rooms at the Goddard"),
        ("Which video mentions the Goddard Center?", "text", (), "Video 1"),
        ("Which segment is it?", "choice", ("the optical segment", "the propulsion segment"), "A"),
        ("When was Webb launched?", "text", (), None),
        ("How much does the telescope cost?", "text", (), None),
        ("Which video shows a man?", "text", (), None),  # it was only said, and nothing seen could show it
        ("Which video shows a man playing the drums?", "choice", ("Video 1", "Video 2"), None),
        ("Put the videos in order by the number of people.", "order", (), None),
        ("What is the number of the telescope?", "number", (), None),
    ],
)
def test_it_reports_whether_the_evidence_answers_the_question(question, kind, options, value):
    messages = [*brief(question, kind, options), *evidence(*LINES)]
    messages += [AIMessage(""), ToolMessage("", tool_call_id="2")]
    turn = OfflineMaster().bind_tools(list(TOOL_SCHEMAS)).invoke(messages)
    [call], report = turn.tool_calls, report_in(turn)
    assert report is not None and (report.looked_for == "") == (value is not None)
    assert (report.confidence > 0) == bool(call["args"]["citations"]) == (value is not None)
    assert value is None or value in call["args"]["value"]


def test_it_states_its_confidence_where_the_tool_has_the_field():
    schemas = Toolset(Features(confidence=True).apply(TOOLS)).schemas
    messages = [*brief("Where is Webb?", "text"), *evidence(*LINES), AIMessage(""), ToolMessage("", tool_call_id="2")]
    [call] = OfflineMaster().bind_tools(list(schemas)).invoke(messages).tool_calls
    assert call["args"]["confidence"] == 1.0
    assert "confidence" not in ask(messages)[0]["args"]
