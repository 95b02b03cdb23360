"""The graphs that `langgraph.json` names, for a LangGraph server and for LangGraph Studio.

Only in this module does the context of a run choose models: `ServerContext` adds `master`, `vision` and `audio` as
model strings, `SwapContext` adds `master` and the noise of the simulator. A model is built once for each string and
shared by the runs of the process.

Everyone who can start a run is an untrusted client. A model string names a server to connect to, a folder to load or
an account to charge, so a run may choose only `offline`, `auto` for sound, and the models that the server's owner
lists in `AGENTCVR_MODELS`. `media/access.py` decides which media a run may open.
"""

from __future__ import annotations

import difflib
import functools
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from langchain_core.language_models import BaseChatModel
from langgraph_sdk.runtime import ServerRuntime
from pydantic import StrictStr

from agentcvr_graph.errors import InputError, SettingsError, SetupError, shown_address
from agentcvr_graph.graph.builder import CompiledCVRGraph, create_cvr_graph
from agentcvr_graph.graph.context import CVRContext, setting, unknown_setting
from agentcvr_graph.models.clients.extras import naming_extra
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.short_graph import create_short_graph
from agentcvr_graph.tools import Features
from agentcvr_graph.tools.features import read_features

if TYPE_CHECKING:
    from agentcvr_graph.media.base import Library


MODELS_VARIABLE = "AGENTCVR_MODELS"
"""Environment variable with the model strings that a run may choose, separated by commas; `any` allows all.
`offline` is always allowed, and `auto` for sound: the best recogniser whose weights are on the server."""
FEATURES_VARIABLE = "AGENTCVR_FEATURES"
"""Environment variable with the features of the server's graphs (`tools/features.py`), separated by commas."""
MORE_MODELS = f"Whoever runs the server allows more with {MODELS_VARIABLE}."


TYPO_SIMILARITY = 0.8
"""Similarity to the name of a setting from which an unknown name counts as misspelled."""

Noise = Literal["off", "clear", "mild", "fitted"]
"""Noise levels that a run on a server may choose. Python programs may also pass a file of rates."""


class ServerContext(CVRContext):
    """Settings of a run that chooses its models."""

    master: Annotated[
        StrictStr, setting("master", description="Model string of the master, where the server lets you choose.")
    ] = "offline"
    vision: Annotated[
        StrictStr,
        setting("visual_agent", description="Model string of the vision model, where the server allows it."),
    ] = "offline"
    audio: Annotated[
        StrictStr,
        setting("audio_agent", description="Model string of the audio model, where the server allows it."),
    ] = "auto"


class SwapContext(CVRContext):
    """Settings of a run in swap mode."""

    master: Annotated[
        StrictStr, setting("master", description="Model string of the master, where the server lets you choose.")
    ] = "offline"
    noise: Annotated[
        Noise,
        setting(
            "visual_agent",
            "audio_agent",
            description="How unreliable the simulated observations are: off, clear, mild or fitted.",
        ),
    ] = "off"


def make_graph(runtime: ServerRuntime[Any] | None = None) -> CompiledCVRGraph:
    """Return the live graph, whose context chooses the models. The server adds its own checkpointer.

    Raises:
        InputError: the run sends a setting with a misspelled name.
    """
    _check_names(runtime, ServerContext)
    return _live_graph()


def make_swap_graph(runtime: ServerRuntime[Any] | None = None) -> CompiledCVRGraph:
    """Return the graph in swap mode over the bundled scripts; video addresses look like `script://cc-000000/1`.

    Raises:
        InputError: the run sends a setting with a misspelled name.
    """
    _check_names(runtime, SwapContext)
    return _swap_graph()


def make_short_graph(runtime: ServerRuntime[Any] | None = None) -> Any:
    """Return the live graph with a short output, for clients of the server's own MCP endpoint.

    Raises:
        InputError: the run sends a setting with a misspelled name.
    """
    _check_names(runtime, ServerContext)
    return _short_graph()


@functools.lru_cache(maxsize=1)
def _short_graph() -> Any:
    return create_short_graph(_live_graph(), ServerContext).compile()


@functools.lru_cache(maxsize=1)
def _live_graph() -> CompiledCVRGraph:
    graph = create_cvr_graph(choose_master, choose_perception, features=_features(), context_schema=ServerContext)
    return graph.compile()


@functools.lru_cache(maxsize=1)
def _swap_graph() -> CompiledCVRGraph:
    graph = create_cvr_graph(choose_master, choose_scripts, features=_features(), context_schema=SwapContext)
    return graph.compile()


def _features() -> Features:
    """Return the features that the server's owner turned on.

    Raises:
        SettingsError: one of them does not exist, or the judge of `verify` cannot be used.
    """
    with _shown_to_clients():
        features = read_features(os.environ.get(FEATURES_VARIABLE, ""), FEATURES_VARIABLE)
        _ = features.judge  # resolved here, where an error of the set-up reaches the client
        return features


def _check_names(runtime: ServerRuntime[Any] | None, schema: type[CVRContext]) -> None:
    """Reject a misspelled setting. The server removes unknown names from a context before the graph reads it.

    The server also passes a run's `configurable` here, which may hold anything that other programs keep there, such as
    a user's id. So only names that resemble a setting are rejected.
    """
    execution = None if runtime is None else runtime.execution_runtime
    sent = cast(object, None if execution is None else execution.context)
    known = list(schema.model_fields)
    for name in cast(dict[object, Any], sent) if isinstance(sent, dict) else {}:
        if name not in known and difflib.get_close_matches(str(name), known, n=1, cutoff=TYPO_SIMILARITY):
            raise unknown_setting(str(name), known)


def choose_master(context: ServerContext | SwapContext) -> BaseChatModel:
    """Return the master that the context names."""
    with _shown_to_clients():
        return _master(allowed_model(context.master))


def choose_perception(context: ServerContext) -> Perception:
    """Return the vision and audio models that the context names."""
    with _shown_to_clients():
        return _perception(allowed_model(context.vision), allowed_model(context.audio, "auto"))


def choose_scripts(context: SwapContext) -> Perception:
    """Return the bundled scripts, with the noise that the context names."""
    return _scripted(context.noise)


def allowed_model(spec: str, *also: str) -> str:
    """Return the model string if a run may choose it: `offline`, one of `also`, or one that the owner lists.

    Raises:
        InputError: a run may not choose it.
    """
    named = [part.strip() for part in os.environ.get(MODELS_VARIABLE, "").split(",")]
    allowed = ("offline", *also, *filter(None, named))
    if spec not in allowed and "any" not in allowed:
        raise InputError(
            f"The model {shown_address(spec)!r} may not be chosen here.",
            fix=f"Choose from: {', '.join(map(shown_address, allowed))}. {MORE_MODELS}",
        )
    return spec


@contextmanager
def _shown_to_clients() -> Generator[None]:
    """Raise an error of the set-up, such as a missing package, as a `SettingsError`.

    A LangGraph server hides the message of every exception that is no `ValueError`: a missing package would reach the
    client as "An internal error occurred".
    """
    try:
        with naming_extra("live"):
            yield
    except SettingsError:
        raise
    except SetupError as error:
        raise SettingsError(error.message, fix=error.fix) from error


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
    """Return the media that untrusted clients may use, decoded in processes that may crash."""
    from agentcvr_graph.demo import CLIPS_DIR
    from agentcvr_graph.media.access import access_of_untrusted_clients
    from agentcvr_graph.perception.factory import isolated_media

    return isolated_media(access=access_of_untrusted_clients(CLIPS_DIR))
