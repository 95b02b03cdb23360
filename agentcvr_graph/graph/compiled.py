"""The compiled graph: what callers hold. It runs with and without an event loop, and draws itself.

All nodes are async. `ainvoke` and `astream` run in the caller's event loop, `invoke`, `stream` and `batch` in a private
loop (`utils/private_loop.py`): LangGraph's `invoke` is written with `stream`, so one method serves them all.
"""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Coroutine, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, overload

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.graph import Graph
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, Durability, StateUpdate

from agentcvr_graph.errors import InputError
from agentcvr_graph.graph.context import CVRContext, check_sent
from agentcvr_graph.graph.run_names import described
from agentcvr_graph.graph.state import ChatInput, CVRInput, CVROutput, CVRState, InputChannels, OutputChannels
from agentcvr_graph.graph.threaded_saver import callable_saver
from agentcvr_graph.utils.private_loop import iterate_in_private_loop, refuse_running_loop, run_in_private_loop

Out_co = TypeVar("Out_co", covariant=True)
Other_co = TypeVar("Other_co", covariant=True)
ALMOST = 0.8
"""Similarity from which one name counts as another one that is misspelled."""
INPUT = "Pass {'question': 'Which is red?', 'videos': ['a.mp4', 'b.mp4']}."
DESCRIPTIONS = {
    "brief": "Checks the question, opens the videos, writes the first messages.",
    "master": "Takes one turn: where to look, where to listen, or the answer.",
    "visual_agent": "Observes frames of windows and reports what they show.",
    "audio_agent": "Listens to a window and reports what is said and heard.",
    "search": "Searches the index of the videos' evidence.",
    "verify": "Observes a cited window once more and compares the claim with it.",
    "conclude": "Accepts the answer, or sends it back.",
}
"""Description of each node in a drawing."""


class _Run(Protocol[Out_co, Other_co]):
    """The types of `invoke` and `ainvoke`.

    LangGraph types the output of every stream mode at once, as `dict[str, Any] | Any`. Here a call without a mode of
    its own returns `Out_co`, and any other call `Other_co`.
    """

    @overload
    def __call__(
        self,
        input: CVRInput | ChatInput | Command[Any] | None,
        config: RunnableConfig | None = None,
        *,
        context: CVRContext | None = None,
        durability: Durability | None = None,
    ) -> Out_co: ...

    @overload
    def __call__(
        self,
        input: CVRInput | ChatInput | Command[Any] | None,
        config: RunnableConfig | None = None,
        *,
        context: CVRContext | None = None,
        **kwargs: Any,
    ) -> Other_co: ...


class CompiledCVRGraph(CompiledStateGraph[CVRState, CVRContext, InputChannels, OutputChannels]):
    """The compiled graph. Its drawing has a description for every node and no error handlers.

    No edge leads to the error handlers. LangGraph expands a subgraph in a parent's drawing only if it finds one first
    and one last node, so unconnected nodes would prevent that.
    """

    if TYPE_CHECKING:
        ainvoke: _Run[  # pyright: ignore[reportIncompatibleMethodOverride]
            Coroutine[Any, Any, CVROutput], Coroutine[Any, Any, Any]
        ]
        invoke: _Run[CVROutput, Any]  # pyright: ignore[reportIncompatibleMethodOverride]

    def astream(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input: CVRInput | ChatInput | Command[Any] | None, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Stream the run, as `Pregel.astream` does.

        Raises:
            InputError: the input or the context has a type that is neither read nor ignored.
        """
        check_sent(kwargs.get("context"))
        parent = cast(Any, super())  # its overloads differ only in what they yield
        return parent.astream(storable_input(input), described(config, input), **kwargs)

    def stream(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input: CVRInput | ChatInput | Command[Any] | None, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Generator[Any]:
        """Stream the run for a caller without an event loop. Closing the generator cancels the run.

        Raises:
            SetupError: this thread runs an event loop.
        """
        refuse_running_loop(
            "`invoke` and `stream`", "`await graph.ainvoke(...)` or `async for ... in graph.astream(...)`"
        )
        return iterate_in_private_loop(lambda: self.astream(input, config, **kwargs))

    def batch(self, inputs: list[CVRInput | ChatInput], *args: Any, **kwargs: Any) -> list[Any]:
        """Run several inputs in threads, as `Pregel.batch` does.

        Raises:
            SetupError: this thread runs an event loop.
        """
        refuse_running_loop("`batch`", "`await graph.abatch(...)`")
        return super().batch(cast(Any, inputs), *args, **kwargs)

    def bulk_update_state(self, config: RunnableConfig, supersteps: Sequence[Sequence[StateUpdate]]) -> RunnableConfig:
        """Update the state, as `Pregel.bulk_update_state` does; `update_state` is written with this method.

        Raises:
            SetupError: this thread runs an event loop.
        """
        refuse_running_loop("`update_state`", "`await graph.aupdate_state(...)`")
        return run_in_private_loop(lambda: self.abulk_update_state(config, supersteps))

    def _resolve_checkpointer(self, config: RunnableConfig) -> BaseCheckpointSaver[Any] | None:
        saver = cast(Any, super())._resolve_checkpointer(config)
        return callable_saver(cast(Any, saver)) if isinstance(saver, BaseCheckpointSaver) else saver

    def get_graph(self, config: RunnableConfig | None = None, *, xray: int | bool = False) -> Graph:
        """Return the drawing; arguments as in `Pregel.get_graph`."""
        return self._for_display(super().get_graph(config, xray=xray))

    async def aget_graph(self, config: RunnableConfig | None = None, *, xray: int | bool = False) -> Graph:
        """Return the drawing; arguments as in `Pregel.aget_graph`."""
        return self._for_display(await super().aget_graph(config, xray=xray))

    def _for_display(self, drawn: Graph) -> Graph:
        for handler in self.node_error_handler_map.values():
            drawn.remove_node(drawn.nodes[handler])
        for name, node in drawn.nodes.items():
            if name in DESCRIPTIONS:
                metadata = {"description": DESCRIPTIONS[name], **(node.metadata or {})}
                drawn.nodes[name] = node._replace(metadata=metadata)
        return drawn


def _check_spelling(fields: Mapping[str, Any]) -> None:
    """Refuse a field whose name is nearly that of one that is missing. A parent may pass fields of its own.

    Raises:
        InputError: there is such a field.
    """
    missing = [name for name in InputChannels.__annotations__ if name not in fields]
    for name in (name for name in fields if name not in CVRState.__annotations__):
        if meant := difflib.get_close_matches(str(name), missing, n=1, cutoff=ALMOST):
            raise InputError(f"The input has the field {name!r}.", fix=f"Did you mean {meant[0]!r}? {INPUT}")


def storable_input(given: object) -> object:
    """Return the input of a run as a checkpoint can store it: iterators become lists.

    Raises:
        InputError: the input is a text, a list or a number.
    """
    if isinstance(given, str | bytes | list | tuple | set | int | float):
        raise InputError(f"The input is a {type(cast(object, given)).__name__}.", fix=INPUT)
    if not isinstance(given, Mapping):
        return given  # None and commands continue a run; an object with the fields of the input is read by LangGraph
    fields = cast(Mapping[str, Any], given)
    _check_spelling(fields)
    given = {name: list(cast(Any, value)) if isinstance(value, Iterator) else value for name, value in fields.items()}
    if given.get("messages") and not given.get("question"):
        given |= {
            "question": "",
            "videos": given.get("videos") or [],
        }  # an earlier input of the thread is no part of it
    return given
