"""`find` with an embeddings model: vectors in the index, fusion with the words, limits, and a model that fails."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from agentcvr_graph import CVRContext, SetupError, create_cvr_graph
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.index import meaning, vectors
from agentcvr_graph.index.finder import Finder, Query
from agentcvr_graph.index.meaning import Meaning, facts_of
from agentcvr_graph.index.store import EvidenceStore, Hit, Statement, Unvectored
from agentcvr_graph.index.windows import windows_of
from agentcvr_graph.models.embeddings import resolve_embeddings
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, turn
from agentcvr_graph.tools import Features
from agentcvr_graph.tools.features import read_features
from agentcvr_graph.types import Cost, Observation, Observe, Video, VideoInfo
from tests.unit.test_find import Kept, find, probed

PLENTY = Cost(frames=1000, audio_s=10_000)


class Synonyms(Embeddings):
    """A model for which a text means the groups of synonyms whose words it contains."""

    GROUPS = (("salt", "seasoning"), ("anna", "girl"), ("bert", "boy"), ("carl", "man"), ("ball", "sphere"))

    def __init__(self) -> None:
        self.model = "synonyms"
        self.texts: list[str] = []
        self.queries: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.texts += texts
        return [self._meant(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.queries.append(text)
        return self._meant(text)

    def _meant(self, text: str) -> list[float]:
        return [0.1, *(float(any(word in text.lower() for word in group)) for group in self.GROUPS)]


class Down(Embeddings):
    """A model whose server is down."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise ConnectionError("connection refused")

    def embed_query(self, text: str) -> list[float]:
        raise ConnectionError("connection refused")


def finder_with(embeddings: Embeddings) -> Finder:
    return Finder(Meaning(*resolve_embeddings(embeddings)))


async def numbers(finder: Finder, text: str, perception: Kept, videos: list[VideoInfo]) -> list[int]:
    found = await finder.find(Query(text, tuple(range(1, len(videos) + 1)), None, 1), perception, videos, PLENTY)
    return [number for number, _ in found.windows]


async def test_a_script_is_found_by_meaning_where_no_word_is_shared():
    script = bundled_library().get("cc-000001")

    async def replies(features: Features) -> str:
        master = FakeMaster(turns=[turn("", find("seasoning", limit=1)), turn("", answer("A"))])
        graph = create_cvr_graph(master, ScriptedPerception(bundled_library()), features=features).compile()
        await graph.ainvoke(as_input(script.as_question()), context=CVRContext(min_evidence=0))
        return master.seen[1][-1].text

    assert "Nothing was found" in await replies(Features(find=True))
    assert "[video 3, 6.0-12.0 s] A cook adds salt" in await replies(Features(find=Synonyms()))


async def test_vectors_are_added_to_an_index_of_words_and_kept_in_its_file(tmp_path: Path):
    perception, model = Kept(tmp_path), Synonyms()
    videos = await probed(perception, "anna", "bert")
    assert not await numbers(Finder(), "girl", perception, videos)
    assert await numbers(finder_with(model), "girl", perception, videos) == [1]
    assert sorted(model.texts) == ["a sign that says anna", "a sign that says bert", "good morning"]
    model.texts.clear()
    count = len(perception.requests)
    assert await numbers(finder_with(model), "boy", perception, videos) == [2]
    assert (model.texts, len(perception.requests)) == ([], count)
    with sqlite3.connect(tmp_path / "evidence.sqlite") as database:
        stored = database.execute("SELECT DISTINCT model, size, length(vector) FROM signs, vectors").fetchall()
    database.close()
    assert stored == [("Synonyms:synonyms", 6, 12)]


async def test_a_search_by_meaning_keeps_to_its_videos_and_its_sense(tmp_path: Path):
    perception, finder = Kept(tmp_path), finder_with(Synonyms())
    videos = await probed(perception, "anna", "bert")
    await numbers(finder, "girl", perception, videos)
    elsewhere = await finder.find(Query("girl", (2,)), perception, videos)
    assert {number for number, _ in elsewhere.windows} == {2}
    heard = await finder.find(Query("girl", (1, 2), "audio"), perception, videos)
    assert {said.text for _, window in heard.windows for said in window.statements} == {'"good morning"'}


async def test_a_model_that_fails_leaves_the_words_and_a_note(tmp_path: Path):
    master = FakeMaster(turns=[turn("", find("anna", limit=1)), turn("", answer("A"))])
    graph = create_cvr_graph(master, Kept(tmp_path), features=Features(find=Down())).compile()
    asked = {"question": "Which?", "videos": ["anna.mp4", "bert.mp4"], "options": ["x", "y"]}
    output = await graph.ainvoke(asked, context=CVRContext(min_evidence=0))  # type: ignore[arg-type]
    said = master.seen[1][-1].text
    assert "[video 1, 0.0-60.0 s] a sign that says anna" in said
    assert "note: Only words were compared: The embeddings model Down cannot be reached (connection refused)." in said
    assert output["answer"] is not None


async def test_a_model_that_is_slow_leaves_the_words_and_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Slow(Synonyms):
        async def aembed_query(self, text: str) -> list[float]:
            await asyncio.Event().wait()
            return []

    monkeypatch.setattr(meaning, "QUERY_S", 0.01)
    perception = Kept(tmp_path)
    videos = await probed(perception, "anna")
    found = await finder_with(Slow()).find(Query("anna", (1,)), perception, videos, PLENTY)
    assert [number for number, _ in found.windows] == [1]
    assert found.note == "Only words were compared: the embeddings model Slow:synonyms did not answer in time."


async def test_one_search_makes_vectors_up_to_a_limit_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Each video has two statements, so a limit of two lets one search add one video."""
    monkeypatch.setattr(meaning, "MOST_STATEMENTS", 2)
    perception, finder = Kept(tmp_path), finder_with(Synonyms())
    videos = await probed(perception, "anna", "bert", "carl")
    query = Query("man", (1, 2, 3), None, 1)
    notes = [(await finder.find(query, perception, videos, PLENTY)).note for _ in range(3)]
    assert notes == [
        "2 videos were searched by words alone; the next search compares the meaning of more.",
        "1 video was searched by words alone; the next search compares the meaning of more.",
        "",
    ]
    assert await numbers(finder, "man", perception, videos) == [3]


async def test_the_vectors_of_scripts_have_no_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(meaning, "MOST_STATEMENTS", 2)
    perception = ScriptedPerception(bundled_library())
    given = bundled_library().get("cc-000001").as_question().videos
    videos = [await perception.probe(video, n) for n, video in enumerate(given, start=1)]
    found = await finder_with(Synonyms()).find(Query("seasoning", (1, 2, 3)), perception, videos)
    assert (found.note, found.windows[0][0]) == ("", 3)


async def test_searches_at_the_same_time_make_vectors_once(tmp_path: Path):
    perception, model = Kept(tmp_path), Synonyms()
    videos = await probed(perception, "anna", "bert")
    await numbers(Finder(), "x", perception, videos)
    finder = finder_with(model)
    found = await asyncio.gather(*(numbers(finder, "girl", perception, videos) for _ in range(4)))
    assert found == [[1]] * 4
    assert len(model.texts) == 3


async def test_evidence_in_memory_is_compared_too():
    class Named(FakePerception):
        async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
            self.text = f"a sign that says {videos[0].title}"
            return await super().observe(request, videos)

    perception = Named()
    videos = [await perception.probe(Video(source=f"{name}.mp4"), n) for n, name in ((1, "anna"), (2, "bert"))]
    found = await finder_with(Synonyms()).find(Query("boy", (1, 2), None, 1), perception, videos, PLENTY)
    assert [number for number, _ in found.windows] == [2]


@pytest.mark.parametrize("before", ["", "DROP TABLE signs", "CREATE TABLE vectors (id, statements, signs, vectors)"])
def test_a_file_without_the_tables_gets_them_and_a_forgotten_video_loses_its_vectors(tmp_path: Path, before: str):
    file = tmp_path / "evidence.sqlite"
    store = EvidenceStore(file)
    video = store.add("a", [Statement("visual", 0, 5, "salt")])
    store.close()
    with sqlite3.connect(file) as database:
        database.execute("DROP TABLE vectors")
        database.execute(before)
    database.close()
    store = EvidenceStore(file)
    statements = store.unvectored("m", [video])
    store.add_vectors("m", [statements[0], statements[0]], [[3.0, 4.0], [-4.0, 3.0]])
    assert [hit.score for hit in store.similar("m", [[3.0, 4.0], [0.0, -1.0]], [video])] == [
        pytest.approx(1.0, abs=0.001)
    ]
    assert store.similar("m", [[1.0, 0.0, 0.0]], [video]) == store.similar("other", [[3.0, 4.0]], [video]) == []
    assert (store.without_vectors("m", [video]), store.without_vectors("other", [video])) == ([], [video])
    store.forget([video])
    assert store.similar("m", [[3.0, 4.0]], [video]) == []
    store.close()


def test_the_nearest_of_many_videos_are_those_of_an_exact_search():
    rng = np.random.default_rng(0)
    store = EvidenceStore()
    for n in range(1200):
        store.add(str(n), [Statement("visual", 0, 5, f"v{n}"), Statement("audio", 0, 5, f"a{n}")])
    videos = list(store.known([str(n) for n in range(1200)]).values())
    statements = store.unvectored("m", videos)
    vectors = {one.id: rng.normal(size=16).tolist() for one in statements}
    store.add_vectors("m", statements, [vectors[one.id] for one in statements])
    query = rng.normal(size=16)
    exact = sorted(statements, key=lambda one: -float(query @ vectors[one.id]) / float(np.linalg.norm(vectors[one.id])))
    found = [hit.statement.text for hit in store.similar("m", [query.tolist()], videos, limit=20)]
    assert len(set(found) ^ {one.text for one in exact[:20]}) <= 2  # 16-bit vectors may swap the last
    assert found[0] == exact[0].text
    seen = [one.text for one in exact if one.modality == "audio"][:5]
    assert [
        hit.statement.text for hit in store.similar("m", [query.tolist()], videos, modality="audio", limit=5)
    ] == seen


def test_among_many_statements_the_most_similar_are_compared_also_those_that_another_process_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Signs choose 60 of 3,000 candidates; the ten queries are vectors of statements with a little noise."""
    monkeypatch.setattr(vectors, "EXACT", 0)
    monkeypatch.setattr(vectors, "CANDIDATES", 60)
    rng = np.random.default_rng(0)
    made = rng.normal(size=(3000, 70))
    store, other = EvidenceStore(tmp_path / "a.sqlite"), EvidenceStore(tmp_path / "a.sqlite")
    for start, into in ((0, store), (1500, other)):
        new = [Statement("visual", 0, 5, f"v{n}") for n in range(start, start + 1500)]
        video = into.add(str(start), new)
        statements = into.unvectored("m", [video])
        into.add_vectors("m", statements, [made[int(one.text[1:])].tolist() for one in statements])
        videos = list(store.known(["0", "1500"]).values())
        for n in rng.integers(start, start + 1500, 10):
            query = made[n] + rng.normal(size=70) * 0.3
            assert store.similar("m", [query.tolist()], videos, limit=1)[0].statement.text == f"v{n}"
    store.forget([videos[0]])
    assert len(store.similar("m", [made[0].tolist()], videos, limit=3)) <= 3
    store.close()
    other.close()


def with_vector(store: EvidenceStore, key: str, vector: list[float]) -> int:
    """Add a video with one statement that says its key, and its vector."""
    video = store.add(key, [Statement("visual", 0, 5, key)])
    statements = store.unvectored("m", [video])
    store.add_vectors("m", statements, [vector] * len(statements))
    return video


def test_a_vector_that_another_process_removed_is_not_mixed_up_with_the_next_one(tmp_path: Path):
    """SQLite gives the number of the last video and statement again, not that of their vectors."""
    one, other = (EvidenceStore(tmp_path / "a.sqlite") for _ in range(2))
    kept, removed = with_vector(one, "kept", [1.0, 1.0]), with_vector(one, "removed", [1.0, 0.0])
    assert [hit.statement.text for hit in one.similar("m", [[1.0, 0.0]], [kept, removed])] == ["removed", "kept"]
    other.forget([removed])
    assert [hit.statement.text for hit in one.similar("m", [[1.0, 0.0]], [kept, removed])] == ["kept"]
    again = other.add("again", [Statement("visual", 0, 5, "again")])
    assert (again, one.without_vectors("m", [kept, again])) == (removed, [removed])
    assert [hit.statement.text for hit in one.similar("m", [[1.0, 0.0]], [kept, again])] == ["kept"]
    other.add_vectors("m", other.unvectored("m", [again]), [[0.0, 1.0]])
    assert one.without_vectors("m", [kept, again]) == []
    found = [(hit.statement.text, round(hit.score, 2)) for hit in one.similar("m", [[0.0, 1.0]], [kept, again])]
    assert found == [("again", 1.0), ("kept", 0.71)]


def test_searches_while_another_process_adds_and_removes_find_each_vector_with_its_own_statement(tmp_path: Path):
    """Statement n points in direction n, so what a search in that direction finds with cosine 1 must say n."""
    stopped = threading.Event()
    file = tmp_path / "a.sqlite"

    def write() -> None:
        store, videos = EvidenceStore(file), list[int]()
        for n in range(60):
            videos.append(with_vector(store, f"v{n % 8}-{n}", np.eye(8)[n % 8].tolist()))
            if n % 3 == 2:
                store.forget([videos.pop()])  # the number of the last one is given again
        store.close()
        stopped.set()

    writer = threading.Thread(target=write)
    writer.start()
    store, ended = EvidenceStore(file), False
    while not ended:
        ended = stopped.is_set()  # the last round finds all that is left
        hits = [store.similar("m", [np.eye(8)[n].tolist()], list(range(1, 70)), limit=99) for n in range(8)]
        for n, found in enumerate(hits):
            for hit in found:
                assert hit.score == pytest.approx(float(hit.statement.text.startswith(f"v{n}-")), abs=0.001)
    writer.join()
    assert [len(found) for found in hits] == [40] * 8


def test_the_number_of_statements_with_a_word_follows_changes_by_others(tmp_path: Path):
    """Of 4 statements 1 and then 5 of 8 have the word: ln(3.5 / 1.5), and less than 1 is none."""
    one, other = (EvidenceStore(tmp_path / "a.sqlite") for _ in range(2))
    one.add("a", [Statement("visual", n, n + 1, text) for n, text in enumerate(["salt", "x", "x", "x"])])
    assert one.weight("salt") == other.weight("salt") == pytest.approx(0.847, abs=0.001)
    other.add("b", [Statement("visual", n, n + 1, "salt") for n in range(4)])
    assert one.weight("salt") == other.weight("salt") == 0.0
    assert len(one.search("salt")) == 5


def test_words_and_meaning_are_added_as_shares():
    """Of words that weigh 10: 9, 8 and 7 tenths. Cosines of 0.8 and 0.6 above the least, 0.5: 0.6 and 0.2."""

    def hit(video: int, score: float) -> Hit:
        return Hit(video, Statement("visual", 0, 5, f"v{video}"), score)

    similar = [hit(3, 0.8), hit(2, 0.6), hit(5, 0.5)]
    found = windows_of([hit(1, 9.0), hit(2, 8.0), hit(4, 7.0)], 4, similar, 10.0)
    assert [(one.video, round(one.score, 6)) for one in found] == [(2, 1.0), (1, 0.9), (4, 0.7), (3, 0.6)]
    weaker = windows_of([hit(1, 9.0), hit(2, 8.0), hit(4, 7.0)], 2, similar, 100.0)
    assert [one.video for one in weaker] == [3, 2], "words that are a small share of the query decide little"


def test_each_thing_that_a_statement_says_is_embedded_by_itself():
    """Colours and motion are not embedded: nearly every picture has them."""
    text = 'a sign on a wall; on-screen text "ADD SALT", "ANNA"; mostly red and white; still'
    facts = [facts_of(Unvectored(1, 1, sense, text)) for sense in ("visual", "audio")]
    assert facts == [["a sign on a wall", "ADD SALT", "ANNA"], [text]]
    assert facts_of(Unvectored(1, 1, "visual", "mostly red; still")) == ["mostly red; still"]
    assert facts_of(Unvectored(1, 1, "audio", '"salt"')) == ["salt"]


async def test_a_query_is_compared_as_a_whole_and_by_its_clauses(tmp_path: Path):
    perception, model = Kept(tmp_path), Synonyms()
    videos = await probed(perception, "anna")
    question = "Which red card is shown in the video where a girl sings?"
    await finder_with(model).find(Query(question, (1,)), perception, videos, PLENTY)
    assert model.queries == [question, "Which red card is shown in the video", "a girl sings"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("find=transformers:./nowhere", r"no model folder \./nowhere"),
        ("find=nobody:nothing", "'nobody:nothing' cannot be set up: .*"),
        ("find=text-embedding", "'text-embedding' cannot be set up: .*"),
    ],
)
def test_a_model_that_does_not_exist_is_one_line_before_the_run(given: str, message: str):
    with pytest.raises(SetupError, match=message) as caught:
        create_cvr_graph(FakeMaster(turns=[]), FakePerception(), features=read_features(given, "--features"))
    assert "\n" not in str(caught.value) and caught.value.fix


def test_an_object_that_is_no_embeddings_model_is_refused():
    with pytest.raises(SetupError, match="`find` is 3"):
        create_cvr_graph(FakeMaster(turns=[]), FakePerception(), features=Features(find=3))  # type: ignore[arg-type]
