"""The outline of a tool: what is needed to read a call that a master wrote as text, and to know what ends the run.

A brief stores the outlines of its graph's tools. A turn is therefore read by the tools that the master had, also where
only the messages are at hand. An outline does not know types, descriptions or what a tool does.
"""

from __future__ import annotations

from collections.abc import Sequence

from agentcvr_graph.types import FrozenModel


class ToolOutline(FrozenModel):
    """One tool."""

    name: str
    parameters: tuple[str, ...]
    """The names of its parameters, in order."""
    aliases: tuple[str, ...] = ()
    """Names under which other systems know the tool."""
    ends: bool = False
    """Whether it ends the question."""


Outlines = tuple[ToolOutline, ...]
"""The tools of one graph."""


def outline_of(name: str, tools: Outlines) -> ToolOutline | None:
    """Return the tool of that name in any letter case, else the tool with that alias; None if there is none."""
    folded = name.strip().casefold()
    own = (tool for tool in tools if tool.name.casefold() == folded)
    return next(own, next((tool for tool in tools if folded in tool.aliases), None))


def parameters_of(tools: Outlines) -> dict[str, Sequence[str]]:
    """Return the parameters of each tool by its names in small letters; a tool's own name goes before an alias."""
    aliases = {alias: tool.parameters for tool in tools for alias in tool.aliases}
    return {**aliases, **{tool.name.casefold(): tool.parameters for tool in tools}}
