"""The specification of a tool, which the graph, the budgets, human review, training and the report use.

A tool is one file that ends in a `ToolSpec`, and one line in `registry.py`:

    arguments --plan--> request (clipped, within budget) --run--> Observation --render--> text for the master

Planning is a pure function of the arguments, the probed videos and the budget, so an invalid window costs nothing and
gets the same reply in live and swap mode. Only `run` calls the perception. The graph stores a request as plain JSON and
the specification rebuilds it, so a checkpoint holds no types that a strict reader does not know. A specification does
not know the question, the answer, the dialect of the master, or other tools.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ValidationError

from agentcvr_graph.errors import ActionError
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.render import observation_text, window_label
from agentcvr_graph.tools.arguments import read_arguments
from agentcvr_graph.tools.budget import Budget
from agentcvr_graph.types import Cost, EvidenceKind, Observation, Request, VideoInfo

A = TypeVar("A", bound=BaseModel)
R = TypeVar("R", bound=Request)

Plan = Callable[[A, Sequence[VideoInfo], Budget], tuple[R, tuple[str, ...]]]
"""Clip the arguments to the videos and the budget; return the request, and notes for the master on what was cut.

Raises `ActionError` if no part of the call can be carried out.
"""
Run = Callable[[R, Perception, Sequence[VideoInfo]], Awaitable[Observation]]
"""Carry out a request. Raises `InfrastructureError` if the perception fails."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ToolSchema(Generic[A]):
    """A tool as the master sees it. A tool that is only a `ToolSchema` and no `ToolSpec` ends the question."""

    name: str
    arguments: type[A]
    """The arguments that the master writes. The policy reads the class's docstring and field descriptions as the tool's
    description, so do not reword them for style."""
    hint: str
    """The tool's line in the system prompt, without its name."""
    aliases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """Names under which other systems know the tool, each with the arguments that are optional there."""
    explained: Collection[str] = ()
    """Arguments that the system prompt, the hint or the brief explains; the signature has no note on them."""
    any_of: Mapping[str, Sequence[dict[str, Any]]] = field(default_factory=dict[str, Sequence[dict[str, Any]]])
    """JSON types of arguments declared as `Any`, by name: some servers reject an argument without a type."""
    in_brief: Callable[[Sequence[VideoInfo]], Sequence[str]] = lambda videos: ()
    """Return lines for the brief that depend on the videos it lists."""

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The canonical tool dictionary, in OpenAI's format.

        Every model gets this dictionary, live and in training. Frameworks that derive schemas themselves add or drop
        keys, and a policy that was trained on one set of tokens stops calling tools with another.
        """
        schema = convert_to_openai_tool(self.arguments)
        schema["function"]["name"] = self.name
        for argument, types in self.any_of.items():
            schema["function"]["parameters"]["properties"][argument]["anyOf"] = [*types]
        return schema

    @property
    def signature(self) -> str:
        """The tool as dialects of JSON text show it, beside the hints in the system prompt."""
        from agentcvr_graph.models.chat_format.signatures import signature

        return signature(self.schema["function"], self.explained)

    def read(self, arguments: Mapping[str, object]) -> A:
        """Return the typed arguments of a call; `read_noting` without the notes."""
        return self.read_noting(arguments)[0]

    def read_noting(self, arguments: Mapping[str, object]) -> tuple[A, tuple[str, ...]]:
        """Return the typed arguments of a call, and notes for the master on fields that were ignored.

        Raises:
            ActionError: the arguments do not fit; the message names the field.
        """
        with self._naming_field():
            return read_arguments(self.arguments, arguments)

    @contextmanager
    def _naming_field(self) -> Generator[None]:
        """Raise what does not fit as an `ActionError` that names the tool and the field."""
        try:
            yield
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "arguments"
            raise ActionError(f"{self.name}: {place}: {first['msg']}.") from None


@dataclass(frozen=True, kw_only=True, eq=False)
class ToolSpec(ToolSchema[A], Generic[A, R]):
    """A tool that returns evidence."""

    request: type[R]
    """Type of the planned request, which the checkpoint stores as JSON."""
    modality: EvidenceKind
    """Modality of its observations, and of a reviewer's response in place of one."""
    node: str
    """The graph node that carries it out: `visual_agent`, `audio_agent`, or a node of its own."""
    plan: Plan[A, R]
    run: Run[R]
    cost: Callable[[R], Cost]
    """Return the frames and seconds of sound that a request will spend."""
    reaches_all: bool = False
    """Whether a request may need any of the videos, and not only those of its windows. Then `run` gets the reference
    of each (`Sources.reference`)."""
    render: Callable[[Observation], str] = observation_text
    """Return the observation as the master reads it."""
    progress: Callable[[R], str] | None = None
    """Return a progress line, such as `observing video 1, 0.0-8.0 s (4 frames)`; None for a line from the tool's name
    and the windows."""
    to_arguments: Callable[[R], dict[str, Any]] | None = None
    """Return a request as arguments of a call, for a reviewer to edit; None if both have the same fields."""

    def planned(self, arguments: A, videos: Sequence[VideoInfo], budget: Budget) -> tuple[R, tuple[str, ...]]:
        """Return the request of a call and notes for the master, as `plan` makes them.

        Raises:
            ActionError: as `plan`, or the arguments make no request, such as a window of video 0.
        """
        with self._naming_field():
            return self.plan(arguments, videos, budget)

    def dump(self, request: R) -> dict[str, Any]:
        """Return a request as JSON, for the state."""
        return request.model_dump(mode="json")

    def load(self, stored: Mapping[str, Any]) -> R:
        """Return the request that `dump` stored."""
        return self.request.model_validate(stored)

    def describe(self, request: R) -> str:
        """Return the progress line of a request."""
        if self.progress is not None:
            return self.progress(request)
        return f"running {self.name} on {'; '.join(map(window_label, request.windows))}{quoted_focus(request)}"

    def editable(self, request: R) -> dict[str, Any]:
        """Return a request as arguments of a call."""
        return self.dump(request) if self.to_arguments is None else self.to_arguments(request)


AnyTool = ToolSchema[Any]
AnyToolSpec = ToolSpec[Any, Any]


def quoted_focus(request: Request) -> str:
    """Return ` for "salt"`, or an empty string if the request has no focus."""
    return f' for "{request.focus}"' if request.focus else ""
