"""The tools of one graph, looked up by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, cast

from pydantic import BaseModel

from agentcvr_graph.errors import ActionError, SetupError
from agentcvr_graph.models.claims import ClaimJudge
from agentcvr_graph.tools.answer import AnswerArgs
from agentcvr_graph.tools.arguments import with_defaults
from agentcvr_graph.tools.outline import Outlines, ToolOutline
from agentcvr_graph.tools.spec import AnyTool, AnyToolSpec, ToolSchema, ToolSpec


class Toolset:
    """The tools of one graph, in the order in which the master reads them.

    Args:
        tools: the tools; at least one ends the question.
        judge: what judges the claims of citations; None without the feature `verify`.

    Raises:
        SetupError: a tool is no `ToolSpec` or `ToolSchema`, two tools share a name, none ends the question, or one
            that ends it takes other arguments than `AnswerArgs`.
    """

    def __init__(self, tools: Iterable[AnyTool], judge: ClaimJudge | None = None) -> None:
        self.judge = judge
        listed = list(tools)
        for tool in listed:
            _check_tool(tool)
        self._tools = {tool.name: tool for tool in listed}
        self._aliases = {alias: tool.name for tool in listed for alias in tool.aliases}
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
        tool = self._tools.get(self._known(name))
        if tool is None:
            raise ActionError(f"There is no tool {name!r}; the tools are {', '.join(self._tools)}.")
        return tool

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

    @cached_property
    def stored_outlines(self) -> list[dict[str, Any]]:
        """The outlines as a brief stores them."""
        return [outline.model_dump(mode="json") for outline in self.outlines]

    @cached_property
    def outlines(self) -> Outlines:
        """What is needed to read a call that a master wrote as text."""
        return tuple(
            ToolOutline(
                name=tool.name,
                parameters=tuple(tool.arguments.model_fields),
                aliases=tuple(tool.aliases),
                ends=tool.name in self.ending,
            )
            for tool in self
        )

    def ends(self, name: str) -> bool:
        """Return whether the tool of that name ends the question; False if there is no such tool."""
        return self._known(name) in self.ending

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
        return self.read_noting(name, arguments)[0]

    def read_noting(self, name: str, arguments: Mapping[str, object]) -> tuple[BaseModel, tuple[str, ...]]:
        """Return the typed arguments of a call, and notes for the master on what was ignored.

        Raises:
            ActionError: as `read`.
        """
        tool = self[name]
        optional = tool.aliases.get(name.strip().casefold())
        return tool.read_noting(with_defaults(arguments, optional) if optional else arguments)

    def read_answer(self, name: str, arguments: Mapping[str, object]) -> tuple[AnswerArgs, tuple[str, ...]]:
        """Return the typed arguments of a call that ends the question, and notes as `read_noting`.

        Raises:
            ActionError: the arguments do not fit; the message names the field.
        """
        return cast(tuple[AnswerArgs, tuple[str, ...]], self.read_noting(name, arguments))

    def _known(self, name: str) -> str:
        """Return the tool's own name for an alias, or for a name in another letter case; own names come first."""
        if name in self._tools:
            return name
        folded = name.strip().casefold()
        return next((own for own in self._tools if own.casefold() == folded), self._aliases.get(folded, name))


def _check_tool(tool: object) -> None:
    if not isinstance(tool, ToolSchema):
        shown = getattr(tool, "name", None) or repr(tool)
        raise SetupError(
            f"The tool {shown!r} is an object of {type(tool).__name__}.",
            fix="Write it as a `ToolSpec` of agentcvr_graph.tools, which plans, prices and carries out its calls.",
        )
