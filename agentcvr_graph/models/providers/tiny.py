"""`tiny`: the small master trained by `training/recipes/tiny` on tours.

It knows the questions STOP, SPOT and COST of `scripts/generators/procedural/tours` and their words, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agentcvr_graph.errors import SetupError
from agentcvr_graph.models.providers.base import ModelStringError, OneModel
from agentcvr_graph.models.providers.in_process import InProcess

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentcvr_graph.models.base import AudioModel, VisionModel

TINY = Path(__file__).parents[1] / "tiny"
"""The policy that `python -m training.recipes.tiny CONFIG --release` copies here."""


@dataclass(frozen=True)
class Tiny(OneModel, InProcess):
    """The released checkpoint, as a model of the `transformers` library."""

    source: str = str(TINY)

    name = "tiny"
    form = "'tiny' (master only)"
    audio_form = ""

    def found(self) -> str:
        if not TINY.is_dir():
            raise SetupError(
                "The master 'tiny' is not trained yet.", fix="Train it with --release, as training/README.md shows."
            )
        return super().found()

    def vision(self, timeout_s: float, chat: BaseChatModel | None = None) -> VisionModel:
        raise ModelStringError("'tiny' is a master and sees no pictures.")

    def audio(self, timeout_s: float) -> AudioModel:
        raise ModelStringError("'tiny' is a master and hears no sound; Whisper's smallest size is 'whisper:tiny'.")
