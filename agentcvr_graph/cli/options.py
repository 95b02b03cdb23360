"""Options that several commands share, each with its help text: models, budgets, noise, prices.

Options of a single command are defined beside that command; those of `eval`, which are many, in `eval_options.py`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import typer

from agentcvr_graph.cli.console import one_of
from agentcvr_graph.graph.context import Abstaining, CVRContext, WantedDialect

MODELS, BUDGETS, RUNNING = "Models", "Budgets", "Running"
"""Headings of the help."""
DEFAULTS = CVRContext()
Options = TypeVar("Options")


def share_of(text: str) -> float:
    """Return the budget that `--budget` states, as a share of the full cost.

    Raises:
        BadParameter: it is not a number from 0.01 to 1.
    """
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0.01 <= share <= 1.0:
        raise typer.BadParameter(f"{text} is no share of the full cost from 0.01 to 1; write 0.3 for 30 %")
    return share


Master = Annotated[
    str, typer.Option(help="Model string of the master; see 'agentcvr models --help'.", rich_help_panel=MODELS)
]
Vision = Annotated[str, typer.Option(help="Model string of the vision model.", rich_help_panel=MODELS)]
Audio = Annotated[str, typer.Option(help="Model string of the audio model.", rich_help_panel=MODELS)]
Dialect = Annotated[str, typer.Option(help="How the master acts: auto, tools, schema or json.", rich_help_panel=MODELS)]
Features = Annotated[
    str,
    typer.Option(
        help="What the master may do besides, separated by commas: abstain, confidence, find, verify, zoom.",
        rich_help_panel=MODELS,
    ),
]
Verify = Annotated[
    str,
    typer.Option(
        metavar="JUDGE",
        help="Observe cited windows once more and let this model judge their claims; 'offline' compares words.",
        rich_help_panel=MODELS,
    ),
]
Abstain = Annotated[
    str,
    typer.Option(
        help="allowed: a run may end without a value and say what it looked for; never: it guesses then.",
        rich_help_panel=MODELS,
    ),
]
Noise = Annotated[
    str, typer.Option(help="Noise of scripted perception: off, clear, mild, fitted, or a JSON file of rates.")
]
MaxTurns = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Largest number of turns of the master; by default as many as it was trained with, "
        f"where its folder states that, else {DEFAULTS.max_turns}.",
        rich_help_panel=BUDGETS,
    ),
]
MaxFrames = Annotated[int, typer.Option(min=0, help="Largest number of frames to observe.", rich_help_panel=BUDGETS)]
Budget = Annotated[
    float | None,
    typer.Option(
        parser=share_of,
        metavar="SHARE",
        help="Share of what looking at and hearing everything in a script costs, from 0.01 to 1; by default there is "
        "no such limit.",
        rich_help_panel=BUDGETS,
    ),
]
Engine = Annotated[str, typer.Option(help="Where jobs run: local, or ray for a cluster.", rich_help_panel=RUNNING)]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]
PriceIn = Annotated[float, typer.Option(min=0, help="Price of a million input tokens.", rich_help_panel=RUNNING)]
PriceOut = Annotated[float, typer.Option(min=0, help="Price of a million output tokens.", rich_help_panel=RUNNING)]


def with_options(run: Callable[[Options], None], options: Callable[..., Options]) -> Callable[..., None]:
    """Return a command for Typer whose options are the fields of a dataclass, with the help of `run`."""

    def command(**given: Any) -> None:
        run(options(**given))

    command.__doc__ = run.__doc__
    command.__annotations__ = get_type_hints(options, include_extras=True)
    vars(command)["__signature__"] = inspect.signature(options, eval_str=True)
    return command


def context_of(
    master: str,
    max_turns: int | None = None,
    max_frames: int = DEFAULTS.max_frames,
    dialect: str = "auto",
    abstain: str = "allowed",
) -> CVRContext:
    """Return the settings of a run from the options of a command.

    Args:
        master: model string of the master.
        max_turns: None for as many as the master was trained with.

    Raises:
        InputError: a choice is unknown.
        SetupError: the model string is unknown, or its folder states no number of turns that can be read.
    """
    checked = one_of("--dialect", dialect, get_args(WantedDialect))
    allowed = one_of("--abstain", abstain, get_args(Abstaining))
    turns = turns_of(master, max_turns)
    return CVRContext(max_turns=turns, max_frames=max_frames, dialect=checked, abstain=allowed)


def turns_of(master: str, max_turns: int | None) -> int:
    """Return the number of turns of a run: the given one, else that of the master's training, else the default.

    Raises:
        SetupError: the model string is unknown, or its folder states no number of turns that can be read.
    """
    from agentcvr_graph.models.registry import read_model_string

    return max_turns or read_model_string(master).trained_turns() or DEFAULTS.max_turns


def with_judge(features: str, judge: str) -> str:
    """Return the names of features, with `verify` by a judge if one is named."""
    return ",".join(filter(None, [features, f"verify={judge}" if judge else ""]))


def checked_engine(engine: str) -> str:
    """Return the name of the engine.

    Raises:
        InputError: the engine is unknown.
    """
    return one_of("--engine", engine, ("local", "ray"))
