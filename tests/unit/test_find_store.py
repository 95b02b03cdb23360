"""`find=store`: the store of the graph holds the index for all processes, and compares meanings if it has an index."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import BaseStore, Op
from langgraph.store.memory import InMemoryStore
from langgraph.store.sqlite import AsyncSqliteStore

from agentcvr_graph import CVRContext, SetupError, create_cvr_graph
from agentcvr_graph.index import shared
from agentcvr_graph.index.finder import Found, Query
from agentcvr_graph.index.places import label, searching_in
from agentcvr_graph.index.shared import StoreFinder
from agentcvr_graph.index.windows import FoundWindow
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.testing import FakeMaster, answer, turn
from agentcvr_graph.tools import Features
from agentcvr_graph.tools.features import read_features
from agentcvr_graph.types import Cost, Observation, Observe, VideoInfo
from tests.unit.test_find import Kept, find, probed
from tests.unit.test_find_meaning import PLENTY, Down, Synonyms

INDEX: Any = {"dims": 6, "embed": Synonyms(), "fields": ["text"]}
LOADS_EXTENSIONS = hasattr(sqlite3.Connection, "enable_load_extension")
"""Whether this Python can load the extension by which AsyncSqliteStore compares meanings."""
NAMES = ("anna", "bert", "carl")


class Repeating(Kept):
    """A perception that says the same at two times of a video, and the words of a sign too."""

    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        found = await super().observe(request, videos)
        return found if request.targets[0].start_s else found.model_copy(update={"evidence": found.evidence * 2})


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[BaseStore]:
    index = INDEX if LOADS_EXTENSIONS else None
    async with AsyncSqliteStore.from_conn_string(str(folder / "store.sqlite"), index=index) as store:
        await store.setup()
        yield store


@asynccontextmanager
async def memory(folder: Path) -> AsyncIterator[BaseStore]:
    yield InMemoryStore(index=INDEX)


async def search(
    store: BaseStore, perception: Kept, text: str, *, namespace: str = "", allowance: Cost = PLENTY, **more: Any
) -> Found:
    """Search as a process that knows nothing yet."""
    videos = await probed(perception, *NAMES)
    with searching_in(namespace, store):
        return await StoreFinder().find(Query(text, (1, 2, 3), limit=1, **more), perception, videos, allowance)


def find_files(folder: Path) -> list[Path]:
    return list(folder.rglob("evidence*"))


def without_ids(found: Found) -> list[tuple[int, FoundWindow]]:
    """Return the windows without the ids of their videos, which each mirror gives anew."""
    return [(number, replace(window, video=0)) for number, window in found.windows]


def first(found: Found) -> int | None:
    return found.windows[0][0] if found.windows else None


@pytest.mark.parametrize("opened", [memory, sqlite])
async def test_what_one_process_indexed_is_found_by_another_by_word_and_by_meaning(opened: Any, tmp_path: Path):
    perception = Repeating(tmp_path / "a")
    async with opened(tmp_path) as store:
        built = await search(store, perception, "bert")
        assert (first(built), built.cost.frames, built.problems) == (2, 60, ())
        other = Kept(tmp_path / "b")
        by_word = await search(store, other, "bert", allowance=Cost())
        by_meaning = await search(store, other, "boy", allowance=Cost())
        heard = await search(store, other, "boy", modality="audio")
    assert without_ids(by_word) == without_ids(built)
    compares = opened is memory or LOADS_EXTENSIONS
    assert (first(by_meaning), by_meaning.note) == (2 if compares else None, "")
    modalities = {said.modality for _, window in heard.windows for said in window.statements}
    assert modalities == ({"audio"} if compares else set())
    assert not other.requests
    assert not find_files(tmp_path)


async def test_a_store_without_an_index_compares_words(tmp_path: Path):
    store = InMemoryStore()
    assert first(await search(store, Kept(tmp_path), "bert")) == 2
    nothing = await search(store, Kept(tmp_path), "boy")
    assert (nothing.windows, nothing.note) == ((), "")


async def test_users_have_indexes_of_their_own(tmp_path: Path):
    store = InMemoryStore(index=INDEX)
    await search(store, Kept(tmp_path), "bert", namespace="anna")
    assert (await search(store, Kept(tmp_path), "bert", namespace="carl", allowance=Cost())).beyond == (1, 2, 3)
    assert first(await search(store, Kept(tmp_path), "bert", namespace="anna", allowance=Cost())) == 2
    odd = await search(store, Kept(tmp_path), "bert", namespace="../a.b")
    assert (first(odd), odd.problems) == (2, ())
    items = await store.asearch(("agentcvr-index",), limit=99)
    assert {item.namespace[1] for item in items} == {"anna", label("../a.b")}


async def test_meanings_are_compared_among_the_videos_of_the_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The store finds others first, so it is asked for more until those of the question are among them."""
    monkeypatch.setattr(shared, "APART", 0)
    store = InMemoryStore(index=INDEX)
    perception = Kept(tmp_path)
    videos = await probed(perception, *(f"boy {n}" for n in range(40)), "bert")
    finder = StoreFinder()
    with searching_in("", store):
        await finder.find(Query("x", tuple(range(1, 42))), perception, videos, Cost(frames=9_999, audio_s=9_999))
        found = await finder.find(Query("lad boy", (41,), "visual", 1), perception, videos)
        assert first(found) == 41


async def test_a_file_that_changed_is_indexed_again_for_all(tmp_path: Path):
    store, perception = InMemoryStore(index=INDEX), Kept(tmp_path)
    await search(store, perception, "bert")
    perception.stamps["bert.mp4"] = "second"
    changed = await search(store, perception, "bert", allowance=Cost())
    assert dict(changed.problems) == {2: "it has changed since it was indexed"}
    again = await search(store, perception, "bert")
    assert (first(again), again.cost.frames) == (2, 20)
    assert (await search(store, perception, "bert", allowance=Cost())).problems == ()


async def test_two_processes_at_once_index_a_video_once(tmp_path: Path):
    store, perception = InMemoryStore(index=INDEX), Kept(tmp_path)
    found = await asyncio.gather(*(search(store, perception, "bert") for _ in range(3)))
    assert [first(one) for one in found] == [2] * 3
    assert sum(one.cost.frames for one in found) == 60


async def test_a_model_of_the_store_that_fails_is_named_and_the_next_search_tries_again(tmp_path: Path):
    embed = Synonyms()
    store = InMemoryStore(index={"dims": 6, "embed": embed})
    store.embeddings = Down()
    failed = await search(store, Kept(tmp_path), "bert")
    said = "The store of the graph cannot be reached (connection refused)."
    assert dict(failed.problems) == dict.fromkeys((1, 2, 3), said)
    assert failed.cost.frames == 60
    store.embeddings = embed
    assert first(await search(store, Kept(tmp_path), "bert")) == 2
    store.embeddings = Down()
    words = await search(store, Kept(tmp_path), "bert", allowance=Cost())
    assert (first(words), words.note) == (2, f"Only words were compared: {said}")


async def test_a_store_that_is_down_is_an_error_that_the_master_reads(tmp_path: Path):
    class Broken(InMemoryStore):
        async def abatch(self, ops: Any) -> list[Any]:
            found: list[Op] = list(ops)
            raise ConnectionError(f"{len(found)} operations refused")

    replies, output = await asked(Broken(), tmp_path)
    assert "error: The store of the graph cannot be reached" in replies[0]
    assert output["failure"] is None


async def asked(store: BaseStore | None, folder: Path) -> tuple[list[str], Any]:
    master = FakeMaster(turns=[turn("", find("boy", limit=1)), turn("", answer("A"))])
    graph = create_cvr_graph(master, Kept(folder), features=read_features("find=store", "--features"))
    given: Any = {"question": "Which?", "videos": ["anna.mp4", "bert.mp4"], "options": ["x", "y"]}
    context = CVRContext(min_evidence=0, memory_namespace="anna")
    output = await graph.compile(store=store).ainvoke(given, context=context)
    return [messages[-1].text for messages in master.seen[1:]], output


async def test_a_graph_searches_the_index_of_its_store(tmp_path: Path):
    store = InMemoryStore(index=INDEX)
    replies, _ = await asked(store, tmp_path)
    assert replies[0].startswith('found: "boy"\n[video 2, ')
    assert all(place[1] == "anna" for place in await store.alist_namespaces())


async def test_a_graph_without_a_store_is_refused(tmp_path: Path):
    with pytest.raises(SetupError, match="find=store needs a graph with a store") as caught:
        await asked(None, tmp_path)
    assert caught.value.fix


async def test_scripts_need_no_store():
    master = FakeMaster(turns=[turn("", find("salt", limit=1)), turn("", answer("A"))])
    graph = create_cvr_graph(master, ScriptedPerception(bundled_library()), features=Features(find="store")).compile()
    await graph.ainvoke({"question": "?", "videos": ["script://cc-000001/*"]}, context=CVRContext(min_evidence=0))
    assert "[video 3, 6.0-12.0 s] A cook adds salt" in master.seen[1][-1].text
