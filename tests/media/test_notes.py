"""What is found in a file reaches everybody: the brief, single pass, observations, the report, console and rows."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from agentcvr_graph import LivePerception, create_cvr_graph, trajectory_of
from agentcvr_graph.errors import InfrastructureError, VideoError
from agentcvr_graph.eval.methods.single_pass import SinglePass
from agentcvr_graph.eval.scoring import EvalTask, row_of
from agentcvr_graph.media.isolated import IsolatedLibrary
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.report import render_report
from agentcvr_graph.testing import FakeMaster, answer, listen, observe, turn
from agentcvr_graph.types import Listen, Observe, Question, Target, Video, Window
from tests.support.clock_media import CLOCKS, clock_folder
from tests.support.command_line import agentcvr
from tests.support.media_files import counting, ffmpeg
from tests.support.silent_model import Silent

HOLE = "from 4.0 to 8.0 s there is no sound"
LATE = "from 0.0 to 3.0 s there is no picture yet; the first one is shown instead"


class Saying(GenericFakeChatModel):
    """A chat model that returns scripted replies and records what it receives."""

    heard: list

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        self.heard.append(messages)
        return super()._generate(messages, stop, run_manager, **kwargs)


@pytest.fixture
def perception(tmp_path):
    return LivePerception(Silent(), Silent(), MediaLibrary(cache_dir=tmp_path / "cache"))


@pytest.fixture(scope="module")
def folder() -> Path:
    return clock_folder()


@pytest.fixture
def mixed(tmp_path, folder) -> Path:
    """A video whose picture is late, whose sound has a hole, and whose subtitles are no text."""
    path = tmp_path / "talk.mp4"
    hole, late = folder / "hole.mp4", folder / "plain.mp4"
    ffmpeg(f"-itsoffset 3 -i {late} -i {hole} -map 0:v -map 1:a -c copy", path)
    path.with_suffix(".srt").write_bytes(bytes(range(128, 256)) * 30)
    return path


@pytest.mark.parametrize("name", [name for name, clock in CLOCKS.items() if clock.silent_s[1]])
def test_parts_without_sound_are_known_when_the_file_is_opened(folder, tmp_path, name):
    library = MediaLibrary(cache_dir=tmp_path / "cache")
    media = library.open(Video(source=str(folder / name)))
    (note,) = [note for note in media.info.notes if note.text == "there is no sound"]
    assert (note.start_s, note.end_s) == pytest.approx(CLOCKS[name].silent_s, abs=0.1)
    media.sound(0.0, media.info.duration_s)
    media.sound(2.0, 6.0)
    assert len([one for one in media.notes(0, 15, "audio") if "no sound" in one]) == 1  # found twice, noted once


def test_a_note_belongs_to_what_it_concerns(mixed, tmp_path):
    media = MediaLibrary(cache_dir=tmp_path / "cache").open(Video(source=str(mixed)))
    seen, heard = media.notes(0, 15, "visual"), media.notes(0, 15, "audio")
    assert LATE in seen and not any("sound" in note or "subtitles" in note for note in seen)
    assert any("no sound" in note for note in heard) and any("talk.srt are ignored" in note for note in heard)
    assert LATE not in heard and set(media.notes(0, 15)) == {*seen, *heard}
    assert media.notes(9, 10, "visual") == ()


async def test_observations_carry_the_notes_of_their_own_modality_and_window(mixed, perception):
    info = await perception.probe(Video(source=str(mixed)), 1)
    seen = await perception.observe(Observe(targets=(Target(video=1, start_s=0, end_s=2, frames=2),)), [info])
    assert f"video 1: {LATE}" in seen.notes and not any("sound" in note for note in seen.notes)
    for _ in range(2):  # fresh, and remembered
        early = await perception.listen(Listen(window=Window(video=1, start_s=0, end_s=2)), [info])
        inside = await perception.listen(Listen(window=Window(video=1, start_s=5, end_s=6)), [info])
        assert not any("no sound" in note for note in early.notes) and LATE not in early.notes
        assert any("no sound" in note for note in inside.notes)


async def test_the_probe_tells_tracks_and_notes(folder, perception):
    info = await perception.probe(Video(source=str(folder / "hole.mp4")), 1)
    assert info.notes == (HOLE,)
    assert info.tracks.picture.startswith("track 1 of 1") and info.tracks.subtitles == ""
    assert (await perception.probe(Video(source=str(folder / "plain.mp4")), 1)).notes == ()


async def test_every_method_shows_the_notes_and_every_result_keeps_them(folder, perception, tmp_path):
    late, hole = str(folder / "late-picture.mp4"), str(folder / "hole.mp4")
    question = Question(question="Which?", videos=(Video(source=late), Video(source=hole)), options=("a", "b"), key="B")
    master = FakeMaster(turns=[turn("", observe((1, 0, 2, 2)), listen(2, 5, 6)), turn("", answer("B"))])
    graph = create_cvr_graph(master, perception).compile()
    agent = trajectory_of(
        await graph.ainvoke({"question": "Which?", "videos": [late, hole], "options": ["a", "b"], "kind": "choice"})
    )
    model = Saying(messages=iter([AIMessage("B")]), heard=[])
    single = await SinglePass(model, "stub", perception, frames=4, listens=True).ask(question)
    brief = master.seen[0][-1].text
    shown = "\n".join(b["text"] for b in model.heard[0][0].content_blocks if b["type"] == "text")
    for text in (brief, shown):
        assert re.search(rf'1\. "late-picture": .*\n   note: {LATE}\n', text)
        assert re.search(rf'2\. "hole": .*\n   note: {HOLE}\n', text)
    for trajectory in (agent, single):
        assert f"video 1: {LATE}" in trajectory.notes and f"video 2: {HOLE}" in trajectory.notes
        assert len(set(trajectory.notes)) == len(trajectory.notes)
        page = render_report(trajectory)
        assert LATE in page and HOLE in page
        row = await row_of(EvalTask(question, "agent"), trajectory, None, "now")
        assert row.notes == trajectory.notes


async def test_single_pass_shows_what_was_found_while_decoding(folder, perception, tmp_path):
    data = bytearray((folder / "plain.mp4").read_bytes())
    data[len(data) // 3 : 2 * len(data) // 3] = os.urandom(len(data) // 3)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    model = Saying(messages=iter([AIMessage("B")]), heard=[])
    question = Question(question="Which?", videos=(Video(source=str(broken)),), options=("a", "b"), kind="choice")
    trajectory = await SinglePass(model, "stub", perception, frames=60).ask(question)
    shown = [block["text"] for block in model.heard[0][0].content_blocks if block["type"] == "text"]
    assert any(text.startswith("note: video 1: ") and "cannot be decoded" in text for text in shown)
    assert any("cannot be decoded" in note for note in trajectory.notes)


def test_the_console_shows_notes(folder):
    given = ("ask", folder / "hole.mp4", "-q", "What is said?", "--max-turns", "2", "--max-frames", "4")
    assert f"note: video 1: {HOLE}" in agentcvr(*given).stderr
    assert f"video 1: {HOLE}" in json.loads(agentcvr(*given, "--json").stdout)["notes"]


async def test_a_video_that_is_gone_is_named_without_its_path(perception, tmp_path):
    path = counting(tmp_path / "a.mp4", seconds=2)
    info = await perception.probe(Video(source=str(path)), 1)
    path.unlink()
    with pytest.raises(InfrastructureError, match="Video 1 can no longer be read: no such file or folder") as error:
        await perception.observe(Observe(targets=(Target(video=1, start_s=0, end_s=1, frames=1),)), [info])
    assert str(tmp_path) not in str(error.value)


def test_relative_paths_belong_to_the_folder_of_the_caller(tmp_path, monkeypatch):
    for name, seconds in (("one", 2), ("other", 3)):
        (tmp_path / name).mkdir()
        counting(tmp_path / name / "a.mp4", seconds=seconds)
    library = IsolatedLibrary(workers=1, cache_dir=tmp_path / "cache")
    try:
        for name, seconds in (("one", 2), ("other", 3), ("one", 2)):
            monkeypatch.chdir(tmp_path / name)
            for opened in (library.open(Video(source="a.mp4")), library.open(Video(source="a.mp4#t=1,2"))):
                monkeypatch.chdir(tmp_path)
                assert len(opened.frames([0.5])) == 1
                monkeypatch.chdir(tmp_path / name)
            assert library.open(Video(source="a.mp4")).info.duration_s == pytest.approx(seconds, abs=0.1)
        (tmp_path / "one/b.mp4").write_text("no video")
        with pytest.raises(VideoError) as error:
            library.open(Video(source="b.mp4"))
        assert error.value.source == "b.mp4" and str(error.value).startswith("b.mp4: ")
    finally:
        library.close()
