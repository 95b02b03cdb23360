"""An audio model on this computer: Whisper by faster-whisper, in a worker process.

In: sound. Out: a statement for each sentence, with the times of its first and last word. Where Whisper is unsure of the
language, or of its words by its own limits, the statement says that speech is unclear: Whisper writes fluent sentences
about babble. Other languages than English are named in a note.

One worker process has the model, because loading it holds the interpreter's lock for a quarter of a second, and its
libraries make this process so large that starting other processes holds it up.
"""

from __future__ import annotations

from pathlib import Path

from agentcvr_graph.media.languages import language_name
from agentcvr_graph.media.types import Cue, Samples
from agentcvr_graph.models.adapters.whisper_words import ENGLISH, Spoken
from agentcvr_graph.models.base import ModelOutput, Sound
from agentcvr_graph.models.clients.errors import as_infrastructure_error
from agentcvr_graph.models.focus import focus_first
from agentcvr_graph.render import UNCLEAR_SPEECH, spoken
from agentcvr_graph.types import Cost, Evidence, Window
from agentcvr_graph.utils.worker_processes import run_in_own_worker


class WhisperTranscriber:
    """An `AudioModel` from a folder with weights.

    The first call raises `SetupError` if the model cannot be loaded.
    """

    def __init__(self, folder: Path, *, name: str) -> None:
        self._folder = folder
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    async def hear(self, sound: Sound, focus: str) -> ModelOutput:
        """Transcribe the sound.

        Raises:
            InfrastructureError: the model failed.
            SetupError: the model cannot be loaded.
        """
        try:
            heard = await run_in_own_worker(transcribed, self._folder, sound.samples)
        except Exception as error:
            raise as_infrastructure_error(error, self.name) from error
        evidence = [_evidence(cue, sound.window) for spoken in heard for cue in spoken.cues]
        languages = dict.fromkeys(spoken.language for spoken in heard if spoken.language not in ("", ENGLISH))
        notes = tuple(f"speech in {language_name(code)}" for code in languages)
        return ModelOutput(focus_first(evidence, focus), notes, Cost(model_calls=len(heard)))


def transcribed(folder: Path, samples: Samples) -> list[Spoken]:
    """Return what is said in the samples, one item for each half minute with a voice. Runs in the worker process."""
    from agentcvr_graph.models.adapters.whisper_engine import transcribe

    return transcribe(folder, samples)


def _evidence(cue: Cue, window: Window) -> Evidence:
    start_s = min(window.start_s + max(0.0, cue.start_s), window.end_s)
    end_s = min(max(window.start_s + cue.end_s, start_s), window.end_s)
    placed = Window(video=window.video, start_s=start_s, end_s=end_s)
    if cue.text == UNCLEAR_SPEECH:
        return Evidence(text=cue.text, window=placed)
    return Evidence(text=spoken(cue.text), window=placed, word_times_s=cue.later(window.start_s).word_times_s)
