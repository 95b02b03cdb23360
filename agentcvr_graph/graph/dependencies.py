"""The dependencies of a graph: a master, a perception and the tools.

Master and perception are objects, or functions that return one for the run's context. A server's form names its models
(`server.py`); a library user passes objects. Such a function may import libraries and read folders, so it runs in a
thread.

What such a function raises ends the run, because the master cannot act on it. Only an `InfrastructureError` is treated
as one of a model: retried, then reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias, cast

from langchain_core.language_models import BaseChatModel
from langgraph.runtime import Runtime
from langgraph.types import RetryPolicy

from agentcvr_graph.errors import ActionError, CVRError, InputError, SettingsError, SetupError
from agentcvr_graph.graph.budget import NO_RESERVE, Reserve, reserve_of
from agentcvr_graph.graph.catalogues import Catalogues
from agentcvr_graph.graph.context import CVRContext, merged
from agentcvr_graph.models.clients.errors import detail_of
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.tools import TOOLS, Features, Toolset

ChooseMaster: TypeAlias = Callable[[Any], BaseChatModel]
"""Returns the master for the context of the run, an instance of the graph's `context_schema`."""
ChoosePerception: TypeAlias = Callable[[Any], Perception]
"""Returns the perception for the context of the run."""


ONE_ATTEMPT = RetryPolicy(max_attempts=1)


def check_objects(master: object, perception: object, tools: object, features: object) -> None:
    """Refuse a master or a perception that is neither an object of its kind nor a function that returns one.

    Tools have to be an iterable, whose items `Toolset` checks, and features an object of their class.

    Raises:
        SetupError: one of them is, for example, a model string or a class.
    """
    _check("master", master, isinstance(master, BaseChatModel), "a chat model, such as resolve_chat_model('offline')")
    _check("perception", perception, isinstance(perception, Perception), "a perception, such as resolve_perception()")
    if not isinstance(tools, Iterable):
        raise SetupError(f"`tools` is {_shown(tools)}.", fix="Pass a list: [*TOOLS, MY_TOOL].")
    if not isinstance(features, Features):
        raise SetupError(f"`features` is {_shown(features)}.", fix="Pass Features(zoom=True), with a field for each.")


def _check(name: str, given: object, fits: bool, wanted: str) -> None:
    chooses = callable(given) and not isinstance(given, BaseChatModel | Perception)
    if isinstance(given, type) or not (fits or chooses):
        raise SetupError(f"`{name}` is {_shown(given)}.", fix=f"Pass {wanted}, or a function that returns one.")


def _shown(given: object) -> str:
    if isinstance(given, type):
        return f"the class {given.__name__}"
    return repr(given) if isinstance(given, str | int | float | None) else f"an object of {type(given).__name__}"


@dataclass(frozen=True)
class Dependencies:
    """The objects that the nodes use."""

    master: BaseChatModel | ChooseMaster
    perception: Perception | ChoosePerception
    timeout_s: float | None = None
    """Longest single attempt of a model call or an observation; None for no limit."""
    retry: RetryPolicy = ONE_ATTEMPT
    """The retry policy of the nodes, by which progress says whether a failed attempt is repeated."""
    tools: Toolset = TOOLS
    context_schema: type[CVRContext] = CVRContext
    catalogues: Catalogues = field(default_factory=Catalogues)

    def verifies(self, context: CVRContext) -> bool:
        """Return whether a run checks its citations."""
        return self.tools.judge is not None and context.verify != "never"

    def reserve(self, context: CVRContext) -> Reserve:
        """Return what a run keeps of its budgets for the checks of its citations; nothing if it makes none."""
        return reserve_of(context) if self.verifies(context) else NO_RESERVE

    def context_of(self, runtime: Runtime[CVRContext], stored: Mapping[str, Any]) -> CVRContext:
        """Return the settings of this call of a node, with those that `brief` stored for the question.

        A call that states no `max_turns` gets as many turns as the master was trained with, if the master knows.

        Raises:
            SettingsError: a stored setting is not allowed; clients can edit them.
        """
        with _errors_of_the_set_up("the settings"):
            return merged(self.context_schema, {**self._of_the_training, **stored}, runtime.context)

    async def chosen_master(self, context: CVRContext) -> BaseChatModel:
        """Return the master of this run.

        Raises:
            SetupError: the function that returns it failed; a `SettingsError` if it refused the settings.
        """
        master = self.master
        if not isinstance(master, BaseChatModel):
            with _errors_of_the_set_up("the master"):
                return await asyncio.to_thread(master, context)
        return master

    async def chosen_perception(self, context: CVRContext) -> Perception:
        """Return the perception of this run.

        Raises:
            SetupError: the function that returns it failed; a `SettingsError` if it refused the settings.
        """
        if not self._chooses_perception:
            return cast(Perception, self.perception)
        choose = cast(ChoosePerception, self.perception)
        with _errors_of_the_set_up("the perception"):
            return await asyncio.to_thread(choose, context)

    @cached_property
    def _of_the_training(self) -> dict[str, int]:
        """The settings that the master was trained with, of a chat model with the attribute `trained_turns`."""
        turns: int | None = getattr(self.master, "trained_turns", None)
        return {} if turns is None else {"max_turns": turns}

    @cached_property
    def _chooses_perception(self) -> bool:
        """Whether the perception is a function that returns one; a protocol's check is slow, so it is made once."""
        return not isinstance(self.perception, Perception)


@contextmanager
def _errors_of_the_set_up(chosen: str) -> Generator[None]:
    """Raise an error of a choice as one of the set-up; other errors of this library pass unchanged."""
    try:
        yield
    except (InputError, ActionError) as error:
        raise SettingsError(error.message, fix=error.fix) from error
    except CVRError:
        raise
    except Exception as error:
        raise SetupError(
            f"Choosing {chosen} failed: {type(error).__name__}: {detail_of(error)}.",
            fix="Correct the function that was passed to `create_cvr_graph`.",
        ) from error
