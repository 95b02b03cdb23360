"""The graphs that `langgraph.json` names, for a LangGraph server and for LangGraph Studio.

Here, and only here, the models are chosen by the run's context: the form of a run shows `master`, `vision` and `audio`
as model strings. Models are built once for each string and shared by the runs of the process.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from langchain_core.language_models import BaseChatModel

from agentcvr_graph.graph import CompiledCVRGraph, create_cvr_graph
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.state import CVRContext

if TYPE_CHECKING:
    from agentcvr_graph.media.base import Library


def make_graph() -> CompiledCVRGraph:
    """The live graph; its context chooses the models. Compiled without a checkpointer: the server brings its own."""
    return create_cvr_graph(choose_master, choose_perception).compile()


def make_swap_graph() -> CompiledCVRGraph:
    """The same graph in swap mode, over the bundled scripts: videos are addresses such as `script://cc-000000/1`."""
    return create_cvr_graph(choose_master, choose_scripts).compile()


def choose_master(context: CVRContext) -> BaseChatModel:
    """The master that the context names."""
    return _master(context.master)


def choose_perception(context: CVRContext) -> Perception:
    """The eyes and ears that the context names."""
    return _perception(context.vision, context.audio)


def choose_scripts(context: CVRContext) -> Perception:
    """The bundled scripts, with the noise that the context names."""
    return _scripted(context.noise)


@functools.lru_cache(maxsize=8)
def _scripted(noise: str) -> Perception:
    return ScriptedPerception(bundled_library(), noise)


@functools.lru_cache(maxsize=8)
def _master(spec: str) -> BaseChatModel:
    from agentcvr_graph.models.registry import resolve_master

    return resolve_master(spec)


@functools.lru_cache(maxsize=8)
def _perception(vision: str, audio: str) -> Perception:
    from agentcvr_graph.models.registry import resolve_perception

    return resolve_perception(vision, audio, media=_media())


@functools.lru_cache(maxsize=1)
def _media() -> Library:
    """What strangers may ask about, decoded in processes that may die."""
    from agentcvr_graph.demo import CLIPS_DIR
    from agentcvr_graph.media.access import access_of_strangers
    from agentcvr_graph.models.registry import isolated_media

    return isolated_media(access=access_of_strangers(CLIPS_DIR))
