"""The file of extracted videos: read, append, repair after a kill, find by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.extraction.extracted import ExtractedFile, ExtractedVideo, find_video, read_extracted
from agentcvr_graph.scripts.schema import Facts, Scene, ScriptedVideo

SOUP = ExtractedVideo(
    name="clips/soup.mp4",
    video=ScriptedVideo(duration_s=9, scenes=(Scene(start_s=0, end_s=9, facts=Facts(text=("SALT",))),)),
    key="k",
)


def test_videos_come_back_as_they_were_written(tmp_path: Path):
    path = tmp_path / "new" / "videos.jsonl"
    with ExtractedFile(path) as file:
        file.add(SOUP)
    assert read_extracted(path) == [SOUP]
    with ExtractedFile(path) as file:
        assert file.videos == {"clips/soup.mp4": SOUP}


def test_a_video_that_was_extracted_again_replaces_the_earlier_one(tmp_path: Path):
    path = tmp_path / "videos.jsonl"
    later = SOUP.model_copy(update={"key": "other"})
    with ExtractedFile(path) as file:
        file.add(SOUP)
        file.add(later)
    assert read_extracted(path) == [later]


@pytest.mark.parametrize("cut", [1, 9, 40, -3])
def test_a_row_that_was_cut_off_by_a_kill_is_dropped_and_the_others_stay(tmp_path: Path, cut: int):
    path = tmp_path / "videos.jsonl"
    whole = SOUP.model_dump_json(exclude_defaults=True)
    path.write_text(f"{whole}\n{whole[:cut]}")
    with ExtractedFile(path) as file:
        file.add(SOUP.model_copy(update={"name": "cake.mp4"}))
    assert [video.name for video in read_extracted(path)] == ["clips/soup.mp4", "cake.mp4"]


def test_a_foreign_line_is_named_and_the_file_is_left_alone(tmp_path: Path):
    path = tmp_path / "scripts.jsonl"
    path.write_text('{"id": "x"}\n')
    with pytest.raises(InputError, match=r"scripts\.jsonl:1: no extracted video: name: Field required"):
        ExtractedFile(path).__enter__()
    assert path.read_text() == '{"id": "x"}\n'


def test_one_run_at_a_time_writes_a_file(tmp_path: Path):
    path = tmp_path / "videos.jsonl"
    with ExtractedFile(path), pytest.raises(InputError, match="another run is writing it"):
        ExtractedFile(path).__enter__()


def test_a_video_is_found_by_its_whole_name_its_file_name_or_its_stem():
    cake = SOUP.model_copy(update={"name": "clips/cake.mp4"})
    other = SOUP.model_copy(update={"name": "old/cake.mkv"})
    videos = [SOUP, cake, other]
    assert find_video(videos, "clips/cake.mp4") is cake
    assert find_video(videos, "cake.mkv") is other
    assert find_video(videos, "soup") is SOUP
    with pytest.raises(InputError, match=r"'cake' is the name of 2 videos\. Write one of: clips/cake\.mp4, old/cake"):
        find_video(videos, "cake")
    with pytest.raises(InputError, match=r"No extracted video is called 'tea'\. Choose one of: clips/soup\.mp4"):
        find_video(videos, "tea")


@given(st.text(min_size=1), st.text())
def test_any_name_and_any_text_survive_the_file(name: str, said: str):
    scene = Scene(start_s=0, end_s=2, caption=said, facts=Facts(text=(said,)))
    video = ExtractedVideo(name=name, video=ScriptedVideo(duration_s=2, scenes=(scene,)))
    assert ExtractedVideo.model_validate_json(video.model_dump_json(exclude_defaults=True)) == video


def test_all_bad_lines_are_named_up_to_a_limit(tmp_path: Path):
    path = tmp_path / "scripts.jsonl"
    path.write_text(SOUP.model_dump_json() + "\n" + '{"name": 1, "video": {}}\n' + "{}\n" * 11)
    with pytest.raises(InputError) as caught:
        read_extracted(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        f"{path}:2: no extracted video: name: Input should be a valid string; video.duration_s: Field required."
    )
    assert [line.split(": no extracted")[0] for line in lines[:10]] == [f"{path}:{number}" for number in range(2, 12)]
    assert lines[10:] == [
        f"2 more lines of {path} are no extracted videos. Name a file that 'agentcvr scripts extract' wrote."
    ]


def test_a_video_that_is_added_again_replaces_its_line_and_leaves_the_others_as_they_are(tmp_path: Path):
    path = tmp_path / "videos.jsonl"
    cake = SOUP.model_copy(update={"name": "cake.mp4"})
    first, second = (video.model_dump_json() for video in (SOUP, cake))  # with defaults, as another program writes
    path.write_text(f"{first}\n\n{second}\n")
    with ExtractedFile(path) as file:
        file.add(SOUP.model_copy(update={"key": "new"}))
        assert len(path.read_text().splitlines()) == 4
    now, kept = path.read_text().splitlines()
    assert ('"key":"new"' in now, kept) == (True, second)


def test_a_run_that_was_killed_leaves_a_further_line_which_the_next_run_removes(tmp_path: Path):
    path = tmp_path / "videos.jsonl"
    newer = SOUP.model_copy(update={"key": "new"})
    path.write_text(f"{SOUP.model_dump_json()}\n{newer.model_dump_json()}\n")
    assert read_extracted(path) == [newer]
    with ExtractedFile(path):
        pass
    assert path.read_text() == f"{newer.model_dump_json()}\n"
