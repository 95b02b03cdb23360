"""Words of cut sentences: windows that have exactly the words that are said in them, by times of words and evenly.

The sound of six scripted videos is spoken by flite, which states when each phone ends; so the true time of each word
is known. Whisper base hears it as a run does. Each sentence is cut at 19 places: the window before a cut and the one
after it should have the words whose middle lies in it. A word that is not heard right counts as wrong both ways.

Sentences are left out that had to be spoken faster to fit, or whose phones are not those of their words one by one.
"""

from __future__ import annotations

import functools
import itertools
import subprocess
import tempfile
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

from agentcvr_graph.media.base import Clip
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Cue, Samples
from agentcvr_graph.perception.clipping import clip_evidence, word_middles_s
from agentcvr_graph.render import letters_of
from agentcvr_graph.scripts.generators.procedural.tours.sets import make_set
from agentcvr_graph.scripts.schema import Scene, ScriptedVideo
from agentcvr_graph.scripts.video.sound import pcm, soundtrack, speak, voice_of
from agentcvr_graph.types import Evidence, Video, Window, WordTimes
from tests.benchmarks.recognisers import heard_in, recogniser
from tests.benchmarks.rows import Row

SETS = 2
"""Sets of three videos each."""
CUTS = 19
_Result = tuple[bool, bool]


def rows() -> Iterator[Row]:
    """Yield the numbers of sentences and windows, and the share of windows with exactly the true words."""
    results: list[_Result] = []
    sentences = 0
    model = recogniser("whisper base")
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, video) in enumerate(_videos()):
            voice = voice_of(name)
            said = [cue for scene in video.scenes if (cue := spoken_scene(scene, voice)) is not None]
            sentences += len(said)
            heard = heard_in(model, _recorded(soundtrack(video, voice)[0], Path(folder) / f"{number}.wav"))
            results += [result for cue in said for result in compared(cue, heard)]
    timed, evenly = (sum(column) / len(results) for column in zip(*results, strict=True))
    yield Row("sentences", f"{sentences}")
    yield Row("windows that cut one", f"{len(results):,}")
    yield Row("with exactly the true words, by times of words", f"{100 * timed:.0f} %", "> evenly", timed > evenly)
    yield Row("with exactly the true words, counted evenly", f"{100 * evenly:.0f} %")


def _videos() -> Iterator[tuple[str, ScriptedVideo]]:
    """Yield videos with the names by which a rendering chooses their voices."""
    for seed in range(SETS):
        script = make_set(seed)[0]
        yield from ((f"{script.id}/video_{n}", video) for n, video in enumerate(script.videos, start=1))


def spoken_scene(scene: Scene, voice: str) -> Cue | None:
    """Return the caption of a scene with the true times of its words; None for one that is left out."""
    if not scene.caption:
        return None
    start_s = scene.spoken_s[0]
    fits = len(speak(scene.caption, voice)) / SAMPLE_RATE_HZ <= scene.end_s - start_s
    times_s = true_times_s(scene.caption, voice) if fits else ()
    return Cue(times_s[0][0], times_s[-1][1], scene.caption, times_s).later(start_s) if times_s else None


def true_times_s(caption: str, voice: str) -> WordTimes:
    """Return when each word of a caption is said, from the start of its sound; empty if that is not known."""
    ends_s = [0.0, *(end_s for _, end_s in _phones(caption, voice))]
    phones = [(start_s, end_s) for (name, end_s), start_s in zip(_phones(caption, voice), ends_s, strict=False) if name]
    counts = [sum(bool(name) for name, _ in _phones(word, voice)) for word in caption.split()]
    if sum(counts) != len(phones) or 0 in counts:
        return ()
    edges = itertools.pairwise(itertools.accumulate(counts, initial=0))
    return tuple((phones[first][0], phones[end - 1][1]) for first, end in edges)


@functools.cache
def _phones(text: str, voice: str) -> tuple[tuple[str, float], ...]:
    """Return the phones that flite speaks with their ends in seconds; a pause has no name."""
    command = ["flite", "-voice", voice, "-psdur", "-t", text, "none"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    pairs = [part.rpartition(":") for part in printed.split()]
    return tuple(("" if name == "pau" else name, float(end_s)) for name, _, end_s in pairs)


def _recorded(sound: Samples, path: Path) -> Clip:
    """Write a sound to a file, and open it."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        file.writeframes(b"".join(piece.tobytes() for piece in pcm(sound)))
    return MediaLibrary(cache_dir=path.with_suffix(".cache")).open(Video(source=str(path)))


def compared(said: Cue, heard: Sequence[Evidence]) -> Iterator[_Result]:
    """Yield for each window whether it has exactly the true words, by times of words and counted evenly."""
    evenly = [one.model_copy(update={"word_times_s": ()}) for one in heard]
    middles_s = word_middles_s(len(said.word_times_s), said.start_s, said.end_s, said.word_times_s)
    step_s = (said.end_s - said.start_s) / (CUTS + 1)
    for cut_s in (said.start_s + n * step_s for n in range(1, CUTS + 1)):
        for start_s, end_s in ((said.start_s, cut_s), (cut_s, said.end_s)):
            window = Window(video=1, start_s=start_s, end_s=end_s)
            words = zip(said.text.split(), middles_s, strict=True)
            right = letters_of("".join(word for word, middle_s in words if start_s <= middle_s < end_s))
            yield right == _letters(heard, window), right == _letters(evenly, window)


def _letters(statements: Sequence[Evidence], window: Window) -> str:
    """Return the letters of the words that statements have in a window."""
    inside = [cut.text for one in statements if (cut := clip_evidence(one, window)) is not None]
    return letters_of("".join(text for text in inside if text.startswith('"')))
