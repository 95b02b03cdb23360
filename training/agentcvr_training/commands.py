"""The command line of training: `agentcvr train grpo | sft | demonstrate | evaluate | release | dry-run`.

The package `agentcvr_graph` finds `app` through the entry-point group `agentcvr_graph.commands`, so the library does
not import the training package. `python -m agentcvr_training` is the same command line for launchers that start a
module in several processes (`accelerate launch -m agentcvr_training grpo CONFIG`).

Importing this module loads neither torch nor TRL: `agentcvr --help` must stay fast, and work without them.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agentcvr_graph.cli.options import share_of
from agentcvr_graph.errors import InputError, missing_extra
from agentcvr_training.config.shipped import find_config, shipped_configs

EXTRA = "training"
EXAMPLES = {
    "grpo": """
[bold]Examples[/bold]

agentcvr train grpo qwen3_4b --dry-run

agentcvr train grpo my_config.yaml --set seed=1 --set grpo.trainer.max_steps=10

accelerate launch --config_file fsdp.yaml -m agentcvr_training grpo my_config.yaml
""",
    "sft": """
[bold]Examples[/bold]

agentcvr train sft my_config.yaml

agentcvr train sft my_config.yaml --set sft.least_score=0.5
""",
    "demonstrate": """
[bold]Examples[/bold]

agentcvr train demonstrate minute --out demonstrations.jsonl

agentcvr train demonstrate --master openai:gpt-4.1 --scripts train.jsonl --out demonstrations.jsonl

agentcvr train demonstrate --task CC --task FSA --each 500 --seed 9000 --out demonstrations.jsonl
""",
    "evaluate": """
[bold]Examples[/bold]

agentcvr train evaluate runs/mine/policy --scripts heldout.jsonl

agentcvr train evaluate runs/mine/policy --config my_config.yaml --budget 0.25 --budget 0.5 --budget 1

agentcvr train evaluate runs/mine/policy --task SPOT --task LOCK --each 50 --seed 900000 --phrasing held-out
""",
    "release": """
[bold]Example[/bold]

agentcvr train release runs/mine/policy --out my-master --config my_config.yaml --scores questions.jsonl --license mit
""",
    "dry-run": """
[bold]Example[/bold]

agentcvr train dry-run qwen3_8b --set rollout.max_length=4096
""",
}
Config = Annotated[
    str, typer.Argument(help=f"A YAML file, or the name of a shipped configuration: {', '.join(shipped_configs())}.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Replace a value of the file, as grpo.trainer.max_steps=10."),
]
Library = Annotated[str, typer.Option("--scripts", help="A file or folder of scripts.")]
Tasks = Annotated[
    list[str] | None, typer.Option("--task", "-t", help="Task to make procedural scripts of, such as CC or SPOT.")
]
Level = Annotated[str, typer.Option("--difficulty", help="With --task: easy, normal or hard.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything and print the plan; load no weights.")]

app = typer.Typer(
    help="Train a master: record demonstrations, warm-start on them, reinforce on graph trajectories.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)


@contextmanager
def _needs_training() -> Generator[None]:
    """Report a missing package as an error that names the extra to install.

    Raises:
        SetupError: a package of the extra `training` is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise missing_extra(error.name or "a library", EXTRA) from error


@app.command(epilog=EXAMPLES["grpo"])
def grpo(config: Config, overrides: Overrides = None, dry_run: DryRun = False) -> None:
    """Train a master with GRPO on runs of the graph in swap mode; the same command resumes a run that was stopped."""
    if dry_run:
        _print_plan(config, overrides)
        return
    with _needs_training():
        from agentcvr_training.config.settings import load_settings, read_overrides
        from agentcvr_training.grpo import train
        from agentcvr_training.trainer.run import quiet

        quiet()
        train(load_settings(find_config(config), read_overrides(overrides or [])))


@app.command(epilog=EXAMPLES["sft"])
def sft(config: Config, overrides: Overrides = None, dry_run: DryRun = False) -> None:
    """Warm-start a master on demonstrations (the part `sft` of the configuration)."""
    if dry_run:
        _print_plan(config, overrides)
        return
    with _needs_training():
        from agentcvr_training.config.settings import load_settings, read_overrides
        from agentcvr_training.sft import warm_start
        from agentcvr_training.trainer.run import quiet

        quiet()
        warm_start(load_settings(find_config(config), read_overrides(overrides or [])))


@app.command("dry-run", epilog=EXAMPLES["dry-run"])
def dry_run(config: Config, overrides: Overrides = None) -> None:
    """Check a configuration completely and print what a run needs, without loading weights."""
    _print_plan(config, overrides)


def _print_plan(config: str, overrides: list[str] | None) -> None:
    with _needs_training():
        from agentcvr_training.config.dry_run import show_plan
        from agentcvr_training.config.settings import load_settings, read_overrides
        from agentcvr_training.trainer.run import quiet

        quiet()
        show_plan(load_settings(find_config(config), read_overrides(overrides or [])), Console())


@app.command(epilog=EXAMPLES["demonstrate"])
def demonstrate(
    to: Annotated[
        Path, typer.Option("--out", help="The .jsonl file. Lines are appended; scripts that it holds are skipped.")
    ],
    config: Annotated[
        str, typer.Argument(help="A file or a shipped name: its graph, noise and, unless named here, scripts.")
    ] = "",
    overrides: Overrides = None,
    master: Annotated[
        str, typer.Option(help="Model string of the demonstrating master: offline, openai:..., http://...")
    ] = "offline",
    scripts: Library = "",
    tasks: Tasks = None,
    each: Annotated[int, typer.Option(min=1, help="With --task: scripts of each task.")] = 100,
    seed: Annotated[int, typer.Option(help="With --task: seed of the first script of each task.")] = 0,
    difficulty: Level = "normal",
    dialect: Annotated[str, typer.Option(help="auto, tools or json; default: the configuration's.")] = "",
    live_graphs: Annotated[int, typer.Option(min=1, help="Conversations in flight.")] = 16,
) -> None:
    """Record how a master answers scripts, for a policy to imitate; the same command resumes."""
    with _needs_training():
        from agentcvr_training.config.settings import load_settings, read_overrides
        from agentcvr_training.demonstrations import choose_scripts, record

        settings = load_settings(find_config(config), read_overrides(overrides or [])) if config else None
        chosen = choose_scripts(settings, scripts, tasks or [], each, seed, difficulty)
        raise typer.Exit(record(to, master, chosen, settings, dialect=dialect, live_graphs=live_graphs))


@app.command(epilog=EXAMPLES["evaluate"])
def evaluate(
    policy: Annotated[Path, typer.Argument(help="Folder of a trained policy, or of any model in that format.")],
    scripts: Library = "",
    tasks: Tasks = None,
    each: Annotated[int, typer.Option(min=1, help="With --task: scripts of each task.")] = 50,
    seed: Annotated[int, typer.Option(help="With --task: seed of the first script of each task.")] = 900_000,
    difficulty: Level = "normal",
    phrasing: Annotated[str, typer.Option(help="With --task: training or held-out wordings.")] = "held-out",
    budgets: Annotated[
        list[float] | None,
        typer.Option(
            "--budget",
            parser=share_of,
            metavar="SHARE",
            help="Share of what looking at and hearing everything costs, from 0.01 to 1; repeatable.",
        ),
    ] = None,
    config: Annotated[
        str,
        typer.Option(
            help="A file or a shipped name: its graph, rollout and, unless named here, held-out scripts. "
            "Name that of the training: with other turns, tools or noise a policy may act otherwise."
        ),
    ] = "",
    overrides: Overrides = None,
    to: Annotated[Path | None, typer.Option("--out", help="Also write every question as a .jsonl file.")] = None,
) -> None:
    """Score a policy on scripts, greedily, beside a blind baseline and chance."""
    with _needs_training():
        from agentcvr_graph.cli.console import err
        from agentcvr_training.config.named_scripts import named_scripts
        from agentcvr_training.config.settings import load_settings, read_overrides
        from agentcvr_training.evaluate import evaluate as run_evaluation
        from agentcvr_training.evaluate import settings_for
        from agentcvr_training.trainer.run import quiet

        quiet()
        if overrides and not config:
            raise InputError("--set changes a configuration, and none is named.", fix="Name one with --config.")
        settings = (
            load_settings(find_config(config), read_overrides(overrides or [])) if config else settings_for(policy)
        )
        if not config:
            turns = "" if "max_turns" in settings.graph else f"turns ({settings.context.max_turns}), "
            err.print(f"note: without --config the {turns}tools and noise (off) may not be those of the training")
        if scripts or tasks:
            chosen = named_scripts(scripts, tasks or [], each, seed, difficulty, phrasing)
        else:
            chosen = settings.held_out_scripts()
        run_evaluation(policy, settings, chosen, budgets or [1.0], to)


@app.command(epilog=EXAMPLES["release"])
def release(
    policy: Annotated[Path, typer.Argument(help="Folder of a trained policy.")],
    to: Annotated[Path, typer.Option("--out", help="The folder to write; its name is the model's.")],
    licence: Annotated[str, typer.Option("--license", help="Licence of the weights, as on the Hub: mit, apache-2.0.")],
    config: Annotated[str, typer.Option(help="The configuration that it was trained with, for the card.")] = "",
    overrides: Overrides = None,
    scores: Annotated[
        Path | None, typer.Option(help="What `agentcvr train evaluate --out` wrote, for the card.")
    ] = None,
) -> None:
    """Write a policy in bf16 with a model card: data, recipe, scores, licence."""
    with _needs_training():
        from agentcvr_training.config.settings import load_settings, read_overrides
        from agentcvr_training.release import Release
        from agentcvr_training.release import release as write_release
        from agentcvr_training.trainer.run import quiet

        quiet()
        settings = load_settings(find_config(config), read_overrides(overrides or [])) if config else None
        write_release(Release(policy, to, licence, settings, scores))
