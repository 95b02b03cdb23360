"""`agentcvr scripts extract` on real files: scenes, resume after a kill, broken input, cost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agentcvr_graph.demo import CLIPS_DIR
from agentcvr_graph.scripts.extraction.extracted import ExtractedVideo, read_extracted
from tests.support.command_line import TIMEOUT_S, agentcvr, agentcvr_process
from tests.support.media_files import ffmpeg

KILLED = """
import os, signal
from agentcvr_graph.cli import main
from agentcvr_graph.scripts.extraction import extracted

add = extracted.ExtractedFile.add

def dying(self, video):
    add(self, video)
    os.kill(os.getpid(), signal.SIGKILL)

extracted.ExtractedFile.add = dying
main()
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name in ("cook_red.mp4", "cook_yellow.mp4"):
        shutil.copy(CLIPS_DIR / name, folder)
    return folder


@pytest.fixture(scope="module")
def made(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Extract two clips: the first run is killed after the first clip, the second continues."""
    to = tmp_path_factory.mktemp("out") / "videos.jsonl"
    command = ["scripts", "extract", str(clips), "--audio", "offline", "--out", str(to), "--concurrency", "1"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *command], env=os.environ, timeout=TIMEOUT_S, check=False, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(read_extracted(to)) == 1
    done = agentcvr(*command)
    assert done.returncode == 0, done.stderr
    assert "1 video to extract, 1 unchanged" in done.stderr
    return to


def test_a_killed_run_continues_and_extracts_nothing_twice(made: Path):
    names = [json.loads(line)["name"] for line in made.read_text().splitlines()]
    assert sorted(Path(name).name for name in names) == ["cook_red.mp4", "cook_yellow.mp4"]


def test_scenes_have_signs_colours_and_words_with_times(made: Path):
    yellow = next(one for one in read_extracted(made) if one.name.endswith("cook_yellow.mp4"))
    words = " ".join(scene.caption for scene in yellow.video.scenes)
    assert "this dinner is for my mother" in words.lower()
    assert all(scene.speech_s for scene in yellow.video.scenes if scene.caption)
    assert any(scene.facts.text for scene in yellow.video.scenes)
    assert all(scene.facts.colours for scene in yellow.video.scenes)
    assert yellow.cost.frames > 0
    assert yellow.cost.cached_frames == 0  # the scan decodes them, so that they come from a cache says nothing
    assert yellow.vision == "offline-vision-4"


def test_the_plan_is_printed_and_nothing_is_extracted(clips: Path, tmp_path: Path):
    to = tmp_path / "videos.jsonl"
    done = agentcvr("scripts", "extract", str(clips), "--audio", "offline", "--out", str(to), "--plan")
    assert done.returncode == 0
    assert "2 videos to extract: " in done.stderr
    assert "s of sound" in done.stderr
    assert not to.exists()


def test_a_broken_and_a_missing_file_cost_one_line_each(made: Path, clips: Path, tmp_path: Path):
    broken, to = tmp_path / "broken.mp4", tmp_path / "videos.jsonl"
    broken.write_bytes((CLIPS_DIR / "cook_red.mp4").read_bytes()[:2000])
    given = [str(broken), str(tmp_path / "no.mp4"), str(clips / "cook_red.mp4")]
    done = agentcvr("scripts", "extract", *given, "--audio", "offline", "--out", str(to))
    assert done.returncode == 1
    refused = sorted(line for line in done.stderr.splitlines() if line.startswith("not extracted:"))
    assert ["broken.mp4" in refused[0], "no.mp4" in refused[1], len(refused)] == [True, True, 2]
    assert "Traceback" not in done.stderr
    [kept] = read_extracted(to)
    [red] = [one for one in read_extracted(made) if one.name.endswith("cook_red.mp4")]
    assert kept.video == red.video


def test_a_changed_file_is_extracted_again(clips: Path, made: Path, tmp_path: Path):
    own, to = tmp_path / "clip.mp4", tmp_path / "videos.jsonl"
    command = ["scripts", "extract", str(own), "--audio", "offline", "--out", str(to)]
    shutil.copy(clips / "cook_red.mp4", own)
    assert agentcvr(*command).returncode == 0
    shutil.copy(clips / "cook_yellow.mp4", own)
    assert agentcvr(*command).returncode == 0
    [now] = read_extracted(to)
    [yellow] = [one for one in read_extracted(made) if one.name.endswith("cook_yellow.mp4")]
    assert now.video == yellow.video


def test_another_ending_is_refused_before_any_work(tmp_path: Path):
    done = agentcvr("scripts", "extract", "x.mp4", "--out", str(tmp_path / "videos.json"))
    assert done.returncode == 2
    assert "are written to a .jsonl file" in done.stderr


def extracted(clip: Path, to: Path) -> ExtractedVideo:
    """Extract one video by the command, and return what it wrote."""
    done = agentcvr("scripts", "extract", str(clip), "--audio", "offline", "--out", str(to))
    assert done.returncode == 0, done.stderr
    [video] = read_extracted(to)
    return video


def test_what_is_shown_ends_with_the_picture(tmp_path: Path):
    clip, to = tmp_path / "clip.mp4", tmp_path / "videos.jsonl"
    ffmpeg("-f lavfi -i color=red:s=96x64:r=10:d=4 -f lavfi -i sine=d=8 -c:v libx264 -c:a aac", clip)
    video = extracted(clip, to)
    shown, after = video.video.scenes
    assert (shown.start_s, shown.end_s, shown.facts.colours) == (0, 4, ("red",))
    assert (after.start_s, after.end_s, after.facts.colours, after.visual) == (4, pytest.approx(8, abs=0.1), (), "")
    assert video.notes.count("from 4.0 to 8.0 s there is no picture any more; the last one is shown instead") == 1
    assert not any(note.startswith("video 1") for note in video.notes)


def test_a_video_of_one_frame_has_the_facts_that_it_has_live(tmp_path: Path):
    clip, to = tmp_path / "frame.mp4", tmp_path / "videos.jsonl"
    ffmpeg("-f lavfi -i color=red:s=96x64:r=25:d=0.04 -c:v libx264", clip)
    video = extracted(clip, to)
    [scene] = video.video.scenes
    assert (scene.start_s, scene.end_s, scene.facts.colours) == (0, 0.1, ("red",))
    assert [note for note in video.notes if "frame" in note] == ["0.0-0.0 s: only one frame, not 2"]


def test_an_extracted_file_has_the_tracks_of_its_source(tmp_path: Path):
    ffmpeg("-f lavfi -i sine=d=4", tmp_path / "tone.flac")
    ffmpeg("-f lavfi -i color=red:s=96x64:r=10:d=4", tmp_path / "mute.mp4")
    ffmpeg("-f lavfi -i color=red:s=96x64:r=10:d=4 -f lavfi -i anullsrc -shortest", tmp_path / "silent.mp4")
    files, to = [str(tmp_path / name) for name in ("tone.flac", "mute.mp4", "silent.mp4")], tmp_path / "videos.jsonl"
    done = agentcvr("scripts", "extract", *files, "--audio", "offline", "--out", str(to))
    assert done.returncode == 0, done.stderr
    found = {Path(one.name).name: (one.video.picture, one.video.has_sound) for one in read_extracted(to)}
    assert found == {"tone.flac": (False, True), "mute.mp4": (True, False), "silent.mp4": (True, True)}


def test_a_cache_that_cannot_be_written_is_one_warning(clips: Path, tmp_path: Path):
    (tmp_path / "file").touch()
    command = ["scripts", "extract", str(clips / "cook_red.mp4"), "--audio", "offline", "--every", "10"]
    folder = {"AGENTCVR_CACHE_DIR": str(tmp_path / "file" / "cache")}
    done = agentcvr_process(*command, "--out", tmp_path / "videos.jsonl", env=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cannot be written (Not a directory)") == 1
