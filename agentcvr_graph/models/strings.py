"""The model strings of a run, one for each role. `registry.py` reads the strings."""

from __future__ import annotations

from dataclasses import dataclass

GGUF = ".gguf"
"""Ending of a model that is one file, as llama.cpp and Ollama use."""


@dataclass(frozen=True)
class ModelStrings:
    """Which models a run uses."""

    master: str = "offline"
    vision: str = "offline"
    audio: str = "offline"
