"""Questions about thousands of videos: nothing is opened before it is needed, and numbers stay what they were."""

from __future__ import annotations

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agentcvr_graph import CVRContext, InputError, Video, VideoError, create_cvr_graph, retake
from agentcvr_graph.catalogue import Catalogue, Expansion, Sources, UnopenedError
from agentcvr_graph.graph.prompts import CITE_FIRST
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Origin, Scene, Script, ScriptedVideo
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn
from agentcvr_graph.tools import TOOLS
from agentcvr_graph.tools.observe import OBSERVE
from agentcvr_graph.trajectory import trajectory_of
from agentcvr_graph.types import Observation

CONFIG = {"configurable": {"thread_id": "t"}}
MANY = {"question": "Which is red?", "videos": ["many://10000"], "kind": "text"}


def cited(video, start_s=0, end_s=5, modality="visual"):
    return {"video": video, "start_s": start_s, "end_s": end_s, "modality": modality}


class Library(FakePerception):
    """`many://N` stands for N videos; counts what is opened, and may lose videos."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.opened: list[int] = []
        self.listed = 0
        self.more: list[str] = []
        self.broken: set[int] = set()

    async def expand(self, video):
        if not video.source.startswith("many://"):
            return None
        self.listed += 1
        names = [f"{n}.mp4" for n in range(1, int(video.source.removeprefix("many://")) + 1)]
        return Expansion(tuple(Video(source=name) for name in (*self.more, *names)), ("1 hidden file left out",))

    async def probe(self, video, number):
        self.opened.append(number)
        if number in self.broken:
            raise VideoError(video.source, "it is broken.")
        return await super().probe(video, number)


def built(*turns, perception, saver=None, **more):
    master = FakeMaster(turns=list(turns))
    return create_cvr_graph(master, perception, **more).compile(checkpointer=saver), master


LOOK_FAR = turn("", observe((9_000, 0, 10, 4), (7, 0, 10, 4)), listen(8_000, 0, 5, id="x"))
DONE = turn("", answer("yes", citations=[cited(9_000)]))


@pytest.mark.parametrize("videos", [["many://10000"], [f"{n}.mp4" for n in range(1, 10_001)]])
async def test_of_ten_thousand_videos_twenty_are_opened_and_those_that_calls_name(videos):
    library = Library()
    graph, master = built(LOOK_FAR, DONE, perception=library)
    output = await graph.ainvoke(MANY | {"videos": videos})
    assert sorted(library.opened) == [*range(1, 21), 8_000, 9_000]
    assert output["answer"].citations[0].video == 9_000
    assert [one.windows[0].video for one in output["observations"]] == [9_000, 8_000]
    brief = master.seen[0][1].text
    assert '20. "20": 60.0 s' in brief and '21. "' not in brief
    assert "... and 9,980 more videos, numbered 21 to 10000; each is opened when you name its number." in brief


async def test_a_trajectory_holds_the_opened_videos_by_number():
    graph, _ = built(LOOK_FAR, DONE, perception=Library())
    found = trajectory_of(await graph.ainvoke(MANY))
    assert found.video(9_000).video.source == "9000.mp4"
    assert found.video_count == 10_000 and len(found.videos) == 22
    assert found.notes[0] == "1 hidden file left out"


async def test_a_brief_names_the_tools_that_reach_all_videos():
    import dataclasses

    async def run(request, perception, videos):
        assert videos.reference(10_000).source == "10000.mp4" and len(videos) == 10_000
        return Observation(modality="visual", windows=request.windows)

    reaching = dataclasses.replace(OBSERVE, name="search", reaches_all=True, run=run)
    search = turn("", observe((1, 0, 5, 1), id="s") | {"name": "search"})
    library = Library()
    graph, master = built(search, DONE, LOOK_FAR, DONE, perception=library, tools=[*TOOLS, reaching])
    output = await graph.ainvoke(MANY)
    assert "numbered 21 to 10000; search reaches all of them." in master.seen[0][1].text
    assert output["failure"] is None and library.listed == 1


async def test_an_answer_about_many_videos_must_cite_what_was_observed():
    turns = [turn("", answer("yes")), LOOK_FAR, turn("", answer("yes", citations=[cited(3)])), DONE]
    graph, master = built(*turns, perception=Library())
    output = await graph.ainvoke(MANY)
    refused = [messages[-1].text for messages in master.seen[1:]]
    assert [CITE_FIRST in text for text in refused] == [True, False, True]
    assert refused[0] == ("error: Not yet: look at or listen to a window that proves the answer, and cite it.")
    assert output["answer"].value == "yes"


@pytest.mark.parametrize(("count", "missing"), [(4, True), (5, False)])
async def test_of_up_to_four_videos_each_must_be_observed(count, missing):
    early = turn("", answer("yes", citations=[cited(1)], id="early"))
    whole = turn("", observe(*((n, 0, 5, 1) for n in range(1, count + 1))))
    graph, master = built(turn("", observe((1, 0, 5, 1))), early, whole, early, perception=Library())
    await graph.ainvoke(MANY | {"videos": [f"many://{count}"]})
    assert (len(master.seen) > 2) is missing


async def test_no_gate_without_a_minimum_of_evidence():
    graph, _ = built(turn("", answer("yes")), perception=Library())
    output = await graph.ainvoke(MANY, context=CVRContext(min_evidence=0))
    assert output["answer"].value == "yes"


async def test_one_of_several_windows_in_videos_that_cannot_be_read_is_a_note():
    library = Library()
    library.broken = {9_000}
    graph, master = built(LOOK_FAR, turn("", answer("yes", citations=[cited(7)])), perception=library)
    output = await graph.ainvoke(MANY)
    assert "note: Video 9000 cannot be read: 9000.mp4: it is broken." in "\n".join(m.text for m in master.seen[1])
    assert output["answer"].citations[0].video == 7


async def test_broken_files_of_a_folder_do_not_stop_a_question_unless_all_listed_ones_are():
    library = Library()
    library.broken = {2}
    graph, _ = built(LOOK_FAR, DONE, perception=library)
    output = await graph.ainvoke(MANY)
    assert output["sources"][1].problem == "2.mp4: it is broken."
    library.broken = set(range(1, 21))
    with pytest.raises(InputError, match=r"20\.mp4: it is broken"):
        await graph.ainvoke(MANY)
    library.broken = {1}
    with pytest.raises(InputError, match="it is broken"):
        await built(perception=library)[0].ainvoke(MANY | {"videos": ["mine.mp4", "many://50"]})


async def test_a_list_stays_the_same_within_a_process_while_videos_are_added():
    library = Library()

    def look(_messages):
        library.more = ["0.mp4"]  # now video 9000 would be another one
        return LOOK_FAR

    graph, _ = built(look, DONE, perception=library)
    output = await graph.ainvoke(MANY)
    assert trajectory_of(output).video(9_000).video.source == "9000.mp4"


async def stopped(library, saver):
    """Return the state of a run that stopped before its second turn, as in a process that was killed."""
    graph, _ = built(turn("", observe((30, 0, 10, 4))), perception=library, saver=saver)
    await graph.ainvoke(MANY, CONFIG, interrupt_before=["master"])
    await graph.ainvoke(None, CONFIG, interrupt_before=["master"])
    assert (await graph.aget_state(CONFIG)).next == ("master",)


async def test_a_run_resumes_in_another_process():
    saver, library = InMemorySaver(), Library()
    await stopped(library, saver)
    graph, _ = built(LOOK_FAR, DONE, perception=library, saver=saver)
    output = await graph.ainvoke(None, CONFIG)
    assert library.listed == 2 and output["answer"].citations[0].video == 9_000


async def test_a_list_that_changed_before_a_resume_is_an_infrastructure_error_that_names_what_changed():
    saver, library = InMemorySaver(), Library()
    await stopped(library, saver)
    library.more = ["0.mp4"]
    graph, master = built(
        LOOK_FAR, turn("", observe((30, 0, 5, 2))), turn("", answer("yes", citations=[cited(30)])),
        perception=library, saver=saver,
    )  # fmt: skip
    output = await graph.ainvoke(None, CONFIG)
    said = "many://10000 held 10000 videos and holds 10001 now"
    assert said in master.seen[1][-1].text
    assert said in trajectory_of(output).failed_calls[0]
    assert output["answer"].citations[0].video == 30  # what was opened stays usable


async def test_follow_ups_keep_what_was_opened():
    library, saver = Library(), InMemorySaver()
    again = turn("", answer("no", citations=[cited(9_000)], id="two"))
    graph, master = built(LOOK_FAR, DONE, again, perception=library, saver=saver)
    await graph.ainvoke(MANY, CONFIG)
    library.opened.clear()
    output = await graph.ainvoke(MANY | {"question": "And now?"}, CONFIG)
    assert output["answer"].value == "no" and library.opened == list(range(1, 21))
    assert [info.number for info in output["sources"]][-2:] == [8_000, 9_000]
    assert [message.type for message in master.seen[2]].count("system") == 1


async def test_a_reviewer_may_name_any_video():
    library = Library()
    graph, _ = built(
        LOOK_FAR, turn("", answer("yes", citations=[cited(77)])), perception=library, saver=InMemorySaver()
    )
    context = CVRContext(review_above_frames=4)
    assert (await graph.ainvoke(MANY, CONFIG, context=context))["__interrupt__"]
    edited = {"name": "observe", "args": observe((77, 0, 5, 4))["args"]}
    decision = Command(resume={"decisions": [{"type": "edit", "edited_action": edited}]})
    output = await graph.ainvoke(decision, CONFIG, context=context)
    assert output["answer"].citations[0].video == 77
    assert trajectory_of(output).video(77).video.source == "77.mp4"


async def test_a_turn_can_be_retaken_with_a_video_that_was_not_opened():
    library = Library()
    graph, _ = built(
        LOOK_FAR, DONE, turn("", answer("yes", citations=[cited(500)])), perception=library, saver=InMemorySaver()
    )
    await graph.ainvoke(MANY, CONFIG)
    fork = await retake(graph, CONFIG, 1, [{"name": "observe", "args": observe((500, 0, 5, 2))["args"]}])
    output = await graph.ainvoke(None, fork)
    assert output["answer"].citations[0].video == 500


async def test_an_order_over_a_folder_counts_its_videos():
    graph, _ = built(turn("", observe((1, 0, 5, 1))), turn("", answer("2->1", citations=[cited(1)])),
                     perception=Library())  # fmt: skip
    given = MANY | {"kind": "order", "videos": ["many://2"]}
    with pytest.raises(InputError, match="only one thing"):
        await graph.ainvoke(given | {"videos": ["many://1"]})
    graph, _ = built(turn("", observe((1, 0, 5, 1), (2, 0, 5, 1))), turn("", answer("2->1")), perception=Library())
    assert (await graph.ainvoke(given))["answer"].value == "2->1"


def test_sources_know_only_what_was_opened():
    catalogue = Catalogue([(Video(source="many://3"), Expansion((Video(source="1"), Video(source="2"))))])
    sources = Sources([], 2, catalogue)
    assert len(sources) == 2 and sources.opened == [] and sources.reference(2).source == "2"
    with pytest.raises(UnopenedError, match="Video 2 has not been opened"):
        sources[1]
    with pytest.raises(IndexError):
        sources[2]
    assert sources.wanted == {2}


async def test_all_videos_of_a_script_are_one_reference():
    video = ScriptedVideo(duration_s=9, scenes=(Scene(start_s=0, end_s=9, visual="a red ball"),))
    origin = Origin(generator="test")
    script = Script(id="lib", task="CC", question="?", kind="text", key="x", videos=(video,) * 300, origin=origin)
    perception = ScriptedPerception(ScriptLibrary.of([script]))
    graph, master = built(turn("", observe((300, 0, 9, 1))), turn("", answer("x", citations=[cited(300)])),
                          perception=perception)  # fmt: skip
    output = await graph.ainvoke({"question": "?", "videos": [script.all_videos]})
    assert output["answer"].citations[0].video == 300 and "a red ball" in master.seen[1][-1].text
    assert "280 more videos, numbered 21 to 300" in master.seen[0][1].text
    with pytest.raises(InputError, match="There is no script 'other'"):
        await graph.ainvoke({"question": "?", "videos": ["script://other/*"]})


async def test_a_chat_may_ask_about_any_video_of_a_folder():
    graph, master = built(LOOK_FAR, DONE, LOOK_FAR, DONE, perception=Library(), saver=InMemorySaver())
    given = {"messages": [HumanMessage("What is red in video 9000?")], "videos": ["many://10000"]}
    output = await graph.ainvoke(given, CONFIG)
    assert output["answer"].citations[0].video == 9_000
    assert "[video 9000, 0.0-5.0 s] 9000, seen" in output["messages"][-1].text
    output = await graph.ainvoke({"messages": [HumanMessage("And in video 10001?")]}, CONFIG)
    assert output["failure"].message.startswith("There are 10000 videos. Which one is 'video 10001'?")
    output = await graph.ainvoke({"messages": [HumanMessage("And what is red in extra.mp4?")]}, CONFIG)
    asked = [message.text for message in master.seen[-1] if message.text.startswith("Question: ")]
    assert asked[-1].startswith("Question: And what is red in video 10001?")  # its number among all videos
    assert len(trajectory_of(output).videos) == 22
