"""The registry of methods: the agent and its baselines, over the same models and the same perception.

| name | what answers | what it receives |
|---|---|---|
| agent | the master in the graph | what it requests, turn by turn |
| single-pass | the vision model in one call, or the master if the vision model cannot answer | frames of all videos |
| single-pass-transcripts | the same | the same, and all transcripts |
| blind | the master | the question only |

A factory imports its method when it makes one, because the command line lists the names in its help.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from agentcvr_graph.errors import InputError
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.perception.base import Perception

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentcvr_graph.eval.methods.base import Method

__all__ = ["METHODS", "EvalConfig", "make_methods"]


@dataclass(frozen=True)
class EvalConfig:
    """Settings of an evaluation: JSON-able, so that a run can store them and a remote worker can use them."""

    methods: tuple[str, ...] = ("agent",)
    models: ModelStrings = field(default_factory=ModelStrings)
    context: CVRContext = field(default_factory=CVRContext)
    """Settings of the graph. A benchmark wants a value of every question, so `abstain` is `never` unless it is set."""
    features: str = ""
    """Features of the agent's graph, separated by commas."""
    frames: int = 128
    """Frames of a single pass, over all videos together."""
    long_side_px: int = 360
    """Frames are scaled down to this long side."""
    judge: str = ""
    """Model string of the judge of text answers; empty for none."""
    strict: str = ""
    """Name of the rule of a benchmark's own script (`eval/strict.py`), for a second score; empty for none."""
    scripts: str = ""
    """Path of a script library, for swap mode; empty for real video."""
    noise: str = "off"
    """Noise of the simulator, in swap mode."""
    per_endpoint: int = 32
    """Concurrent calls of one endpoint."""
    timeout_s: float = 120.0
    """Timeout of a single model call."""

    def __post_init__(self) -> None:
        if "abstain" not in self.context.model_fields_set:
            settled = self.context.model_copy(update={"abstain": "never"})
            object.__setattr__(self, "context", settled)


class MethodResources:
    """The models and the perception of a run, created once and shared by its methods."""

    def __init__(self, config: EvalConfig) -> None:
        from agentcvr_graph.models.limiter import EndpointLimiters

        self.config = config
        self.limiters = EndpointLimiters(config.per_endpoint)
        self._opened = ExitStack()

    def chat(self, spec: str) -> BaseChatModel:
        """Return a chat model, limited to the concurrency of its endpoint."""
        from agentcvr_graph.models.registry import resolve_chat_model

        return self.limiters.chat(spec, resolve_chat_model(spec, timeout_s=self.config.timeout_s))

    @cached_property
    def master(self) -> BaseChatModel:
        return self.chat(self.config.models.master)

    @cached_property
    def vision_chat_model(self) -> BaseChatModel | None:
        """Return the chat model that takes images; None if the vision model cannot answer questions."""
        from agentcvr_graph.models.registry import read_model_string

        spec = self.config.models.vision
        return None if self.config.scripts or not read_model_string(spec).vision_is_chat else self.chat(spec)

    @cached_property
    def perception(self) -> Perception:
        """Return the perception of real video, or of scripts in swap mode."""
        if self.config.scripts:
            from agentcvr_graph.perception.scripted import ScriptedPerception
            from agentcvr_graph.scripts.library import ScriptLibrary

            return ScriptedPerception(ScriptLibrary(Path(self.config.scripts)), self.config.noise)
        from agentcvr_graph.models.registry import resolve_audio, resolve_vision
        from agentcvr_graph.perception.factory import isolated_media
        from agentcvr_graph.perception.live import LivePerception

        models, timeout_s = self.config.models, self.config.timeout_s
        vision = resolve_vision(models.vision, timeout_s=timeout_s, model=self.vision_chat_model)
        audio = self.limiters.audio(models.audio, resolve_audio(models.audio, timeout_s=timeout_s))
        media = isolated_media(long_side_px=self.config.long_side_px)
        self._opened.callback(media.close)
        return LivePerception(vision, audio, media)

    def close(self) -> None:
        """Release files and processes."""
        self._opened.close()


def make_methods(config: EvalConfig, resources: MethodResources | None = None) -> dict[str, Method]:
    """Return the methods of a configuration by name.

    Raises:
        InputError: a method is unknown.
        SetupError: a model or a package is missing.
    """
    for name in config.methods:
        if name not in METHODS:
            raise InputError(f"Unknown method {name!r}.", fix=f"Choose from: {', '.join(METHODS)}.")
    resources = resources or MethodResources(config)
    return {name: METHODS[name](resources) for name in dict.fromkeys(config.methods)}


def models_of(config: EvalConfig) -> dict[str, str]:
    """Return the model of each role, for reports."""
    scripted = {"vision": "script", "audio": "script"} if config.scripts else {}
    return asdict(config.models) | scripted


def _agent(resources: MethodResources) -> Method:
    from agentcvr_graph.eval.methods.base import GraphMethod
    from agentcvr_graph.graph.builder import create_cvr_graph
    from agentcvr_graph.models.claims import OFFLINE, ChatClaimJudge
    from agentcvr_graph.tools.features import read_features

    config = resources.config
    features = read_features(config.features, "features")
    if isinstance(features.verify, str) and features.verify != OFFLINE:
        # The judge shares the limit of its endpoint with the other roles.
        judge = ChatClaimJudge(resources.chat(features.verify), features.verify)
        features = replace(features, verify=judge)
    graph = create_cvr_graph(resources.master, resources.perception, features=features).compile()
    return GraphMethod(graph, config.context)


def _single_pass(listens: bool) -> Callable[[MethodResources], Method]:
    def make(resources: MethodResources) -> Method:
        from agentcvr_graph.eval.methods.single_pass_graph import single_pass_graph

        config = resources.config
        if resources.vision_chat_model is None:
            return single_pass_graph(
                resources.master, resources.perception, config.context, frames=config.frames, listens=listens
            )
        from agentcvr_graph.eval.methods.single_pass import SinglePass
        from agentcvr_graph.perception.live import LivePerception

        assert isinstance(resources.perception, LivePerception)
        return SinglePass(
            resources.vision_chat_model,
            config.models.vision,
            resources.perception,
            frames=config.frames,
            listens=listens,
        )

    return make


def _blind(resources: MethodResources) -> Method:
    """Make the blind baseline: one turn, in which only an answer is allowed."""
    from agentcvr_graph.eval.methods.base import GraphMethod
    from agentcvr_graph.graph.builder import create_cvr_graph
    from agentcvr_graph.perception.blind import BlindPerception

    graph = create_cvr_graph(resources.master, BlindPerception(resources.perception)).compile()
    return GraphMethod(graph, resources.config.context.model_copy(update={"max_turns": 1}))


MethodFactory: TypeAlias = "Callable[[MethodResources], Method]"
"""Makes a method from the models and the perception of a run."""

METHODS: dict[str, MethodFactory] = {
    "agent": _agent,
    "single-pass": _single_pass(listens=False),
    "single-pass-transcripts": _single_pass(listens=True),
    "blind": _blind,
}
