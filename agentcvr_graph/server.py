"""The graphs that `langgraph.json` names, for a LangGraph server and for LangGraph Studio.

Here, and only here, the models are chosen by the run's context: the form of a run shows `master`, `vision` and `audio`
as model strings. Models are built once for each string and shared by the runs of the process.

Whoever can start a run is a stranger. A model string names a server to connect to, a folder to load or an account to
pay from, so a run may choose from those that the owner names in `AGENTCVR_MODELS` only. What it may open is settled in
`media/access.py`.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from langchain_core.language_models import BaseChatModel

from agentcvr_graph.errors import InputError, shown_address
from agentcvr_graph.graph.builder import CompiledCVRGraph, create_cvr_graph
from agentcvr_graph.graph.state import NOISES, CVRContext
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.bundled import bundled_library

if TYPE_CHECKING:
    from agentcvr_graph.media.base import Library


MODELS_VARIABLE = "AGENTCVR_MODELS"
"""Model strings that a run may choose, with commas between them; `any` for all. `offline` is always one."""
MORE_MODELS = f"Whoever runs the server allows more with {MODELS_VARIABLE}."


def make_graph() -> CompiledCVRGraph:
    """The live graph; its context chooses the models. Compiled without a checkpointer: the server brings its own."""
    return create_cvr_graph(choose_master, choose_perception).compile()


def make_swap_graph() -> CompiledCVRGraph:
    """The same graph in swap mode, over the bundled scripts: videos are addresses such as `script://cc-000000/1`."""
    return create_cvr_graph(choose_master, choose_scripts).compile()


def choose_master(context: CVRContext) -> BaseChatModel:
    """The master that the context names."""
    return _master(allowed_model(context.master))


def choose_perception(context: CVRContext) -> Perception:
    """The eyes and ears that the context names."""
    return _perception(allowed_model(context.vision), allowed_model(context.audio))


def choose_scripts(context: CVRContext) -> Perception:
    """The bundled scripts, with the noise that the context names.

    Raises:
        InputError: there is no such noise.
    """
    if context.noise not in NOISES:
        raise InputError(f"There is no noise {context.noise!r} here.", fix=f"Choose from: {', '.join(NOISES)}.")
    return _scripted(context.noise)


def allowed_model(spec: str) -> str:
    """The model string, where a run may choose it.

    Raises:
        InputError: it may not.
    """
    named = [part.strip() for part in os.environ.get(MODELS_VARIABLE, "").split(",")]
    allowed = ("offline", *filter(None, named))
    if spec not in allowed and "any" not in allowed:
        raise InputError(
            f"The model {shown_address(spec)!r} may not be chosen here.",
            fix=f"Choose from: {', '.join(map(shown_address, allowed))}. {MORE_MODELS}",
        )
    return spec


@functools.lru_cache(maxsize=8)
def _scripted(noise: str) -> Perception:
    return ScriptedPerception(bundled_library(), noise)


@functools.lru_cache(maxsize=8)
def _master(spec: str) -> BaseChatModel:
    from agentcvr_graph.models.registry import resolve_chat_model

    return resolve_chat_model(spec)


@functools.lru_cache(maxsize=8)
def _perception(vision: str, audio: str) -> Perception:
    from agentcvr_graph.perception.factory import resolve_perception

    return resolve_perception(vision, audio, media=_media())


@functools.lru_cache(maxsize=1)
def _media() -> Library:
    """What strangers may ask about, decoded in processes that may die."""
    from agentcvr_graph.demo import CLIPS_DIR
    from agentcvr_graph.media.access import access_of_strangers
    from agentcvr_graph.perception.factory import isolated_media

    return isolated_media(access=access_of_strangers(CLIPS_DIR))
