"""The sound of a rendered video: spoken captions, knocks, music and noise, mixed into 16 kHz mono samples.

Speech comes from the command `flite`, which a small recogniser understands well; everything else is synthesised here.
The bundled demo clips are made with the same pieces.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
import wave
import zlib
from collections.abc import Iterator

import numpy as np

from agentcvr_graph.errors import SetupError
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Cue, Samples
from agentcvr_graph.scripts.schema import Scene, ScriptedVideo, Sounded
from agentcvr_graph.utils.cancellation import raise_if_cancelled

VOICES = ("slt", "rms", "awb")
"""Voices of flite that speak at 16 kHz and are recognised well."""
FASTEST = 0.75
"""Smallest share of its natural length to which speech is shortened to fit into its scene."""


def soundtrack(video: ScriptedVideo, voice: str) -> tuple[Samples, list[Cue], list[str]]:
    """Return the samples of a video, its cues, and warnings about speech that did not fit.

    Raises:
        SetupError: flite is not installed.
    """
    sound = np.zeros(round(video.duration_s * SAMPLE_RATE_HZ), dtype=np.float32)
    cues: list[Cue] = []
    warnings: list[str] = []
    for scene in video.scenes:
        raise_if_cancelled()
        if scene.caption:
            words, fits = _fitting(scene, voice)
            start_s = scene.spoken_s[0]
            mix(sound, words, start_s)
            cues.append(Cue(start_s, min(video.duration_s, start_s + len(words) / SAMPLE_RATE_HZ), scene.caption))
            if not fits:
                warnings.append(f"{scene.caption!r} takes longer than its scene at {scene.start_s:g} s.")
        for noise in scene.facts.sounds:
            mix(sound, _synthesised(noise), noise.start_s)
    return sound, cues, warnings


def voice_of(name: str) -> str:
    """Return the voice for a name, the same on every machine."""
    return VOICES[zlib.crc32(name.encode()) % len(VOICES)]


@functools.lru_cache(maxsize=512)
def speak(text: str, voice: str, stretch: float = 1.0) -> Samples:
    """Synthesize speech with flite.

    Args:
        stretch: length as a share of the natural one.

    Raises:
        SetupError: flite is not installed.
    """
    if shutil.which("flite") is None:
        raise SetupError("The command 'flite' is not installed.", fix="On Debian: apt-get install flite")
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        pace = ["--setf", f"duration_stretch={stretch:.3f}"]
        subprocess.run(["flite", "-voice", voice, *pace, "-t", text, "-o", file.name], check=True)
        with wave.open(file.name) as wav:
            assert wav.getframerate() == SAMPLE_RATE_HZ, f"voice {voice} does not speak at 16 kHz"
            pcm = np.frombuffer(wav.readframes(wav.getnframes()), dtype=np.int16)
    return (pcm / 32768).astype(np.float32)


def knock() -> Samples:
    """Return a short knock that decays."""
    time_s = np.arange(int(0.3 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    noise = np.random.default_rng(7).standard_normal(len(time_s))
    return (0.35 * noise * np.exp(-time_s * 28)).astype(np.float32)


def music(duration_s: float) -> Samples:
    """Return a sequence of chords."""
    time_s = np.arange(int(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    chords = ((262, 330, 392), (220, 262, 330), (175, 220, 262), (196, 247, 294))
    chord = np.minimum((time_s / 1.75).astype(int), len(chords) - 1)
    pitches = np.array(chords)[chord]  # (samples, 3)
    return (0.08 * np.sin(2 * np.pi * pitches * time_s[:, None]).sum(axis=1)).astype(np.float32)


def steady_noise(duration_s: float) -> Samples:
    """Return steady noise, like wind or a fan."""
    noise = np.random.default_rng(11).standard_normal(int(duration_s * SAMPLE_RATE_HZ))
    return (0.05 * noise).astype(np.float32)


def mix(sound: Samples, part: Samples, start_s: float) -> None:
    """Add a part to a sound, in place; what reaches beyond the end is cut off."""
    start = round(start_s * SAMPLE_RATE_HZ)
    end = min(len(sound), start + len(part))
    sound[start:end] += part[: end - start]


def _fitting(scene: Scene, voice: str) -> tuple[Samples, bool]:
    """Return the caption as speech that ends with its scene where possible, and whether it does."""
    words = speak(scene.caption, voice)
    room_s = scene.end_s - scene.spoken_s[0]
    natural_s = len(words) / SAMPLE_RATE_HZ
    if natural_s <= room_s:
        return words, True
    stretch = max(FASTEST, room_s / natural_s - 0.02)
    words = speak(scene.caption, voice, stretch)
    return words, len(words) / SAMPLE_RATE_HZ <= room_s + 0.1


def _synthesised(noise: Sounded) -> Samples:
    duration_s = noise.end_s - noise.start_s
    if noise.kind == "impact":
        return knock()
    return music(duration_s) if noise.kind == "music" else steady_noise(duration_s)


def pcm(sound: Samples) -> Iterator[np.ndarray]:
    """Yield the samples as 16-bit integers, in chunks of a second, each of shape (1, n)."""
    whole = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
    for start in range(0, len(whole), SAMPLE_RATE_HZ):
        yield whole[None, start : start + SAMPLE_RATE_HZ]
