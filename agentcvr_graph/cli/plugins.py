"""Commands that other packages add to `agentcvr` with the entry-point group `agentcvr_graph.commands`.

An entry point names a `typer.Typer`:

    [project.entry-points."agentcvr_graph.commands"]
    train = "agentcvr_training.commands:app"

The library does not import the packages that extend it. It loads an entry point only when its command is run, so
`agentcvr --help` stays fast and a broken package does not break other commands. A command of the library has precedence
over an entry point of the same name.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint

import typer

from agentcvr_graph.errors import SetupError, missing_extra

GROUP = "agentcvr_graph.commands"


@dataclass(frozen=True)
class KnownPlugin:
    """A command that is listed even when its package is not installed."""

    help: str
    package: str
    """The import package that provides it."""
    extra: str
    """The extra of `agentcvr-graph` that installs what the command needs."""


KNOWN = {"train": KnownPlugin("Train a master on scripts (SFT, GRPO).", "agentcvr_training", "training")}


@dataclass(frozen=True)
class PluginCommand:
    """A command from another package, loaded when it is run."""

    name: str
    entry_point: EntryPoint | None
    """None for a known command whose package is not installed."""

    @property
    def help(self) -> str:
        """The line in `agentcvr --help`."""
        if self.name in KNOWN:
            return KNOWN[self.name].help
        return f"From the package {self._distribution}."

    def run(self, arguments: list[str], command_path: str) -> None:
        """Load the command and run it with these arguments.

        Args:
            arguments: everything after the name of the command.
            command_path: name of the command in usage texts, for example `agentcvr train`.

        Raises:
            SetupError: the package or a package it needs is not installed, or it cannot be loaded.
        """
        try:
            self._load()(arguments, prog_name=command_path)
        except ImportError as error:
            if self.name not in KNOWN:
                raise
            raise missing_extra(error.name or KNOWN[self.name].package, KNOWN[self.name].extra) from error

    @property
    def _distribution(self) -> str:
        found = self.entry_point.dist if self.entry_point else None
        return found.name if found else "?"

    def _load(self) -> typer.Typer:
        if self.entry_point is None:
            raise ImportError
        try:
            app = self.entry_point.load()
        except Exception as error:
            if isinstance(error, ImportError) and self.name in KNOWN:
                raise
            raise self._broken(f"{type(error).__name__}: {error}") from error
        if not isinstance(app, typer.Typer):
            raise self._broken(f"{self.entry_point.value} is of type {type(app).__name__} and not a typer.Typer")
        return app

    def _broken(self, reason: str) -> SetupError:
        return SetupError(
            f"The command {self.name!r} from the package {self._distribution} cannot be loaded: {reason}.",
            fix="Reinstall or remove that package.",
        )


def plugin_commands() -> Iterator[PluginCommand]:
    """Yield the known commands and the installed ones, by name."""
    installed = {found.name: found for found in importlib.metadata.entry_points(group=GROUP)}
    for name in sorted({*KNOWN, *installed}):
        yield PluginCommand(name, installed.get(name))


def add_plugins(app: typer.Typer) -> None:
    """Add a command for each plugin, except where `app` has its own command of that name."""
    own = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    for command in plugin_commands():
        if command.name not in own:
            _add(app, command)


def _add(app: typer.Typer, command: PluginCommand) -> None:
    def run(context: typer.Context) -> None:
        command.run(context.args, context.command_path)

    # All arguments, `--help` included, belong to the plugin's own parser.
    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    app.command(command.name, help=command.help, add_help_option=False, context_settings=settings)(run)
