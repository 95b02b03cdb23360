"""A chat: messages in, a closing message out, and follow-ups with the evidence of earlier questions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from agentcvr_graph import InputError, create_cvr_graph, trajectory_of
from agentcvr_graph.catalogue import Expansion
from agentcvr_graph.errors import VideoError
from agentcvr_graph.graph.chat.conversation import closed_by
from agentcvr_graph.graph.chat.mentions import label, named_videos, split_options, with_labels
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.models.offline.master.follow_ups import completed
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn
from agentcvr_graph.types import Video

CONFIG = {"configurable": {"thread_id": "t"}}
BOTH = turn("I look.", observe((1, 0, 9, 2), (2, 0, 9, 2), id="o1"))
PROOF = [{"video": 2, "start_s": 0, "end_s": 5, "modality": "visual"}]
SECOND = turn("Sure.", answer("B", "It is red.", PROOF))


class Chat:
    """A conversation over a thread."""

    def __init__(self, *turns, perception=None, saver=True):
        self.master = FakeMaster(turns=list(turns))
        graph = create_cvr_graph(self.master, perception or FakePerception())
        self.graph = graph.compile(checkpointer=InMemorySaver() if saver else None)

    async def __call__(self, content, **fields):
        self.output = await self.graph.ainvoke({"messages": [HumanMessage(content)], **fields}, CONFIG)
        return self.output["messages"][-1].text

    @property
    def brief(self):
        briefs = [one.text for one in policy_messages(self.output) if one.text.startswith("Question: ")]
        return briefs[-1]


async def test_a_question_with_paths_and_options_is_answered_in_words_with_citations():
    chat = Chat(BOTH, SECOND)
    said = await chat("Which of clips/a.mp4 and clips/b.mp4 is red?\nA) the first\nB) the second")
    assert said == "B. the second\n\nIt is red.\n\n- [video 2, 0.0-5.0 s] b, seen"
    assert chat.brief.startswith("Question: Which of video 1 and video 2 is red?\nAnswer format (choice)")
    (block,) = chat.output["messages"][-1].content_blocks
    (cited,) = block["annotations"]
    assert block["text"][cited["start_index"] : cited["end_index"]] == "[video 2, 0.0-5.0 s]"
    assert (cited["title"], cited["url"], cited["cited_text"]) == ("b", "clips/b.mp4", "a red ball")
    assert cited["extras"] == {"video": 2, "start_s": 0.0, "end_s": 5.0, "modality": "visual"}
    assert [message.type for message in chat.output["messages"]] == ["human", "ai"]
    assert chat.output["answer"].value == "B" and chat.output["failure"] is None


async def test_a_follow_up_keeps_the_videos_and_their_evidence():
    chat = Chat(BOTH, SECOND, turn("", answer("round")), turn("", observe((3, 0, 5, 2))), turn("", answer("blue")))
    await chat("a.mp4 b.mp4 Which is red?\nA) the first\nB) the second")
    assert await chat("And what shape is it in the second one?") == "round"
    assert chat.output["usage"].frames == 0 and len(chat.output["observations"]) == 1
    assert "a red ball" in str(chat.master.seen[2])
    assert await chat("And in https://host/c.mp4?key=1?") == "blue"  # one more video, behind the others
    assert [info.title for info in chat.output["sources"]] == ["a", "b", "c"]
    assert len(chat.output["observations"]) == 2 and chat.brief.startswith("Question: And in video 3?")
    assert [message.type for message in policy_messages(chat.output)].count("system") == 1


async def test_what_is_missing_is_asked_for_and_the_question_waits():
    class Missing(FakePerception):
        async def probe(self, video, number):
            if video.source == "gone.mp4":
                raise VideoError(video.source, "no such file or folder.")
            return await super().probe(video, number)

    chat = Chat(BOTH, SECOND, perception=Missing())
    assert await chat("Which is red?\nA) the first\nB) the second") == (
        "Which videos should I look at? Name files, folders, patterns or URLs."
    )
    assert chat.output["failure"].boundary == "input" and chat.output["usage"].model_calls == 0
    assert await chat("a.mp4 and gone.mp4") == (
        "gone.mp4: no such file or folder. Put a name with spaces in quotation marks."
    )
    assert (await chat("sorry, b.mp4")).startswith("B. the second")
    assert [video.source for video in chat.output["checked_question"].videos] == ["a.mp4", "b.mp4"]
    assert chat.brief.startswith("Question: Which is red?\n")


async def test_a_message_of_courtesy_asks_nothing_and_costs_nothing():
    chat = Chat(BOTH, SECOND, turn("", answer("round")))
    assert await chat("Hello!") == "Which videos should I look at? Name files, folders, patterns or URLs."
    await chat("a.mp4 b.mp4 Which is red?\nA) the first\nB) the second")
    for courtesy in (
        "Thanks!",
        "ok",
        "Hi there, good morning",
        "Great, that\u2019s very helpful",
        "\U0001f44d",
        "Danke!",
    ):
        reply = await chat(courtesy)
        assert reply == "Happy to help. What do you want to know about video 1 (a) and video 2 (b)?"
    assert len(chat.master.seen) == 2 and chat.output["failure"].boundary == "input"
    assert await chat("Thanks, and in the second one?") == "round"
    assert chat.brief.startswith("Question: Thanks, and in the second one?") and chat.output["usage"].frames == 0


FILES = {"clips": ("a.mp4", "b.mp4", "drum solo.mp4"), "my clips": ("b.mp4", "it's.mp4")}


class Folders(FakePerception):
    """A perception with two folders of videos."""

    async def probe(self, video, number):
        if "/" not in video.source:
            raise VideoError(video.source, "no such file or folder.")
        return await super().probe(video, number)

    async def expand(self, video):
        name = video.source.removeprefix("./").rstrip("/")
        if name.endswith(".mp4"):
            return None
        if name not in FILES:
            raise VideoError(video.source, "no such file or folder.")
        return Expansion(tuple(Video(source=f"{name}/{file}") for file in FILES[name]))


@pytest.mark.parametrize(
    ("texts", "asked", "count"),
    [
        (["in clips/ what does b.mp4 show?"], "in videos 1 to 3 what does video 2 show?", 3),
        (["What does b.mp4 show in clips/?"], "What does video 2 show in videos 1 to 3?", 3),
        (["Who is in ./clips/?", "And in b.mp4?", "In clips/b.mp4?"], "In video 2?", 3),
        (["clips/ Who?", "And who is in drum solo.mp4 and 'a.mp4'?"], "And who is in video 3 and video 1?", 3),
        (['Who is in "my clips/"?', 'And in "it\'s.mp4"?'], "And in video 2?", 2),
        (["x/a.mp4 Who?", "And in clips/, who is in b.mp4?"], "And in videos 2 to 4, who is in video 3?", 4),
    ],
)
async def test_a_file_of_a_folder_is_called_by_its_name(texts, asked, count):
    chat = Chat(*[turn("", answer("a dog"))] * 9, perception=Folders())
    for text in texts:
        await chat(text)
    assert chat.brief.startswith(f"Question: {asked}\n") and chat.output["catalogue"].count == count
    assert all(not video.source.startswith(("b.", "drum")) for video in chat.output["checked_question"].videos)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Who is in solo.mp4 of clips/?",
            "solo.mp4: no such file or folder. Put a name with spaces in quotation marks.",
        ),
        ("Who is in b.mp4? clips/ './my clips'", "2 videos are called b.mp4: clips/b.mp4, my clips/b.mp4. Name one of"),
        ("'my clips/' and clips/", "What do you want to know about my clips and clips?"),
    ],
)
async def test_a_name_that_is_no_single_file_is_asked_back(text, said):
    assert said in await Chat(turn("", answer("a dog")), perception=Folders())(text)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a.mp4", "What do you want to know about video 1 (a)?"),
        ("Who is in video 3? a.mp4, b.mp4", "There are 2 videos: video 1 (a) and video 2 (b). Which one is 'video 3'?"),
        ("What is in the third clip? a.mp4", "There is 1 video: video 1 (a). Which one is 'third clip'?"),
        ([{"type": "image", "url": "https://host/a.png"}], "The block 'image' of the message is no video (image)."),
        ([{"type": "video", "base64": "AAAA", "mime_type": "video/mp4"}], "holds no address of a video"),
        ([{"type": "file", "file": {"file_id": "f-1", "filename": "a.mp4"}}], "The attachment 'a.mp4' holds no"),
        ([{"type": "file", "url": "https://h/a.pdf", "mime_type": "application/pdf"}], "is no video (application/pdf)"),
        ("x" * 20_001, "The message is too long."),
        ("Which? a.mp4\nA) \nB) x", "An option is empty. Give every option a text."),
    ],
)
async def test_what_cannot_be_used_becomes_a_reply(content, said):
    chat = Chat()
    assert said in await chat(content)


ONE_VIDEO = "https://host/a.mp4"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "video", "url": ONE_VIDEO},
        {"type": "file", "url": ONE_VIDEO, "mime_type": "video/mp4"},
        {"type": "video", "source_type": "url", "url": ONE_VIDEO},
        {"type": "file", "source_type": "url", "url": ONE_VIDEO, "mime_type": "video/mp4"},
        {"type": "video_url", "video_url": {"url": ONE_VIDEO}},
        {"type": "video_url", "video_url": ONE_VIDEO},
        {"type": "file", "file": {"file_url": ONE_VIDEO}},
        {"type": "media", "mime_type": "video/mp4", "file_uri": ONE_VIDEO},
        {"type": "video", "video": ONE_VIDEO},
        {"type": "audio", "url": ONE_VIDEO},
    ],
    ids=lambda block: "/".join(block),
)
async def test_blocks_of_every_client_name_videos(block):
    chat = Chat(turn("", listen(1, 0, 5)), turn("", answer("hello")))
    assert await chat([{"type": "text", "text": "What is said?"}, block]) == "hello"
    assert [video.source for video in chat.output["checked_question"].videos] == [ONE_VIDEO]


async def test_titles_of_blocks_and_videos_beside_the_messages_are_read():
    chat = Chat(BOTH, turn("", answer("red")))
    block = {"type": "video", "url": "https://host/1", "extras": {"title": "The kitchen"}}
    assert await chat([{"type": "text", "text": "Which?"}, block], videos=["b.mp4"]) == "red"
    assert [info.title for info in chat.output["sources"]] == ["b", "The kitchen"]


async def test_a_parent_that_shares_the_messages_can_ask_again():
    """The parent's subgraph has no state of its own between its runs."""
    turns = [BOTH, SECOND, turn("", answer("round"))]
    master = FakeMaster(turns=turns)
    parent = StateGraph(MessagesState).add_node("cvr", create_cvr_graph(master, FakePerception()).compile())
    app = parent.add_edge(START, "cvr").compile(checkpointer=InMemorySaver())
    await app.ainvoke({"messages": [("user", "Which of a.mp4 and b.mp4 is red?\nA) one\nB) two")]}, CONFIG)
    output = await app.ainvoke({"messages": [("user", "And what shape is it?")]}, CONFIG)
    assert [message.text.split("\n")[0] for message in output["messages"]][1::2] == ["B. two", "round"]
    brief = master.seen[-1][1].text
    assert brief.startswith("Question: And what shape is it?\n")
    assert "Asked before:\n- Which of video 1 and video 2 is red? Answer: B. two\n" in brief
    assert "Known from earlier questions:\nseen: video 1, 0.0-9.0 s; video 2, 0.0-9.0 s\n" in brief


async def test_evidence_of_a_video_that_changed_is_not_used_again():
    first = Chat(BOTH, SECOND)
    await first("Which of a.mp4 and b.mp4 is red?\nA) one\nB) two")
    second = Chat(BOTH, SECOND, perception=FakePerception(duration_s=7))
    given = [*first.output["messages"], HumanMessage("And which is blue?\nA) one\nB) two")]
    await second.graph.ainvoke({"messages": given}, CONFIG)
    assert "Asked before" in second.master.seen[0][1].text
    assert "Known from earlier" not in second.master.seen[0][1].text


async def test_only_the_reply_streams_as_a_message():
    chat = Chat(BOTH, SECOND)
    asked = {"messages": [HumanMessage("Which of a.mp4 and b.mp4 is red?\nA) one\nB) two", id="h")]}
    parts = [part async for part, _ in chat.graph.astream(asked, CONFIG, stream_mode="messages")]
    assert [part.text.partition("\n")[0] for part in parts] == ["B. two"]


async def test_a_failure_is_said_in_words_and_the_next_question_goes_on():
    chat = Chat(turn("hm"), turn("hm"), turn("hm"), BOTH, turn("", answer("red")))
    said = await chat("What is in a.mp4 and b.mp4?")
    assert said.startswith("I could not answer: The master gave no usable action")
    assert await chat("Which colour?") == "red"
    assert chat.output["failure"] is None


async def test_a_question_after_a_chat_and_a_chat_after_a_question_share_the_thread():
    chat = Chat(BOTH, SECOND, turn("", answer("round")), turn("", answer("B")))
    question = {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["one", "two"]}
    await chat.graph.ainvoke(question, CONFIG)
    assert await chat("What shape is it?") == "round"
    output = await chat.graph.ainvoke(question, CONFIG)
    assert [message.type for message in output["messages"]] == ["human", "ai"] * 3
    assert output["messages"][0].text == "Which is red?\nA. one\nB. two"


async def test_outside_of_a_chat_errors_are_raised_and_a_reply_is_no_trajectory():
    chat = Chat()
    with pytest.raises(InputError, match="There is no video to look at"):
        await chat.graph.ainvoke({"question": "Which?"}, CONFIG)
    with pytest.raises(InputError, match="The question is empty"):
        await chat.graph.ainvoke({"question": ""}, CONFIG)
    await chat("Which?")
    with pytest.raises(InputError, match="Which videos should I look at"):
        trajectory_of(chat.output)


def test_the_offline_master_completes_a_follow_up_from_the_question_before():
    asked = ["Who cooks with white wine?", "And what does the cook in the first video say at 7 to 9 s?"]
    for question, meant in {
        "And in the second one?": "And what does the cook in video 2 say at 7 to 9 s?",
        "What about video 2?": "And what does the cook in video 2 say at 7 to 9 s?",
        "Which of them adds salt in the last clip?": "Which of them adds salt in video 2?",
        "And what is said in the second video?": "And what is said in video 2?",
    }.items():
        assert completed(question, asked, 2) == meant
    assert completed("And in the second one?", asked[:1], 2) == "Who cooks with white wine? In video 2."
    assert completed("Who is in the second video?", [], 2) == "Who is in video 2?"
    assert completed("Who adds salt in the last clip?", [], 3) == "Who adds salt in video 3?"
    for whole in (
        "Who is in the third video?",
        "Who is the first one to leave?",
        "What is the first video that shows a dog?",
    ):
        assert completed(whole, [], 2) == whole


def test_videos_in_a_text_become_numbers_and_lists_of_them_are_left_out():
    cases = {
        "Which is red? a.mp4, b.mp4": "Which is red?",
        "Here are the videos:\n- a.mp4\n- 'my clip (1).mp4'\nWhich one adds salt?": "Which one adds salt?",
        "What's in 'a.mp4' and \"b.mp4\"?": "What's in video 1 and video 2?",
        "See [this](https://h/a.mp4#t=2,3) and `b.mkv`. Who?": "See video 1 and video 2. Who?",
        "Compare (a.mp4) with /data/cam1, please.": "Compare (video 1) with video 2, please.",
        "Is it 3.5 and/or 1/2 of a.mp4?": "Is it 3.5 and/or 1/2 of video 1?",
    }
    for text, question in cases.items():
        labels = {name: label(number) for number, name in enumerate(named_videos(text), start=1)}
        assert with_labels(text, labels) == question


def test_options_are_read_in_the_ways_they_are_written():
    for written in ("\nA) x\nB) y", "\n(a) x\n(b) y", "\n\n1. x\n2. y", " A) x B) y", "\n- A: x\n- B: y"):
        assert split_options(f"Which?{written}") == ("Which?", ("x", "y"))
    for text in ("Plan A) is good", "1. What is it?", "Is it A or B?", "C) x\nD) y"):
        assert split_options(text) == (text, ())


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab./~'\"`<>[]()#t=1,:; \n\\-A)*mp4htps", max_size=400))
def test_reading_any_text_neither_fails_nor_changes_text_without_videos(text):
    names = named_videos(text)
    shown = with_labels(text, {name: label(number) for number, name in enumerate(names, start=1)})
    split_options(shown)
    assert names or shown == text.strip()


async def test_a_reply_keeps_a_bounded_part_of_the_evidence_for_the_next_question():
    looks = [turn("", observe((1, 0, 9, 2), id=f"o{n}"), observe((1, 9, 20, 2), id=f"p{n}")) for n in range(9)]
    chat = Chat(*looks, turn("", answer("red")), perception=FakePerception(text="a long line of evidence " * 40))
    await chat("What is in a.mp4?")
    (*_, reply) = chat.output["messages"]
    kept = closed_by(reply)
    assert 1 <= len(kept.observations) < len(chat.output["observations"]) and len(str(reply.response_metadata)) < 9000
