"""Whisper transcribes speech with times, reports babble as unclear and silence as silence, and downloads nothing."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import typer

from agentcvr_graph.cli.recogniser import chosen_audio
from agentcvr_graph.cli.setup import setup
from agentcvr_graph.errors import InputError, SetupError
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Cue, Samples
from agentcvr_graph.models.adapters import whisper_engine, whisper_weights
from agentcvr_graph.models.adapters.whisper_engine import half_minutes
from agentcvr_graph.models.adapters.whisper_words import joined, statements
from agentcvr_graph.models.base import Sound
from agentcvr_graph.models.registry import resolve_audio, resolve_chat_model, resolve_vision
from agentcvr_graph.render import UNCLEAR_SPEECH
from agentcvr_graph.scripts.video.sound import speak
from agentcvr_graph.types import Window
from tests.support.whisper_weights import whisper_base

SENTENCE = "Today I am cooking with olive oil."


@pytest.fixture(scope="module")
def model():
    return resolve_audio(f"whisper:{whisper_base()}")


def sound(samples: Samples, cues: tuple[Cue, ...] = ()) -> Sound:
    return Sound(Window(video=2, start_s=10, end_s=10 + len(samples) / SAMPLE_RATE_HZ), samples, cues, "test")


def padded(samples: Samples) -> Samples:
    pause = np.zeros(2 * SAMPLE_RATE_HZ, dtype=np.float32)
    return np.concatenate([pause, samples, pause])


async def test_speech_is_transcribed_with_its_time_and_the_event_loop_runs_on(model):
    waits: list[float] = []

    async def tick():
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            waits.append(time.perf_counter() - before)

    ticking = asyncio.create_task(tick())
    heard = await model.hear(sound(padded(speak(SENTENCE, "rms"))), "")
    ticking.cancel()
    said = [one for one in heard.evidence if one.text.startswith('"')]
    assert [one.text for one in said] == [f'"{SENTENCE}"']
    assert said[0].window.start_s == pytest.approx(12, abs=0.5)
    assert said[0].window.video == 2
    assert [one.text for one in heard.evidence if one not in said] == ["silence"] * 2
    assert heard.cost.model_calls == 1
    assert len(waits) > 20


async def test_no_words_are_invented_for_music_noise_and_silence(model):
    seconds = np.arange(10 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    music = 0.2 * sum(np.sin(2 * np.pi * tone * seconds) for tone in (220, 277, 330))
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(seconds))
    for samples in (music, noise, 0 * seconds, seconds[:0]):
        heard = await model.hear(sound(samples.astype(np.float32)), "")
        assert not [one.text for one in heard.evidence if one.text.startswith('"')]
        assert heard.cost.model_calls == 0


async def test_speech_backwards_is_unclear_speech(model):
    reversed_speech = speak("It is half past nine in the morning.", "rms")[::-1].copy()
    heard = await model.hear(sound(padded(reversed_speech)), "")
    assert [one.text for one in heard.evidence if "silence" not in one.text] == [UNCLEAR_SPEECH]


async def test_subtitles_come_first(model):
    heard = await model.hear(sound(padded(speak(SENTENCE, "rms")), (Cue(12, 14, "Heute koche ich."),)), "")
    assert [one.text for one in heard.evidence if one.text.startswith('"')] == ['"Heute koche ich."']


@dataclass
class Word:
    start: float
    end: float
    word: str
    probability: float = 0.9


@dataclass
class Segment:
    words: list[Word] = field(default_factory=list)
    avg_logprob: float = -0.2
    compression_ratio: float = 1.2
    start: float = 0.0
    end: float = 3.0


def test_words_become_sentences_at_full_stops_and_pauses():
    words = [Word(0, 1, " Stop."), Word(1, 2, " Go"), Word(2, 3, " on"), Word(4.5, 5, " now")]
    assert joined(list(statements(Segment(words)))) == [
        Cue(0, 1, " Stop.", ((0, 1),)),
        Cue(1, 3, " Go on", ((1, 2), (2, 3))),
        Cue(4.5, 5, " now", ((4.5, 5),)),
    ]


def test_parts_of_a_word_share_its_time():
    words = [Word(0, 1, " a"), Word(1, 2, " well"), Word(2, 3, "-known"), Word(3, 4, " soup")]
    [sentence] = joined(list(statements(Segment(words))))
    assert (sentence.text, sentence.word_times_s) == (" a well-known soup", ((0, 1), (1, 3), (3, 4)))
    assert sentence.later(10).word_times_s == ((10, 11), (11, 13), (13, 14))


@pytest.mark.parametrize(
    "odd", [{"avg_logprob": -1.2}, {"compression_ratio": 3.0}, {"words": [Word(0, 1, " la", 0.5)]}, {"words": []}]
)
def test_improbable_and_repetitive_segments_are_unclear(odd):
    segment = Segment(**{"words": [Word(0, 1, " la")], **odd})
    assert list(statements(segment)) == [Cue(0, 3, UNCLEAR_SPEECH)]
    both = [*statements(segment), Cue(3, 4, UNCLEAR_SPEECH), Cue(4, 5, " Yes.")]
    assert joined(both) == [Cue(0, 4, UNCLEAR_SPEECH), Cue(4, 5, " Yes.")]


def test_parts_are_joined_to_at_most_half_a_minute():
    parts = [(second * SAMPLE_RATE_HZ, (second + 5) * SAMPLE_RATE_HZ) for second in (0, 10, 20, 30)]
    assert [(start // SAMPLE_RATE_HZ, end // SAMPLE_RATE_HZ) for start, end in half_minutes(parts)] == [
        (0, 25),
        (30, 35),
    ]


def test_a_library_call_downloads_nothing_and_names_the_command_that_does():
    with pytest.raises(SetupError, match=r"not on this computer.*agentcvr setup --audio whisper:base"):
        resolve_audio("whisper:base")


@pytest.mark.parametrize("resolve", [resolve_chat_model, resolve_vision])
def test_whisper_only_transcribes(resolve):
    with pytest.raises(SetupError, match="No chat model is known for 'whisper:base'"):
        resolve("whisper:base")


@pytest.mark.parametrize(
    ("spec", "said"),
    [("whisper:", "names no model"), ("whisper:huge", "no Whisper model 'huge'.*base"), ("whisper:./no", "'./no'")],
)
def test_an_unknown_whisper_model_is_refused_with_what_is_allowed(spec, said):
    with pytest.raises(SetupError, match=said):
        resolve_audio(spec)


async def test_a_folder_without_a_usable_model_is_a_setup_error(tmp_path: Path):
    with pytest.raises(SetupError, match=r"holds no model.bin"):
        resolve_audio(f"whisper:{tmp_path}")
    shutil.copytree(whisper_base(), tmp_path / "model", ignore=shutil.ignore_patterns("model.bin"))
    (tmp_path / "model" / "model.bin").write_bytes(b"damaged")
    with pytest.raises(SetupError, match="cannot be loaded"):
        await resolve_audio(f"whisper:{tmp_path}/model").hear(sound(padded(speak(SENTENCE, "rms"))), "")


def test_weights_in_the_cache_of_the_hub_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    snapshot = tmp_path / "models--Systran--faster-whisper-base" / "snapshots" / "1"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert whisper_weights.available() == ""
    assert chosen_audio("auto") == "offline"
    assert "agentcvr setup" in capsys.readouterr().err
    shutil.copytree(whisper_base(), snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("1")
    assert whisper_weights.available() == "base"
    assert whisper_weights.find("base") == snapshot
    assert whisper_weights.fetch("base") == snapshot
    assert resolve_audio("auto").name.startswith("whisper:base@")
    assert chosen_audio("auto") == "whisper:base"
    assert capsys.readouterr().err == "Speech: whisper:base.\n"
    assert chosen_audio("openai:whisper-1") == "openai:whisper-1"


def test_setup_asks_on_a_terminal_and_reports_a_download_that_fails(monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda text, **_: asked.append(text))
    with pytest.raises(typer.Exit):
        setup("whisper:base", yes=False)
    assert asked == ["Download whisper:base from https://huggingface.co/Systran/faster-whisper-base?"]
    with pytest.raises(SetupError, match="could not be downloaded"):  # tests reach no network
        setup("whisper:tiny", yes=True)
    with pytest.raises(InputError, match="whisper:SIZE"):
        setup("offline", yes=True)


def test_a_gpu_without_its_libraries_leaves_the_cpu(monkeypatch: pytest.MonkeyPatch, caplog):
    def no_library(self: object) -> None:
        raise RuntimeError("Library libcublas.so.12 is not found or cannot be loaded")

    chosen: list[tuple[str, str]] = []
    monkeypatch.setattr(whisper_engine.ctranslate2, "get_cuda_device_count", lambda: 1)
    monkeypatch.setattr(
        whisper_engine.Listener,
        "__init__",
        lambda self, folder, device, compute_type: chosen.append((device, compute_type)),
    )
    monkeypatch.setattr(whisper_engine.Listener, "try_out", no_library)
    whisper_engine.load(Path("model"))
    assert chosen == [("cuda", "float16"), ("cpu", "int8")]
    assert "libcublas" in caplog.text
