"""The store of the evidence index: what is found, in what order, and what happens to its file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.index import ranking
from agentcvr_graph.index.store import EvidenceStore, Hit, Link, Statement
from agentcvr_graph.index.windows import windows_of
from agentcvr_graph.index.words import query_words


def seen(text: str, start_s: float = 0.0, end_s: float = 5.0) -> Statement:
    return Statement("visual", start_s, end_s, text)


def heard(text: str, start_s: float = 0.0, end_s: float = 5.0) -> Statement:
    return Statement("audio", start_s, end_s, text)


@pytest.fixture
def store() -> EvidenceStore:
    made = EvidenceStore()
    made.add("a", [seen('on-screen text "ADD SALT"'), heard('"first the onions"', 5, 8)], title="Cook 1")
    made.add("b", [seen("a cook adds the salt; still", 2, 6), heard('"salted water, never pepper"', 6, 9)])
    made.add("c", [seen("a dog runs"), seen("字幕 塩を加える", 4, 6)])
    return made


def keys(store: EvidenceStore, query: str, among: list[str] | None = None) -> list[str]:
    """Return the keys of the videos that are found, with one entry for each statement."""
    names = {video: key for key, video in store.known("abcdefgh").items()}
    wanted = None if among is None else list(store.known(among).values())
    return [names[hit.video] for hit in store.search(query, wanted)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("salt", {"a", "b"}),
        ("Which cook adds salt?", {"a", "b"}),
        ("ONION", {"a"}),
        ("onions AND NOT salt*", {"a", "b"}),
        ('"; DROP TABLE videos; --', set[str]()),
        ("塩", {"c"}),
        ("加える", {"c"}),
        ("the of which", {"a", "b"}),
        ("", set[str]()),
    ],
)
def test_a_query_finds_the_videos_that_share_words_with_it(store: EvidenceStore, query: str, found: set[str]):
    assert set(keys(store, query)) == found


def test_the_statement_with_more_of_the_query_comes_first(store: EvidenceStore):
    assert store.search("salted water")[0].statement.text == '"salted water, never pepper"'


def test_common_words_order_what_rarer_words_find(monkeypatch: pytest.MonkeyPatch):
    """Of 600 statements, 200 have "red" and two "salt"; one of those has both."""
    monkeypatch.setattr(ranking, "MATCHES", 50)
    store = EvidenceStore()
    store.add("a", [seen(f"a red ball {number}") for number in range(200)])
    store.add("c", [seen(f"a dog {number}") for number in range(400)])
    salted = store.add("b", [seen("the salt is in the white bowl"), seen("the salt is in the red bowl")])
    found = store.search("red salt", limit=2)
    assert [hit.video for hit in found] == [salted] * 2
    assert found[0].statement.text == "the salt is in the red bowl"
    assert len(store.search("red salt", limit=20)) == 20
    assert len(store.search("red", limit=20)) == 20


def test_a_search_keeps_to_videos_and_modality(store: EvidenceStore):
    assert keys(store, "salt", ["b", "c"]) == ["b", "b"]
    assert [hit.statement.modality for hit in store.search("salt", modality="audio")] == ["audio"]
    assert len(store.search("salt", limit=1)) == 1
    assert store.search("salt", []) == []


def test_a_key_is_added_once(store: EvidenceStore):
    store.add("a", [seen("something else")])
    assert store.search("something") == []
    assert store.known(["a", "x"]).keys() == {"a"}
    assert [(video.title, video.statements) for video in store.videos()] == [("", 2), ("", 2), ("Cook 1", 2)]


def test_what_is_forgotten_leaves_neither_hits_nor_words(tmp_path: Path):
    file = tmp_path / "evidence.sqlite"
    store = EvidenceStore(file)
    pig = store.add("a", [seen("a marzipan pig")])
    store.link("marzipan.mp4 with models", "marzipan.mp4", "1", pig)
    store.add("b", [seen("a dog")])
    assert store.forget([pig, 99]) == 1
    assert store.search("marzipan") == []
    store.close()
    assert b"marzipan" not in file.read_bytes()
    assert keys(EvidenceStore(file), "dog") == ["b"]


def test_the_least_recently_used_videos_are_removed_above_the_limit(tmp_path: Path):
    store = EvidenceStore(tmp_path / "evidence.sqlite", max_bytes=200_000)
    for number in range(200):
        said = [seen(f"scene {number} word{number} " + "x" * 500, n, n + 1) for n in range(5)]
        store.add(f"v{number}", said, title=f"v{number:03}")
    left = [video.title for video in store.videos()]
    assert "v199" in left and "v000" not in left and 5 < len(left) < 190
    assert len(store.search("word199")) == 5
    assert store.search("word0") == []


def test_a_limit_that_was_set_counts_for_all_that_use_the_file(tmp_path: Path):
    """Each video takes about 3 kB: 200 of them are more than the second object would keep, and less than was set."""
    one, other = (EvidenceStore(tmp_path / "evidence.sqlite", max_bytes=200_000) for _ in range(2))
    one.set_limit(10_000_000)
    for number in range(200):
        (one, other)[number % 2].add(f"v{number}", [seen(f"{number} " + "x" * 500, n, n + 1) for n in range(5)])
    assert len(other.videos()) == 200
    other.set_limit(300_000)
    one.add("last", [seen("word")])
    assert 20 < len(other.videos()) < 120 and len(other.search("word")) == 1


def test_two_objects_share_a_file(tmp_path: Path):
    one, other = (EvidenceStore(tmp_path / "evidence.sqlite") for _ in range(2))
    one.add("a", [seen("salt")])
    other.add("b", [seen("salt")])
    assert sorted(keys(one, "salt")) == sorted(keys(other, "salt")) == ["a", "b"]


def test_links_follow_changes_by_another_object(tmp_path: Path):
    one, other = (EvidenceStore(tmp_path / "evidence.sqlite") for _ in range(2))
    video = one.add("a", [seen("salt")])
    assert other.links() == {}
    one.link("r", "a.mp4", "stamp 1", video)
    assert other.links() == one.links() == {"r": Link(video, "stamp 1")}
    other.link("r", "a.mp4", "stamp 2", video)
    assert one.links() == {"r": Link(video, "stamp 2")}
    one.unlink(["r"])
    assert other.links() == {}


def damaged(file: Path) -> None:
    file.write_bytes(b"not a database " * 100)


def of_another_format(file: Path) -> None:
    EvidenceStore(file).close()
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 9")
    database.close()


def of_another_program(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE notes (text)")
    database.close()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damaged, "file is not a database"),
        (of_another_format, "it has format 9, and this version of agentcvr reads format"),
        (of_another_program, "it is a database of another program"),
        (Path.mkdir, "unable to open database file"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_with_a_fix(
    tmp_path: Path, spoil: Callable[[Path], object], reason: str
):
    file = tmp_path / "evidence.sqlite"
    spoil(file)
    with pytest.raises(InfrastructureError, match=reason) as caught:
        EvidenceStore(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.fix


def test_a_file_that_is_damaged_later_is_one_line(tmp_path: Path):
    file = tmp_path / "evidence.sqlite"
    store = EvidenceStore(file)
    store.add("a", [seen(f"salt {number}", number, number + 1) for number in range(2000)])
    store.close()
    content = bytearray(file.read_bytes())
    content[4096:] = b"\x07" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(InfrastructureError, match=r"cannot be used: .*forget --all"):
        EvidenceStore(file).search("salt")


def test_statements_that_lie_together_are_one_window():
    def hit(start_s: float, score: float, video: int = 1) -> Hit:
        return Hit(video, seen(f"at {start_s}", start_s, start_s + 2), score)

    found = windows_of([hit(10, 4.0), hit(50, 3.5), hit(13, 2.0), hit(9, 1.0), hit(0, 5.0, 2)], 3)
    assert [(window.video, window.start_s, window.end_s, window.score) for window in found] == [
        (2, 0, 2, 5.0),
        (1, 9, 15, 4.0 + 2.0 / 4 + 1.0 / 16),
        (1, 50, 52, 3.5),
    ]
    assert [said.start_s for said in found[1].statements] == [9, 10, 13]


@settings(max_examples=50)
@given(st.text(max_size=80))
def test_any_query_can_be_searched(query: str):
    store = EvidenceStore()
    store.add("a", [seen("salt"), seen(query, 5, 6)])
    store.search(query)
    store.close()


def test_words_that_say_nothing_are_left_out():
    assert query_words("In which video does the cook add salt, and when?") == ["cook", "add", "salt"]
