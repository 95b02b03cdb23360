"""The offline vision and audio models recognise known content, invent nothing, and are deterministic."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from agentcvr_graph.demo.drawing import FONT
from agentcvr_graph.demo.make_clips import speak
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Cue, Frame
from agentcvr_graph.models.base import SampledFrames, Sound
from agentcvr_graph.models.offline.audio import OfflineAudio
from agentcvr_graph.models.offline.colours import dominant_colours
from agentcvr_graph.models.offline.motion import change_between, sketch_of
from agentcvr_graph.models.offline.noises import noises
from agentcvr_graph.models.offline.signals import measured
from agentcvr_graph.models.offline.speech import ENGLISH_ONLY
from agentcvr_graph.models.offline.vision import OfflineVision
from agentcvr_graph.render import UNCLEAR_SPEECH
from agentcvr_graph.types import Window
from tests.support.examples import examples


def card(colour, text="", x=0):
    picture = Image.new("RGB", (360, 202), colour)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((20 + x, 30, 90 + x, 90), fill="#111111")
    draw.text((20, 150), text, font=ImageFont.truetype(FONT, 24), fill="#ffffff")
    return np.asarray(picture)


WHOLE = Window(video=1, start_s=0, end_s=20)


def sampled(*pictures, spacing_s=1.0):
    frames = tuple(Frame(n * spacing_s, picture) for n, picture in enumerate(pictures))
    return SampledFrames(Window(video=1, start_s=0, end_s=len(pictures) * spacing_s), frames, "test")


@pytest.fixture(scope="module")
def vision():
    return OfflineVision()


async def test_signs_and_colours_are_reported_with_their_intervals(vision):
    shown = sampled(*[card("#b02020", "ADD THE SALT")] * 2, *[card("#2050c0", "STIR WELL")] * 2)
    said = (await vision.look([shown], "")).evidence
    assert len(said) == 2
    assert '"ADD THE SALT"' in said[0].text
    assert '"STIR WELL"' in said[1].text
    assert "red" in said[0].text
    assert "blue" in said[1].text
    assert (said[0].window.start_s, said[0].window.end_s) == (0, 1.5)
    assert (said[1].window.start_s, said[1].window.end_s) == (1.5, 4)


async def test_a_statement_ends_half_way_between_the_times_for_which_its_frames_were_sampled(vision):
    """The nearest key frames of 64, 128 and 192 s show 63.9, 127.9 and 191.9 s; a script would change at 96 and 160."""
    lines = ("ADD THE SALT", "STIR WELL", "TASTE IT")
    frames = tuple(
        Frame(n * 64 - 0.0833, card("#b02020", line), requested_s=n * 64.0) for n, line in enumerate(lines, start=1)
    )
    shown = SampledFrames(Window(video=1, start_s=32, end_s=224), frames, "test")
    windows = [said.window for said in (await vision.look([shown], "")).evidence]
    assert [(window.start_s, window.end_s) for window in windows] == [(32, 96), (96, 160), (160, 224)]


async def test_a_statement_does_not_reach_over_the_next_frame(vision):
    """Both frames are far from the times for which they are shown: nothing nearer could be decoded."""
    frames = (Frame(0.0, card("#b02020")), Frame(3.0, card("#2050c0"), requested_s=16.0))
    first, second = (said.window for said in (await vision.look([SampledFrames(WHOLE, frames, "test")], "")).evidence)
    assert (first.end_s, second.start_s, second.end_s) == (3, 3, 20)


async def test_another_sign_on_the_same_ground_is_no_movement(vision):
    """Each picture is one frame, of which no movement is known; the second stands still from then on."""
    shown = sampled(card("#b02020", "ADD THE SALT"), *[card("#b02020", "STIR WELL", x=200)] * 2)
    first, second = (await vision.look([shown], "")).evidence
    assert "moves" not in first.text + second.text
    assert "still" not in first.text
    assert second.text.endswith("still")


@pytest.mark.parametrize(
    ("shift", "direction"), [((12, 0), "right"), ((-12, 0), "left"), ((0, 12), "down"), ((0, -12), "up")]
)
@pytest.mark.parametrize(("radius", "lengths"), [(40, 1), (16, 3)], ids=["overlapping", "beside its old place"])
def test_the_direction_of_motion_is_recognised(shift, direction, radius, lengths):
    def ball(x, y):
        picture = Image.new("RGB", (360, 202), "#d0d0d0")
        box = (180 + x - radius, 100 + y - radius, 180 + x + radius, 100 + y + radius)
        ImageDraw.Draw(picture).ellipse(box, fill="#802020")
        return np.asarray(picture)

    there = ball(lengths * shift[0], lengths * shift[1])
    change = change_between(sketch_of(Frame(0.0, ball(0, 0))), sketch_of(Frame(0.5, there)))
    assert change.motion.endswith(direction)
    assert not change.cut


def test_the_direction_of_a_camera_that_turns_is_that_of_the_picture():
    texture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (202, 420, 3), dtype=np.uint8), (31, 31), 0)
    texture = cv2.normalize(texture, np.zeros_like(texture), 0, 255, cv2.NORM_MINMAX)
    before, after = (Frame(time_s, np.ascontiguousarray(texture[:, x : x + 360])) for time_s, x in ((0.0, 0), (0.5, 9)))
    assert change_between(sketch_of(before), sketch_of(after)).motion == "something moves to the left"


@pytest.mark.parametrize(
    ("colour", "name"), [("#d02020", "red"), ("#ffffff", "white"), ("#101010", "black"), ("#30a040", "green")]
)
def test_dominant_colours_are_named(colour, name):
    assert dominant_colours(np.asarray(Image.new("RGB", (64, 36), colour)))[0] == name


SHOWN = sampled(card("#b02020", "SALT"), card("#2050c0", "PEPPER"), card("#208030", "SUGAR"))


@settings(max_examples=examples(25))
@given(st.text(max_size=30) | st.sampled_from(["pepper", "sugar and salt", "SUGAR"]))
def test_a_focus_reorders_statements_and_adds_none(focus):
    import asyncio

    plain = asyncio.run(VISION.look([SHOWN], "")).evidence
    focused = asyncio.run(VISION.look([SHOWN], focus)).evidence
    assert sorted(e.text for e in focused) == sorted(e.text for e in plain)


VISION = OfflineVision()


async def test_statements_about_the_focus_come_first(vision):
    assert "SUGAR" in (await vision.look([SHOWN], "where is the sugar?")).evidence[0].text


def padded(clip, seconds=1.0):
    pause = np.zeros(int(seconds * SAMPLE_RATE_HZ), dtype=np.float32)
    return np.concatenate([pause, clip, pause])


def sound(samples, cues=()):
    return Sound(Window(video=2, start_s=10, end_s=10 + len(samples) / SAMPLE_RATE_HZ), samples, cues, "test")


async def test_clear_speech_is_recognised_with_its_time():
    heard = sound(padded(speak("Today I am cooking with olive oil.", "rms")))
    first, second = [await OfflineAudio().hear(heard, "") for _ in range(2)]
    words = next(e for e in first.evidence if e.text.startswith('"'))
    assert "olive oil" in words.text
    assert words.window.start_s == pytest.approx(11, abs=0.4)
    assert words.window.end_s <= heard.window.end_s
    assert first.evidence == second.evidence


async def test_earlier_audio_does_not_change_a_transcript():
    audio = OfflineAudio()
    line = sound(padded(speak("This dinner is for my mother.", "awb")))
    alone = await OfflineAudio().hear(line, "")
    await audio.hear(sound(padded(speak("Good morning.", "slt"))), "")
    assert (await audio.hear(line, "")).evidence == alone.evidence


async def test_what_is_not_clear_english_is_unclear_speech_and_a_drum_is_none():
    clip = speak("She put three eggs and a cup of sugar into the bowl.", "rms")
    backwards = await OfflineAudio().hear(sound(padded(clip[::-1].copy(), 0.4)), "")
    assert [e.text for e in backwards.evidence] == [UNCLEAR_SPEECH]
    assert backwards.notes == (ENGLISH_ONLY,)
    decay = np.exp(-np.arange(SAMPLE_RATE_HZ // 2) / 1500)
    beat = decay * np.random.default_rng(1).standard_normal(len(decay)) * 0.3
    drums = await OfflineAudio().hear(sound(np.tile(beat, 20).astype(np.float32)), "")
    assert not [e.text for e in drums.evidence if e.text.startswith('"') or e.text == UNCLEAR_SPEECH]


async def test_subtitles_replace_speech_recognition():
    heard = sound(padded(speak("Today I am cooking with olive oil.", "rms")), (Cue(11, 13, "Heute koche ich."),))
    said = [e.text for e in (await OfflineAudio().hear(heard, "")).evidence if e.text.startswith('"')]
    assert said == ['"Heute koche ich."']


def test_sounds_other_than_speech_are_classified():
    random = np.random.default_rng(3)
    time_s = np.arange(4 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    silent = np.zeros(len(time_s), dtype=np.float32)
    knock = silent.copy()
    knock[32_000:36_800] = 0.5 * random.standard_normal(4800) * np.exp(-time_s[:4800] * 30)
    hiss = 0.1 * random.standard_normal(len(time_s))
    assert {cue.text for cue in noises(measured(silent), [])} == {"silence"}
    assert [round(cue.start_s, 1) for cue in noises(measured(knock), []) if cue.text == "impact"] == [
        pytest.approx(2.0, abs=0.11)
    ]
    assert {c.text for c in noises(measured(hiss.astype(np.float32)), [])} == {"steady noise"}
    chord = 0.1 * sum(np.sin(2 * np.pi * pitch * time_s) for pitch in (220, 277, 330))
    assert {cue.text for cue in noises(measured(chord.astype(np.float32)), [])} == {"music"}


FIRST_USE = """
import threading
import cv2
import numpy as np
from agentcvr_graph.models.offline.signals import measured
from agentcvr_graph.models.offline.voices import voiced_parts

sound = np.sin(np.arange(32000) * 0.2).astype(np.float32)
failed = []
threading.excepthook = failed.append
work = (lambda: measured(sound), lambda: voiced_parts(sound))
threads = [threading.Thread(target=one) for one in work * 3]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert not failed, failed
"""


def test_the_first_sounds_of_a_program_may_be_analysed_in_several_threads():
    done = subprocess.run([sys.executable, "-c", FIRST_USE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
