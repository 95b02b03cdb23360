"""Commands that are listed without being imported, so that `agentcvr --help` and shell completion stay fast.

A command's module declares its options and needs pydantic, the answer kinds and the registries for their help texts.
`agentcvr --help` needs the name and one line of each command only. `LazyGroup` therefore holds a placeholder for each
command and replaces it with the real one when the command is called.
"""

from __future__ import annotations

import pkgutil
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


class LazyCommand(TyperCommand):
    """The placeholder of a command: its name, its line in the list of commands, and where the command is defined."""

    target = ""
    """`MODULE:ATTRIBUTE` of a `typer.Typer`."""

    def load(self) -> Any:
        """Import the command and return it."""
        return typer.main.get_command(pkgutil.resolve_name(self.target))


class LazyGroup(TyperGroup):
    """A group of commands that are imported when they are called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return name, command and remaining arguments; import the command if it is a placeholder."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, loaded(command), rest


def loaded(command: Any) -> Any:
    """Return a command, imported if it is a placeholder."""
    return command.load() if isinstance(command, LazyCommand) else command


def add_lazy(app: typer.Typer, name: str, target: str, line: str) -> None:
    """Add a command.

    Args:
        target: `MODULE:ATTRIBUTE` of the `typer.Typer` that defines it.
        line: the first sentence of the command's help.
    """
    placeholder = type(f"Lazy_{name}", (LazyCommand,), {"target": target})
    app.command(name, cls=placeholder, help=line)(_placeholder)


def _placeholder() -> None:
    """Stand for a command that is not imported yet."""
