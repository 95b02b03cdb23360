"""The index of real files: what is found, and what is indexed again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from agentcvr_graph.demo import CLIPS_DIR
from agentcvr_graph.errors import VideoError
from agentcvr_graph.index.batch import Totals, index_videos, perception_of
from agentcvr_graph.index.finder import Finder, Query
from agentcvr_graph.index.places import file_in, searching_in
from agentcvr_graph.index.store import EvidenceStore
from agentcvr_graph.media.access import Access
from agentcvr_graph.media.cache import default_cache_dir
from agentcvr_graph.media.isolated import IsolatedLibrary
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.types import Video

SUBTITLES = "1\n00:00:06,000 --> 00:00:09,000\nNow the paprika.\n"


def counts(totals: Totals) -> tuple[int, int, int]:
    return totals.indexed, totals.unchanged, totals.failed


async def index(*sources: str) -> Totals:
    store = EvidenceStore(file_in(default_cache_dir() / "index"))
    try:
        return await index_videos([Video(source=source) for source in sources], store, "offline", "offline")
    finally:
        store.close()


async def test_real_files_are_indexed_and_searched_and_only_changes_are_redone(tmp_path: Path):
    """A clip of 8 s shows ADD SALT. A subtitle file that is added later is a change."""
    shutil.copy(CLIPS_DIR / "cook_red.mp4", tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_bytes(b"not a video")
    clip = f"{tmp_path / 'a.mp4'}#t=5,13"
    perception, finder = perception_of("offline", "offline"), Finder()
    with searching_in(tmp_path.name):
        assert counts(await index(clip, str(tmp_path / "b.mp4"))) == (1, 0, 1)
        videos = [await perception.probe(Video(source=clip), 1)]
        found = await finder.find(Query("add salt", (1,)), perception, videos)
        assert found.cost.frames == 0
        assert found.windows[0][1].statements[0].text.startswith('on-screen text "ADD SALT"')
        (tmp_path / "a.srt").write_text(SUBTITLES)
        stale = await finder.find(Query("add salt", (1,)), perception, videos)
        assert stale.windows == () and dict(stale.problems) == {1: "it has changed since it was indexed"}
        assert [counts(await index(clip)) for _ in range(2)] == [(1, 0, 0), (0, 1, 0)]
        videos = [await perception.probe(Video(source=clip), 1)]
        assert (await finder.find(Query("paprika", (1,)), perception, videos)).windows[0][1].start_s == 1.0
    perception.media.close()


@pytest.mark.parametrize("kind", [MediaLibrary, IsolatedLibrary])
def test_a_stamp_changes_with_the_file_and_its_subtitles_and_keeps_to_what_is_allowed(tmp_path: Path, kind: Any):
    file = tmp_path / "talk.v2.mp4"
    file.write_bytes(b"x")
    library = kind(cache_dir=tmp_path / "cache", access=Access(roots=(tmp_path,), remote="none"))
    stamps = [library.stamp(Video(source=str(file)))]
    (tmp_path / "talk.v2.en.srt").write_text(SUBTITLES)
    stamps.append(library.stamp(Video(source=str(file))))
    (tmp_path / "talk.v2.en.srt").write_text(SUBTITLES * 2)
    stamps.append(library.stamp(Video(source=f"{file}#t=1,2")))
    file.write_bytes(b"xy")
    stamps.append(library.stamp(Video(source=str(file))))
    assert len(set(stamps)) == 4
    with pytest.raises(VideoError):
        library.stamp(Video(source="/etc/hostname"))
    library.close()
