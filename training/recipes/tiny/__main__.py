"""Run the recipe for every seed, then summarize all seeds: `make train-tiny`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from agentcvr_training.config.settings import read_overrides
from agentcvr_training.trainer.run import quiet

from agentcvr_graph.cli.console import err, one_of, out, run_app
from agentcvr_graph.errors import InputError
from agentcvr_graph.models.providers.tiny import TINY
from agentcvr_graph.scripts.chance import chance_level
from training.recipes.processes import default_processes
from training.recipes.tiny.curriculum import BY_NAME
from training.recipes.tiny.initialization import Size
from training.recipes.tiny.recipe import Scale, recipe_of, run_seed, settings_of, warm_up
from training.recipes.tiny.summary import Measures, measured_alike, summary, table

RELEASED = (
    *("config.json", "generation_config.json", "model.safetensors"),
    *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
)
EXAMPLES = """
[bold]Examples[/bold]

python -m training.recipes.tiny                        three seeds, which takes hours; the same command resumes

python -m training.recipes.tiny --seed 0 --live 0      one seed, without real video

python -m training.recipes.tiny --seed 2               one more seed; the figures are over all seeds in results

python -m training.recipes.tiny training/recipes/tiny/configs/tours.yaml --seed 0 --folder runs/tours-2 \\
  --from runs/tours --curriculum tours-2 --set sft.trainer.learning_rate=2.0e-3 --sft-only
"""
app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command(epilog=EXAMPLES)
def main(
    config: Annotated[Path, typer.Argument(help="The configuration.")] = Path(
        "training/recipes/tiny/configs/tiny.yaml"
    ),
    seeds: Annotated[
        list[int] | None, typer.Option("--seed", help="A seed; repeat the option for more. Default 0 1 2.")
    ] = None,
    folder: Annotated[Path, typer.Option("--folder", help="Folder of the runs.")] = Path("runs/tiny"),
    live: Annotated[
        int, typer.Option(min=0, help="Held-out questions of each task that are rendered and evaluated live.")
    ] = 12,
    results: Annotated[
        Path,
        typer.Option(help="Folder for every question of every seed; the summary is written beside it."),
    ] = Path("training/recipes/tiny/results/tiny"),
    width: Annotated[int, typer.Option(min=128, help="Width of the model; a multiple of 32.")] = Size().width,
    layers: Annotated[int, typer.Option(min=2, help="Layers of the model.")] = Size().layers,
    demonstrations: Annotated[
        float, typer.Option(min=0.01, help="Factor on the number of demonstrations of the recipe.")
    ] = 1.0,
    curriculum: Annotated[
        str, typer.Option(help=f"The demonstrations: {', '.join(filter(None, BY_NAME))}; default those of the tasks.")
    ] = "",
    first: Annotated[
        Path | None,
        typer.Option("--from", help="Folder of an earlier round: its warm start replaces the random weights."),
    ] = None,
    changed: Annotated[
        list[str] | None, typer.Option("--set", help="A setting that differs from the file, as NAME=VALUE.")
    ] = None,
    sft_only: Annotated[bool, typer.Option("--sft-only", help="Stop after the warm start.")] = False,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes that share a training; one on an accelerator.")
    ] = default_processes(),
    release: Annotated[
        bool, typer.Option("--release", help="Copy the policy of the best seed to where the master 'tiny' loads it.")
    ] = False,
) -> None:
    """Train a small master from nothing, and evaluate it scripted and live."""
    quiet()
    overrides = read_overrides(changed or [])
    shared = settings_of(config, folder, 0, overrides)
    if shared.held_out is None:
        raise InputError(f"{config} names no held-out scripts.", fix="Give it a part `held_out`.")
    chosen = one_of("--curriculum", curriculum, tuple(filter(None, BY_NAME))) if curriculum else ""
    scale = Scale(Size(width, layers), demonstrations, processes, chosen, first)
    runs = {seed: settings_of(config, folder / f"seed-{seed}", seed, overrides) for seed in seeds or [0, 1, 2]}
    if sft_only:
        for settings in runs.values():
            warm_up(settings, scale, err)
        return
    for seed, settings in runs.items():
        run_seed(settings, scale, live, err).write(results / f"seed-{seed}.json")
    seeds_so_far = measured_alike(results, recipe_of(shared, scale))
    _summarize(seeds_so_far, results, chance_level(shared.held_out.load()))
    best = max(seeds_so_far, key=lambda one: one.accuracy("grpo")).seed
    if best in runs:
        _copy_curves(folder / f"seed-{best}", results)
    if release:
        _release(folder / f"seed-{best}" / "policy")


def _summarize(seeds: Sequence[Measures], results: Path, chance: float) -> None:
    """Write the summary of all seeds of a recipe beside their results, and print its table."""
    found = summary(seeds, chance)
    results.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    out.print(table(found), markup=False)


def _copy_curves(seed: Path, results: Path) -> None:
    """Copy the curves of a seed and its last reported trajectory beside the questions."""
    copies = {curve: curve.name for curve in seed.glob("*.png")}
    copies |= dict.fromkeys(sorted(seed.glob("trajectories/*/*.html"))[-1:], "trajectory.html")
    for source, name in copies.items():
        shutil.copyfile(source, results / name)  # the copy is readable for all users


def _release(policy: Path) -> None:
    """Copy a policy into the package.

    Raises:
        InputError: the best seed of the recipe was trained elsewhere.
    """
    if not policy.exists():
        raise InputError(f"The best seed has no policy in {policy}.", fix="Name the folder of its run with --folder.")
    for name in RELEASED:
        shutil.copyfile(policy / name, TINY / name)
    err.print(f"released {policy}")


if __name__ == "__main__":
    run_app(app, "training")
