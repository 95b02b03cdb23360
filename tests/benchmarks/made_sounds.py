"""Recordings that the benchmarks of speech make: sentences by the voices of flite, and sounds without a word."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from agentcvr_graph.media.types import SAMPLE_RATE_HZ
from agentcvr_graph.scripts.video.sound import VOICES, speak
from tests.benchmarks.recognisers import Recording

Sound = NDArray[np.floating]
SENTENCES = (
    "The train to the city leaves at a quarter to ten.",
    "She put three eggs and a cup of sugar into the bowl.",
    "Please bring the red box to the second floor.",
    "I will wait here for the water to boil.",
    "My brother is going to eat this tonight.",
    "Now I use butter for the vegetables.",
    "The door on the left side is always open.",
    "We walked along the river until it was dark.",
    "Today I am cooking with olive oil.",
    "He opened the window because it was too hot.",
    "The second team scored in the last minute.",
    "Turn the wheel slowly to the right.",
    "There are four people in the white car.",
    "This dinner is for my mother.",
    "First wash your hands with warm water.",
    "The small dog runs after the yellow ball.",
    "Put the meat on the plate and add some salt.",
    "It is half past nine in the morning.",
    "The meeting was moved to the next week.",
    "I never said that it would be easy.",
)
LEVELS_DB = (-40, -25, -10)
"""Levels of a sound without words, against full scale; each lasts `LEVEL_S`."""
LEVEL_S = 10
PAUSE = np.zeros(SAMPLE_RATE_HZ)
"""Silence around a sentence."""


def voices(folder: Path, *, noise_db: float | None) -> list[Recording]:
    """Make a recording of all sentences for each voice, with white noise that many dB below the voice."""
    random = np.random.default_rng(0)
    recordings: list[Recording] = []
    for voice in VOICES:
        spoken = np.concatenate([part for sentence in SENTENCES for part in (PAUSE, speak(sentence, voice))])
        noise = 0.0 if noise_db is None else 10 ** (-noise_db / 20) * _level(spoken[np.abs(spoken) > 0.01])
        sound = spoken + noise * random.standard_normal(len(spoken))
        recordings.append(_written(folder / f"{voice}.wav", sound, " ".join(SENTENCES)))
    return recordings


def wordless(folder: Path) -> list[Recording]:
    """Make a recording of each kind of sound without words, at all levels."""
    time_s = np.arange(LEVEL_S * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    random = np.random.default_rng(1)
    white = random.standard_normal(len(time_s))
    kinds = {
        "silence": 0 * time_s,
        "white-noise": white,
        "pink-noise": _pink(white),
        "hum": _tones(time_s, 50, (1, 2, 3, 4, 5)),
        "tone": _tones(time_s, 440, (1,)),
        "chords": _chords(time_s),
        "beats": _bursts(time_s, white, np.arange(0, LEVEL_S, 0.5), decay=20),
        "applause": _bursts(time_s, white, random.uniform(0, LEVEL_S, 1500), decay=120),
        "wind": _pink(white) * (1 + np.sin(2 * np.pi * 0.3 * time_s)),
    }
    return [_written(folder / f"{kind}.wav", _at_all_levels(sound), "") for kind, sound in kinds.items()]


def _level(sound: Sound) -> float:
    return float(np.sqrt(np.mean(sound**2)))


def _at_all_levels(sound: Sound) -> Sound:
    unit = sound / max(_level(sound), 1e-9)
    return np.concatenate([unit * 10 ** (level_db / 20) for level_db in LEVELS_DB])


def _pink(white: Sound) -> Sound:
    """Return noise that is weaker the higher its frequency."""
    spectrum = np.fft.rfft(white)
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), len(white))


def _tones(time_s: Sound, root_hz: float, multiples: tuple[float, ...]) -> Sound:
    return sum((np.sin(2 * np.pi * root_hz * m * time_s) / m for m in multiples), np.zeros(len(time_s)))


def _chords(time_s: Sound) -> Sound:
    """Return a chord a second, with overtones and a soft start, as an organ plays them."""
    roots = (220, 175, 262, 196)
    played = [_tones(time_s, root, (1, 1.25, 1.5, 2, 3)) for root in roots]
    turn = time_s.astype(int) % len(roots)
    return np.choose(turn, played) * np.minimum(1, 8 * (time_s % 1))


def _bursts(time_s: Sound, white: Sound, starts_s: Sound, *, decay: float) -> Sound:
    """Return bursts of noise that die away, such as a drum or many hands."""
    sound = np.zeros(len(time_s))
    length = min(len(time_s), round(SAMPLE_RATE_HZ * 5 / decay))
    burst = np.exp(-decay * time_s[:length])
    for start in (starts_s * SAMPLE_RATE_HZ).astype(int):
        part = sound[start : start + length]
        part += (burst * white[:length])[: len(part)]
    band = butter(2, (80, 6000), "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    return np.asarray(sosfilt(band, sound))


def _written(path: Path, sound: Sound, said: str) -> Recording:
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype(np.int16).tobytes())
    return Recording(path, said)
