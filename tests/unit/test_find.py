"""The tool `find` in the graph: what the master reads, what it costs, and that it proves nothing."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agentcvr_graph import CVRContext, CVRInput, InfrastructureError, create_cvr_graph
from agentcvr_graph.catalogue import Catalogue, Sources
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.index.building import Index
from agentcvr_graph.index.finder import Finder, Query
from agentcvr_graph.index.overview import overview_of, planned_cost
from agentcvr_graph.index.places import searching_in
from agentcvr_graph.perception.blind import BlindPerception
from agentcvr_graph.perception.noise import MILD
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.report import render_report
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn
from agentcvr_graph.tools import Features
from agentcvr_graph.tools.budget import Budget
from agentcvr_graph.tools.find import FIND, FindArgs, listed
from agentcvr_graph.trajectory import trajectory_of
from agentcvr_graph.types import Cost, Listen, Observation, Observe, Video, VideoInfo

ALL = Budget(turns=5, frames=1000, audio_s=10_000)
SALT: CVRInput = {"question": "Which video shows salt?", "videos": ["a.mp4", "b.mp4"], "options": ["1", "2"]}


def find(query: str, id: str = "f", **more: Any) -> dict[str, Any]:
    return {"name": "find", "args": {"query": query, **more}, "id": id}


class Kept(FakePerception):
    """A perception of 60 s videos with an index file. It says the name of the video, and counts what it is asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__(said="good morning")
        self.index_folder = folder
        self.damaged: set[str] = set()
        self.stamps: dict[str, str] = {}

    async def evidence_key(self, info: VideoInfo) -> str:
        return f"{info.video.source} {await self.reference_stamp(info.video)}"

    def reference_key(self, video: Video) -> str:
        return video.source

    async def reference_stamp(self, video: Video) -> str:
        return self.stamps.get(video.source, "first")

    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        name = videos[request.targets[0].video - 1].title
        if name in self.damaged:
            raise InfrastructureError(f"{name} is damaged")
        self.text = f"a sign that says {name}"
        return await super().observe(request, videos)


async def probed(perception: FakePerception, *names: str) -> list[VideoInfo]:
    return [await perception.probe(Video(source=f"{name}.mp4"), n) for n, name in enumerate(names, start=1)]


async def test_what_is_found_in_a_script_is_read_and_costs_nothing():
    script = bundled_library().get("cc-000001")
    turns = [turn("", find("salt", limit=1), find("zebra", id="g", videos=[1, 9])), turn("", answer("A"))]
    master = FakeMaster(turns=turns)
    graph = create_cvr_graph(master, ScriptedPerception(bundled_library()), features=Features(find=True)).compile()
    output = await graph.ainvoke(as_input(script.as_question()), context=CVRContext(min_evidence=0))
    replies = [message.text for message in master.seen[1] if message.type == "tool"]
    assert replies == [
        'found: "salt"\n[video 3, 6.0-12.0 s] A cook adds salt to the pan; on-screen text "ADD SALT"; '
        "mostly orange and beige; still",
        'found: "zebra"\nNothing was found. Try other words.\nnote: There is no video 9; the videos are 1 to 3.\n'
        "left: 11 turns, 512 frames, 7200 audio seconds",
    ]
    assert output["usage"].frames == 0 and output["usage"].audio_s == 0


async def test_what_is_found_supports_no_citation_and_no_answer():
    """An answer is refused until the videos are observed, and a citation of a window that was only found is dropped."""
    cited = [
        {"video": 1, "start_s": 0, "end_s": 9, "modality": "visual"},
        {"video": 2, "start_s": 0, "end_s": 9, "modality": "visual"},
        {"video": 2, "start_s": 0, "end_s": 9, "modality": "audio"},
    ]
    turns = [
        turn("", find("red ball")),
        turn("", answer("A", citations=cited)),
        turn("", observe((1, 0, 60, 4)), listen(2, 0, 60, id="l")),
        turn("", answer("A", citations=cited)),
    ]
    master = FakeMaster(turns=turns)
    graph = create_cvr_graph(master, FakePerception(), features=Features(find=True)).compile()
    output = await graph.ainvoke(SALT)
    assert master.seen[2][-1].text.startswith("error: ")
    assert output["answer"] is not None
    assert [(kept.video, kept.modality) for kept in output["answer"].citations] == [(1, "visual"), (2, "audio")]


async def test_indexing_is_paid_from_a_fifth_of_what_is_left():
    """Each video takes 20 frames and 60 s of sound: of 300 frames a fifth pays for three, of 600 s for two."""
    master = FakeMaster(turns=[turn("", find("ball")), turn("", answer("A"))])
    graph = create_cvr_graph(master, FakePerception(), features=Features(find=True)).compile()
    settings = CVRContext(max_frames=300, max_audio_s=600.0, min_evidence=0)
    output = await graph.ainvoke({"question": "Which?", "videos": [f"{n}.mp4" for n in range(5)]}, context=settings)
    said = master.seen[1][-1].text
    assert (
        "note: Videos 3-5 were not searched: not indexed yet, and a search may spend a fifth of what is left." in said
    )
    assert "left: 11 turns, 240 frames, 480 audio seconds" in said
    assert (output["usage"].frames, output["usage"].audio_s) == (40, 120)
    trajectory = trajectory_of(output)
    assert trajectory.notes[0].startswith("Videos 3-5 were not searched")
    page = render_report(trajectory)
    assert "Searched the index" in page and "a red ball" in page


async def test_what_is_indexed_is_neither_built_nor_paid_again(tmp_path: Path):
    perception = Kept(tmp_path)
    videos = await probed(perception, "anna", "bert")
    query = Query("bert", (1, 2))
    first = await Finder().find(query, perception, videos, Cost(frames=100, audio_s=1000))
    count = len(perception.requests)
    again = await Finder().find(query, perception, videos)
    assert (first.cost.frames, again.cost.frames, len(perception.requests)) == (40, 0, count)
    assert [number for number, _ in again.windows] == [2]
    assert again.windows == first.windows


async def test_searches_at_the_same_time_index_a_video_once(tmp_path: Path):
    perception = Kept(tmp_path)
    videos = await probed(perception, "anna", "bert")
    finder, plenty = Finder(), Cost(frames=100, audio_s=1000)
    found = await asyncio.gather(*(finder.find(Query("anna", (1, 2)), perception, videos, plenty) for _ in range(4)))
    assert sum(one.cost.frames for one in found) == 40
    assert all(one.windows == found[0].windows for one in found)


async def test_indexed_videos_of_a_catalogue_are_found_without_opening_them(tmp_path: Path):
    """Of 200 videos, 80 are indexed: the search opens 64 of the others and pays for the two that fit the allowance."""
    perception = Kept(tmp_path)
    names = [f"v{number}" for number in range(1, 201)]
    finder = Finder()
    indexed = await probed(perception, *names[:80])
    for start in (0, 40):
        numbers = tuple(range(start + 1, start + 41))
        await finder.find(Query("x", numbers), perception, indexed, Cost(frames=10**4, audio_s=10**5))
    catalogue = Catalogue((Video(source=f"{name}.mp4"), None) for name in names)
    sources = Sources(indexed[:20], len(names), catalogue)
    opened: list[int] = []
    perception.probe = _counting(perception.probe, opened)
    found = await finder.find(Query("v77 v82", tuple(range(1, 201))), perception, sources, Cost(frames=45, audio_s=999))
    assert {number for number, _ in found.windows} == {77, 82}
    assert sorted(opened) == list(range(81, 145))
    assert found.cost.frames == 40
    assert found.beyond == tuple(range(83, 201))


def _counting(probe: Callable[[Video, int], Awaitable[VideoInfo]], numbers: list[int]) -> Any:
    async def counted(video: Video, number: int) -> VideoInfo:
        numbers.append(number)
        return await probe(video, number)

    return counted


async def test_a_file_that_has_changed_is_left_out_and_indexed_by_the_next_search(tmp_path: Path):
    perception = Kept(tmp_path)
    videos = await probed(perception, "anna", "bert")
    finder, plenty = Finder(), Cost(frames=100, audio_s=1000)
    query = Query("sign", (1, 2))
    await finder.find(query, perception, videos, plenty)
    perception.stamps["bert.mp4"] = "second"
    stale = await finder.find(query, perception, videos, plenty)
    assert [number for number, _ in stale.windows] == [1]
    assert stale.problems == ((2, "it has changed since it was indexed"),)
    fresh = await finder.find(query, perception, videos, plenty)
    assert [number for number, _ in fresh.windows] == [1, 2]
    assert (fresh.cost.frames, fresh.problems) == (20, ())


async def test_a_video_that_cannot_be_indexed_is_named_and_the_others_are_searched(tmp_path: Path):
    perception = Kept(tmp_path)
    perception.damaged = {"bert"}
    perception.listen = _deaf
    videos = await probed(perception, "anna", "bert", "carl")
    videos[2] = videos[2].model_copy(update={"problem": "no such file"})
    request, _ = FIND.plan(FindArgs(query="anna"), videos, ALL)
    said = FIND.render(await FIND.run(request, perception, videos))
    assert "[video 1, 0.0-60.0 s] a sign that says anna" in said
    assert "note: Video 2 could not be searched: bert is damaged" in said
    assert "note: Video 3 could not be searched: no such file" in said


async def _deaf(request: Listen, videos: Sequence[VideoInfo]) -> Observation:
    raise InfrastructureError("no sound")


async def test_a_server_keeps_the_index_files_of_its_last_users_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A file that a search still uses stays open until the search has ended."""
    monkeypatch.setattr("agentcvr_graph.index.finder.MAX_FILES", 1)
    finder = Finder()

    async def index_of(user: str) -> Index:
        with searching_in(user):
            return await finder.index_in(tmp_path)

    first = await index_of("ann")
    assert await index_of("ann") is first
    await index_of("bob")
    first.store.add("key", [], title="still open")
    again = await index_of("ann")
    assert again is not first
    assert [video.title for video in again.store.videos()] == ["still open"]
    closed = weakref.ref(first.store)
    del first
    gc.collect()
    assert closed() is None


async def test_a_damaged_index_is_an_error_that_the_master_reads(tmp_path: Path):
    (tmp_path / "evidence.sqlite").write_text("damaged " * 1000)
    master = FakeMaster(turns=[turn("", find("anna")), turn("", answer("A"))])
    graph = create_cvr_graph(master, Kept(tmp_path), features=Features(find=True)).compile()
    output = await graph.ainvoke(SALT, context=CVRContext(min_evidence=0))
    assert "cannot be used: file is not a database. Remove it" in master.seen[1][-1].text
    assert output["answer"] is not None


async def test_the_index_of_a_script_depends_on_its_noise_and_nothing_else():
    script = bundled_library().get("cc-000001")

    async def found(noise: Any) -> object:
        perception = ScriptedPerception(bundled_library(), noise)
        videos = [await perception.probe(video, n) for n, video in enumerate(script.as_question().videos, start=1)]
        finder = Finder()
        await finder.find(Query("other words", (1,)), perception, videos)
        return (await finder.find(Query("salt butter", (1, 2, 3)), perception, videos)).windows

    clean, noisy = await found("off"), await found(MILD)
    assert clean == await found("off")
    assert noisy == await found(MILD)


async def test_a_blind_perception_finds_nothing():
    perception = BlindPerception(FakePerception())
    videos = [await perception.probe(Video(source="a.mp4"), 1)]
    assert not (await Finder().find(Query("ball", (1,)), perception, videos, Cost(frames=99, audio_s=99))).windows


async def test_the_overview_of_a_video_costs_what_was_planned():
    perception = FakePerception(1000.0)
    info = await perception.probe(Video(source="a.mp4"), 3)
    overview = await overview_of(info, perception)
    assert planned_cost(info) == Cost(frames=96, audio_s=1000.0)
    assert (overview.cost.frames, round(overview.cost.audio_s)) == (96, 1000)
    assert [said.text for said in overview.statements] == ['"hello"', "a red ball"]
    assert {window.video for request in perception.requests for window in request.windows} == {1}


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ({"query": "salt"}, ()),
        ({"search_query": "salt", "video": 2}, (2,)),
        ({"focus": "salt", "videos": "[1, 2]", "top_k": 99}, (1, 2)),
        ({"query": "salt", "videos": [2, 2, 7]}, (2,)),
    ],
)
async def test_arguments_are_read_tolerantly(arguments: dict[str, object], numbers: tuple[int, ...]):
    read, _ = FIND.read_noting(arguments)
    request, _ = FIND.plan(read, await probed(FakePerception(), "a", "b"), ALL)
    assert (request.focus, request.numbers) == ("salt", numbers)
    assert 1 <= request.limit <= 20


def test_runs_of_numbers_are_shortened():
    assert listed([12, 3, 5, 6, 7]) == "3, 5-7, 12"
    assert listed([]) == ""


async def test_a_note_on_a_search_belongs_to_no_video():
    """A trajectory puts the number of its video before the note of a look; a search has no window."""
    turns = [turn("", find("red", limit=50)), turn("", observe((1, 0, 9, 1))), turn("", answer("A"))]
    graph = create_cvr_graph(FakeMaster(turns=turns), FakePerception(), features=Features(find=True)).compile()
    output = await graph.ainvoke({"question": "Which?", "videos": ["a.mp4"], "options": ["x", "y"]})
    assert trajectory_of(output).notes == ("At most 20 windows are told.",)


async def test_evidence_that_costs_nothing_needs_no_reserve_whatever_the_videos_are_called(tmp_path: Path):
    """A look in the same turn gets what the reserve leaves: 80 of 100 frames beside an index that must be paid for."""

    async def shown(perception: FakePerception) -> int:
        turns = [turn("", find("ball"), observe((1, 0, 60, 100), id="o")), turn("", answer("A"))]
        graph = create_cvr_graph(FakeMaster(turns=turns), perception, features=Features(find=True)).compile()
        await graph.ainvoke(SALT, context=CVRContext(max_frames=100, min_evidence=0))
        return max(request.frames for request in perception.requests if isinstance(request, Observe))

    free = Kept(tmp_path)
    free.index_folder = None  # type: ignore[assignment]
    assert (await shown(free), await shown(Kept(tmp_path))) == (100, 80)
