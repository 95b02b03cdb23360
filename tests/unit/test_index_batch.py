"""Indexing beforehand: only what changed, failures as data, and a run that goes on after SIGKILL."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agentcvr_graph import CVRContext, InfrastructureError, create_cvr_graph
from agentcvr_graph.catalogue import Expansion, Refused
from agentcvr_graph.cli import index_run
from agentcvr_graph.cli.index_run import Models
from agentcvr_graph.index import batch, meaning
from agentcvr_graph.index.batch import Totals, index_videos
from agentcvr_graph.index.finder import Finder, Query
from agentcvr_graph.index.meaning import Meaning
from agentcvr_graph.index.places import file_in, searching_in
from agentcvr_graph.index.store import EvidenceStore
from agentcvr_graph.models.embeddings import resolve_embeddings
from agentcvr_graph.testing import FakeMaster, answer, turn
from agentcvr_graph.tools import Features
from agentcvr_graph.types import Video
from tests.support.command_line import agentcvr
from tests.unit.test_find import Kept, find, probed
from tests.unit.test_find_meaning import Synonyms

KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from agentcvr_graph.index import batch
from tests.unit.test_index_batch import Closable, index

class Dying(Closable):
    async def listen(self, request, videos):
        if videos[0].video.source == "v3.mp4":
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().listen(request, videos)

made = Dying(Path(sys.argv[1]))
batch.perception_of = lambda vision, audio: made
asyncio.run(index(made.index_folder, concurrency=1))
"""


class Closable(Kept):
    """A perception as `perception_of` returns one; it fails for a while where `failing` says so."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.media = self
        self.failing = False

    def close(self) -> None:
        pass

    async def probe(self, video: Video, number: int):
        if self.failing:
            raise InfrastructureError("the server is down", transient=True)
        return await super().probe(video, number)


def _returning(made: Closable) -> Callable[[str, str], Closable]:
    return lambda vision, audio: made


async def index(folder: Path, count: int = 5, concurrency: int = 2) -> Totals:
    store = EvidenceStore(file_in(folder, ""))
    try:
        videos = [Video(source=f"v{number}.mp4") for number in range(1, count + 1)]
        return await index_videos(videos, store, "", "", concurrency=concurrency)
    finally:
        store.close()


@pytest.fixture
def perception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Closable:
    made = Closable(tmp_path)
    monkeypatch.setattr(batch, "perception_of", _returning(made))
    return made


def counts(totals: Totals) -> tuple[int, int, int]:
    return totals.indexed, totals.unchanged, totals.failed


async def test_only_changed_videos_are_indexed_again(perception: Closable, tmp_path: Path):
    assert counts(await index(tmp_path)) == (5, 0, 0)
    perception.requests.clear()
    perception.stamps["v2.mp4"] = "changed"
    assert counts(await index(tmp_path, count=6)) == (2, 4, 0)
    assert len(perception.requests) == 2 * 3


async def test_many_videos_are_not_compared_pair_by_pair(
    perception: Closable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With 10,000 new videos that would be 50 million comparisons before the first one is indexed."""

    def refuse(job: object, other: object) -> bool:
        raise AssertionError(f"{job} was compared with {other}")

    monkeypatch.setattr(batch.IndexJob, "__eq__", refuse)
    assert counts(await index(tmp_path)) == (5, 0, 0)
    perception.stamps["v2.mp4"] = "changed"
    assert counts(await index(tmp_path)) == (1, 4, 0)


async def test_a_video_that_fails_is_counted_and_tried_again_by_the_next_run(perception: Closable, tmp_path: Path):
    perception.damaged = {"v2"}
    perception.said = ""
    totals = await index(tmp_path)
    assert (*counts(totals), totals.incomplete) == (5, 0, 0, 1)  # its sound could be read
    perception.stamps = {"v2.mp4": "x", "v3.mp4": "x"}
    perception.failing = True
    assert counts(await index(tmp_path)) == (0, 3, 2)
    perception.failing = False
    assert counts(await index(tmp_path)) == (2, 3, 0)


def test_the_command_says_which_parts_of_a_video_are_missing(
    perception: Closable, cache: Path, capsys: pytest.CaptureFixture[str]
):
    perception.damaged = {"v2"}
    index_run.add_videos(["v1.mp4", "v2.mp4"], Models("offline", "offline"), "", "local", 1, None)
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if line.startswith("incomplete:")]
    part = "0.0-30.0 s could not be seen: v2 is damaged (and 1 more)"
    assert lines == [
        f"incomplete: v2.mp4: {part}; to try again: agentcvr index forget v2.mp4, then index it",
    ]
    assert "parts of 1 missing" in said.out


async def test_a_server_that_is_down_stops_the_run(perception: Closable, tmp_path: Path):
    perception.failing = True
    with pytest.raises(InfrastructureError, match=r"The last 22 videos all failed: the server is down\. Fix"):
        await index(tmp_path, count=100)


def test_a_run_goes_on_after_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    killed = subprocess.run([sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    made = Closable(tmp_path)
    monkeypatch.setattr(batch, "perception_of", _returning(made))
    assert counts(asyncio.run(index(tmp_path))) == (3, 2, 0)
    store = EvidenceStore(file_in(tmp_path, ""))
    assert len(store.videos()) == 5


async def test_namespaces_are_searched_apart(tmp_path: Path):
    assert file_in(tmp_path, "../anna").parent == tmp_path
    with searching_in("bert"):
        assert file_in(tmp_path) == file_in(tmp_path, "bert") == tmp_path / "evidence-bert.sqlite"
    assert file_in(tmp_path) == tmp_path / "evidence.sqlite"


async def test_a_run_searches_the_index_of_its_namespace(tmp_path: Path):
    perception = Kept(tmp_path)
    master = FakeMaster(turns=[turn("", find("sign")), turn("", answer("A"))])
    graph = create_cvr_graph(master, perception, features=Features(find=True)).compile()
    settings = CVRContext(min_evidence=0, memory_namespace="anna")
    await graph.ainvoke({"question": "Which?", "videos": ["a.mp4"], "options": ["1", "2"]}, context=settings)
    with searching_in("anna"):
        again = await Finder().find(Query("sign", (1,)), perception, await probed(perception, "a"))
    assert [number for number, _ in again.windows] == [1]
    shared = await Finder().find(Query("sign", (1,)), perception, await probed(perception, "a"))
    assert shared.beyond == (1,)


async def test_vectors_are_made_beforehand_and_a_run_that_was_stopped_goes_on(
    perception: Closable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Each video has two statements, and one text of all is equal: two portions of four statements, and one of two."""

    class Stopping(Synonyms):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            if "a sign that says v4" in texts:
                raise ConnectionError("connection refused")
            return super().embed_documents(texts)

    monkeypatch.setattr(meaning, "TEXTS_PER_CALL", 4)
    totals = await index(tmp_path)
    store, stopping, model = EvidenceStore(file_in(tmp_path, "")), Stopping(), Synonyms()
    done = Meaning(*resolve_embeddings(model)).name
    with pytest.raises(InfrastructureError, match=r"Synonyms:synonyms cannot be reached \(connection refused\)"):
        async for _ in Meaning(stopping, done).complete(store, totals.videos):
            pass
    assert [video.models for video in store.videos()] == [(done,), (done,), (), (), ()]
    made = [one async for one in Meaning(model, done).complete(store, totals.videos)]
    assert [(one.statements, one.planned) for one in made] == [(4, 6), (2, 6)]
    assert sum(one.characters for one in made) == sum(map(len, model.texts)) == 3 * 19 + 2 * 12
    assert {video.models for video in store.videos()} == {(done,)}
    store.close()
    model.texts.clear()
    videos = await probed(perception, *(f"v{n}" for n in range(1, 6)))
    found = await Finder(Meaning(model, done)).find(Query("girl", tuple(range(1, 6))), perception, videos)
    assert (found.note, model.texts) == ("", [])


def test_the_command_makes_vectors_and_lists_their_models(
    perception: Closable, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(index_run, "resolve_embeddings", lambda spec: (Synonyms(), spec))
    for embedded in ("4 statements embedded (50 characters) by a:model", "0 statements embedded by a:model"):
        index_run.add_videos(["v1.mp4", "v2.mp4"], Models("offline", "offline", "a:model"), "", "local", 1, 100)
        assert embedded in capsys.readouterr().out
    index_run.list_videos("", as_json=True)
    assert capsys.readouterr().out.count('"vectors": ["a:model"]') == 2


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENTCVR_CACHE_DIR", str(tmp_path))
    return tmp_path / "index"


def test_the_commands_list_and_forget(cache: Path):
    store = EvidenceStore(file_in(cache, ""))
    for name in ("a", "b", "c"):
        folder = "/films/old" if name == "c" else "/films"
        store.link(name, f"{folder}/{name}.mp4", "1", store.add(name, [], title=name, duration_s=9.0))
    store.close()
    assert agentcvr("index", "list", "--json").stdout.count('"statements": 0') == 3
    assert "1 forgotten" in agentcvr("index", "forget", "/films/old").stdout
    refused = agentcvr("index", "forget", "/nowhere")
    assert (refused.returncode, "not indexed. See: agentcvr index list" in refused.stderr) == (2, True)
    assert "/films/b.mp4" in agentcvr("index", "list").stdout
    assert "removed" in agentcvr("index", "forget", "--all").stdout
    assert "no video is indexed" in agentcvr("index", "list").stdout


def test_a_damaged_index_is_one_line_and_can_be_removed(cache: Path):
    cache.mkdir()
    file_in(cache, "").write_text("damaged " * 999)
    listed = agentcvr("index", "list")
    assert listed.returncode == 2
    assert "cannot be used: file is not a database. Remove it" in listed.stderr and "Traceback" not in listed.stderr
    assert agentcvr("index", "forget", "--all").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add"], "Missing: the videos. Write: agentcvr index clips/"),
        (["nowhere.mp4", "--engine", "slurm"], "Unknown --engine 'slurm'"),
        (["nowhere.mp4", "--embeddings", "nobody:x"], "The embeddings model 'nobody:x' cannot be set up"),
        (["forget"], "Name either videos or --all."),
        (["forget", "a.mp4", "--all"], "Name either videos or --all."),
    ],
)
def test_what_cannot_be_carried_out_is_one_line(cache: Path, arguments: list[str], said: str):
    done = agentcvr("index", *arguments)
    assert done.returncode == 2
    assert said in done.stderr.replace("\n", " ")


async def test_what_a_folder_leaves_out_is_noted_and_counts_as_failed(perception: Closable, tmp_path: Path):
    async def expand(video: Video) -> Expansion:
        return Expansion((Video(source="v1.mp4"),), ("clips: left out: 1",), (Refused("clips/b.mp4", "no file."),))

    perception.expand = expand
    store, failures = EvidenceStore(file_in(tmp_path, "")), []
    totals = await index_videos(
        [Video(source="clips")],
        store,
        "",
        "",
        on_result=lambda result, _: failures.append((result.job.video.source, result.problem)) if result else None,
    )
    store.close()
    assert counts(totals) == (1, 0, 1)
    assert totals.notes == ("clips: left out: 1",)
    assert failures == [("clips/b.mp4", "no file."), ("v1.mp4", "")]
