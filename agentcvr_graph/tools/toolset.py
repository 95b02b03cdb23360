"""The tools of one graph, looked up by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from pydantic import BaseModel

from agentcvr_graph.errors import ActionError, SetupError
from agentcvr_graph.tools.answer import AnswerArgs
from agentcvr_graph.tools.spec import AnyTool, AnyToolSpec, ToolSpec


class Toolset:
    """The tools of one graph, in the order in which the master reads them.

    Args:
        tools: the tools; at least one ends the question.

    Raises:
        SetupError: two tools share a name, none ends the question, or one that ends it takes other arguments than
            `AnswerArgs`.
    """

    def __init__(self, tools: Iterable[AnyTool]) -> None:
        listed = list(tools)
        self._tools = {tool.name: tool for tool in listed}
        if len(self._tools) < len(listed):
            raise SetupError(f"Two tools have the same name: {', '.join(tool.name for tool in listed)}.")
        if not self.ending:
            raise SetupError("No tool ends the question.", fix="Add agentcvr_graph.tools.ANSWER.")
        for name in self.ending:
            if not issubclass(self._tools[name].arguments, AnswerArgs):
                raise SetupError(
                    f"The tool {name!r} ends the question, but its arguments are no AnswerArgs.",
                    fix="Derive them from agentcvr_graph.tools.AnswerArgs, or make the tool a ToolSpec.",
                )

    def __iter__(self) -> Iterator[AnyTool]:
        return iter(self._tools.values())

    def __getitem__(self, name: str) -> AnyTool:
        """Return the tool of that name.

        Raises:
            ActionError: there is none.
        """
        if name not in self._tools:
            raise ActionError(f"There is no tool {name!r}; the tools are {', '.join(self._tools)}.")
        return self._tools[name]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tools)

    @property
    def schemas(self) -> tuple[dict[str, Any], ...]:
        """The canonical tool dictionaries that every model gets."""
        return tuple(tool.schema for tool in self)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that carry out the tools, each once."""
        return tuple(dict.fromkeys(tool.node for tool in self if isinstance(tool, ToolSpec)))

    @property
    def ending(self) -> tuple[str, ...]:
        """The names of the tools that end the question."""
        return tuple(tool.name for tool in self if not isinstance(tool, ToolSpec))

    def ends(self, name: str) -> bool:
        """Return whether the tool of that name ends the question; False if there is no such tool."""
        return name in self.ending

    def spec(self, name: str) -> AnyToolSpec:
        """Return the specification of a tool that returns evidence.

        Raises:
            ActionError: there is no tool of that name, or it ends the question.
        """
        tool = self[name]
        if not isinstance(tool, ToolSpec):
            raise ActionError(f"The tool {name!r} ends the question and observes nothing.")
        return cast(AnyToolSpec, tool)

    def read(self, name: str, arguments: Mapping[str, object]) -> BaseModel:
        """Return the typed arguments of a call.

        Raises:
            ActionError: the tool does not exist or the arguments do not fit; the message names the field.
        """
        return self[name].read(arguments)

    def read_answer(self, name: str, arguments: Mapping[str, object]) -> AnswerArgs:
        """Return the typed arguments of a call that ends the question.

        Raises:
            ActionError: the arguments do not fit; the message names the field.
        """
        return cast(AnswerArgs, self.read(name, arguments))
