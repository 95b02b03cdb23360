"""The disk cache of the tests makes a folder once per key, and again after a source changed or a session was killed."""

from __future__ import annotations

import pytest

from tests.support import disk_cache
from tests.support.disk_cache import KEPT, VARIABLE, cached_folder


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Return a function that makes the folder `x` from a source text and returns it with the list of fills so far."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(disk_cache, "ROOT", tmp_path)
    source = tmp_path / "source.py"
    filled = []

    def make(text, *, fails=False):
        source.write_text(text)

        def fill(folder):
            assert list(folder.iterdir()) == []
            (folder / "made").write_text(text)
            filled.append(text)
            if fails:
                raise KeyboardInterrupt

        return cached_folder("x", [source, "value"], fill), filled

    return make


def test_a_folder_is_made_once_per_source_content(make):
    first, _ = make("a")
    again, filled = make("a")
    other, _ = make("b")
    assert first == again != other and filled == ["a", "b"]
    assert (first / "made").read_text() == "a" and (other / "made").read_text() == "b"


def test_an_unfinished_folder_is_made_again(make):
    with pytest.raises(KeyboardInterrupt):
        make("a", fails=True)
    _, filled = make("a")
    assert filled == ["a", "a"]


def test_old_folders_are_deleted(make):
    folders = [make(text)[0] for text in "abcde"]
    assert [folder.exists() for folder in folders] == [False] * (5 - KEPT) + [True] * KEPT
