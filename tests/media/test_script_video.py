"""Rendered videos: real files made from a script, read by the offline vision and audio models."""

from __future__ import annotations

import asyncio
import re
import threading
import time

import av
import jiwer
import pytest

from agentcvr_graph.errors import SetupError
from agentcvr_graph.eval.sim_gap.pairs import Renderings
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.offline.audio import OfflineAudio
from agentcvr_graph.models.offline.vision import OfflineVision
from agentcvr_graph.perception.live import LivePerception
from agentcvr_graph.render import read_picture
from agentcvr_graph.scripts import video as video_module
from agentcvr_graph.scripts.generators.procedural import make_script
from agentcvr_graph.scripts.schema import FPS, Facts, Origin, Scene, Script, ScriptedVideo, Sounded, Thing
from agentcvr_graph.scripts.video import render_script, render_video, rendered_question, sound
from agentcvr_graph.scripts.video.drawing import draw_scene
from agentcvr_graph.types import Listen, Observe, Target, Window

SPOKEN = "For this dish I cook with olive oil."
FIRST = ScriptedVideo(
    duration_s=20.13,
    title="the first",
    scenes=(
        Scene(
            start_s=0, end_s=6, facts=Facts(text=("ADD MUSHROOMS",), colours=("red", "beige"), motion="to the right")
        ),
        Scene(
            start_s=6,
            end_s=12,
            caption=SPOKEN,
            speech_s=(7.0, 9.5),
            facts=Facts(text=("8:15", "STEP 2"), colours=("blue", "white"), motion="down"),
        ),
        # There is no scene from 12 to 14 s.
        Scene(
            start_s=14,
            end_s=20.13,
            facts=Facts(
                colours=("green", "light grey"),
                things=(Thing(name="van", colour="white", label="TIGER"), Thing(name="brick", colour="brown", count=3)),
                text=("TIGER",),
                motion="still",
                sounds=(Sounded(kind="impact", start_s=18.0, end_s=18.3),),
            ),
        ),
    ),
)
SECOND = ScriptedVideo(
    duration_s=7.0,
    subtitles=True,
    scenes=(
        Scene(
            start_s=0, end_s=7, caption="hello there", facts=Facts(sounds=(Sounded(kind="music", start_s=3, end_s=7),))
        ),
    ),
)
SCRIPT = Script(
    id="hand-made",
    task="CC",
    question="Which?",
    kind="choice",
    options=("Video 1", "Video 2"),
    key="A",
    videos=(FIRST, SECOND),
    origin=Origin(generator="hand"),
)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered")
    return folder, render_script(SCRIPT, folder)


@pytest.fixture(scope="module")
def live(rendered):
    return LivePerception(OfflineVision(), OfflineAudio(), MediaLibrary(cache_dir=rendered[0] / "cache"))


async def probed(live, rendered):
    videos = rendered_question(SCRIPT, rendered[1]).videos
    return [await live.probe(video, n) for n, video in enumerate(videos, start=1)]


async def seen(live, rendered, start_s, end_s, frames=8):
    target = Target(video=1, start_s=start_s, end_s=end_s, frames=frames)
    observation = await live.observe(Observe(targets=(target,)), await probed(live, rendered))
    return [read_picture(e.text) for e in observation.evidence]


async def heard(live, rendered, video, start_s, end_s):
    request = Listen(window=Window(video=video, start_s=start_s, end_s=end_s))
    return [e.text for e in (await live.listen(request, await probed(live, rendered))).evidence]


def test_rendered_files_are_h264_and_aac_with_the_duration_of_the_script(rendered):
    for path, video in zip(rendered[1].paths, SCRIPT.videos, strict=True):
        with av.open(str(path)) as container:
            assert [stream.codec_context.name for stream in container.streams] == ["h264", "aac"]
            for stream in container.streams:
                assert abs(float(stream.duration * stream.time_base) - video.duration_s) <= 1 / FPS
            assert abs(container.duration / av.time_base - video.duration_s) <= 1 / FPS
    assert rendered[1].warnings == ()


def test_a_recording_is_rendered_without_a_picture(tmp_path):
    said = Scene(start_s=0, end_s=3, caption="add the salt", speech_s=(0.5, 2.0))
    render_video(ScriptedVideo(duration_s=3, scenes=(said,), picture=False), tmp_path / "said.mp4", "said/1")
    with av.open(str(tmp_path / "said.mp4")) as container:
        assert [stream.codec_context.name for stream in container.streams] == ["aac"]
        assert abs(container.duration / av.time_base - 3) <= 0.1


async def test_script_and_rendered_video_give_the_graph_the_same_question(live, rendered):
    scripted = SCRIPT.as_question()
    question = rendered_question(SCRIPT, rendered[1])
    assert [video.title for video in question.videos] == [video.title for video in scripted.videos]
    assert question.model_copy(update={"videos": scripted.videos}) == scripted
    for info, video in zip(await probed(live, rendered), SCRIPT.videos, strict=True):
        assert (info.width, info.height, info.fps, info.has_sound) == (640, 360, FPS, True)
        assert info.has_subtitles == video.subtitles


@pytest.mark.parametrize(
    ("start_s", "end_s", "lines", "colours", "motion"),
    [
        (1, 5, ["ADDMUSHROOMS"], {"red", "beige"}, "something moves to the right"),
        (7, 11, ["815", "STEP2"], {"blue", "white"}, "something moves down"),
        (14.5, 17.5, ["TIGER"], {"green", "light grey"}, "still"),
    ],
)
async def test_the_vision_model_reports_the_facts_of_the_scene(live, rendered, start_s, end_s, lines, colours, motion):
    (picture,) = await seen(live, rendered, start_s, end_s)
    assert [re.sub(r"\W", "", line) for line in picture[1]] == lines
    assert set(picture[2]) >= colours
    assert picture[3] == motion


async def test_frames_outside_every_scene_are_blank(live, rendered):
    assert await seen(live, rendered, 12.2, 13.8, frames=3) == [("", [], ["dark grey"], "still")]


async def test_the_audio_model_reports_the_speech_and_sounds_of_the_scene(live, rendered):
    words = " ".join(text.strip('"') for text in await heard(live, rendered, 1, 6, 12) if text.startswith('"'))
    assert jiwer.wer(SPOKEN.lower().rstrip("."), words) <= 0.2
    assert "impact" in await heard(live, rendered, 1, 16, 20)
    assert await heard(live, rendered, 2, 0, 7) == ['"hello there"', "silence", "music"]  # words: subtitles


def test_a_finished_file_is_not_rendered_again(rendered):
    folder, before = rendered
    stamps = [path.stat().st_mtime_ns for path in before.paths]
    assert render_script(SCRIPT, folder) == before
    assert [path.stat().st_mtime_ns for path in before.paths] == stamps
    other = SCRIPT.model_copy(update={"videos": (FIRST, SECOND.model_copy(update={"duration_s": 8.0}))})
    render_script(other, folder)
    assert [path.stat().st_mtime_ns == stamp for path, stamp in zip(before.paths, stamps, strict=True)] == [True, False]
    assert not list(folder.rglob("*.part*"))


def test_the_drawing_shows_the_right_number_of_objects():
    """Each brick is one connected area of its colour."""
    import cv2
    import numpy as np

    for count in (1, 4, 9):
        picture = draw_scene(Facts(colours=("green",), things=(Thing(name="brick", colour="red", count=count),)), 0.5)
        red = ((picture[..., 0] > 180) & (picture[..., 1] < 90)).astype(np.uint8)
        islands, _ = cv2.connectedComponents(red)
        assert islands - 1 == count


def test_objects_are_drawn_at_their_scripted_position():
    facts = Facts(colours=("green",), things=(Thing(name="car", colour="red", x=0.25, y=0.5),))
    picture = draw_scene(facts, 0.5)
    columns = ((picture[..., 0] > 180) & (picture[..., 1] < 90)).any(axis=0).nonzero()[0]
    assert abs(columns.mean() / 640 - 0.25) < 0.02


def test_a_caption_longer_than_its_scene_gives_a_warning(tmp_path):
    long = "This is a sentence of many words that takes much longer to say than there is room for it here."
    video = ScriptedVideo(duration_s=2, scenes=(Scene(start_s=0, end_s=2, visual="x", caption=long),))
    rendered = render_script(SCRIPT.model_copy(update={"videos": (video, video)}), tmp_path)
    assert rendered.warnings[0] == f"video_1.mp4: {long!r} takes longer than its scene at 0 s."
    assert len(rendered.warnings) == 2


def test_without_flite_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sound.shutil, "which", lambda name: None)
    with pytest.raises(SetupError, match=r"'flite' is not installed\. On Debian: apt-get install flite"):
        sound.speak("never said before", "slt")


def test_the_key_is_not_in_the_files(tmp_path):
    script = make_script("PI", 0).model_copy(update={"key": "F", "extra": {"secret": "SECRETKEY"}})
    rendered = render_script(script.model_copy(update={"question": "SECRETQUESTION?"}), tmp_path)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"SECRET" not in path.read_bytes()
    assert len(rendered.paths) == 2


async def test_a_rendering_ends_when_its_run_is_cancelled(tmp_path, monkeypatch):
    """It would go on for a minute: nothing else stops the threads of an event loop, and the command waits for them."""
    begun, ended = threading.Event(), threading.Event()

    def encode(path, pictures, *_):
        try:
            for _picture in pictures:
                begun.set()
                time.sleep(0.01)
        except asyncio.CancelledError:
            ended.set()
            raise

    monkeypatch.setattr(video_module, "encode", encode)
    silent = ScriptedVideo(duration_s=3600, scenes=(Scene(start_s=0, end_s=3600, visual="nothing"),))
    script = Script(
        id="s", task="CC", question="?", kind="text", key="-", videos=(silent,), origin=Origin(generator="test")
    )
    run = asyncio.create_task(Renderings([script], tmp_path).of(script))
    assert await asyncio.to_thread(begun.wait, 60)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert await asyncio.to_thread(ended.wait, 60)
    assert not list(tmp_path.glob("s/*.stamp"))
