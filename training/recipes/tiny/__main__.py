"""Run the recipe for every seed, then summarize all seeds: `make train-tiny`."""

from __future__ import annotations

import json
import shutil
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

RELEASED = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
TEMPLATE = "chat_template.jinja"
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
        bool,
        typer.Option(
            "--release", help="Copy the best seed's policy to where 'tiny' loads it, and its curves to results."
        ),
    ] = False,
) -> None:
    """Train a small master from nothing, and evaluate it scripted and live."""
    quiet()
    overrides = read_overrides(changed or [])
    shared = settings_of(config, folder, 0, overrides)
    if shared.held_out is None:
        raise InputError(f"{config} names no held-out scripts.", fix="Give it a part `held_out`.")
    chosen = one_of("--curriculum", curriculum, tuple(BY_NAME)) if curriculum else ""
    scale = Scale(Size(width, layers), demonstrations, processes, chosen, first)
    runs = {seed: settings_of(config, folder / f"seed-{seed}", seed, overrides) for seed in seeds or [0, 1, 2]}
    if sft_only:
        for settings in runs.values():
            warm_up(settings, scale, err)
        return
    measured: dict[int, Measures] = {}
    for seed, settings in runs.items():
        measured[seed] = run_seed(settings, scale, live, err)
        measured[seed].write(results / f"seed-{seed}.json")
    _summarize(results, recipe_of(shared, scale), chance_level(shared.held_out.load()))
    if release:
        best = max(measured, key=lambda seed: measured[seed].accuracy("grpo"))
        _release(folder / f"seed-{best}", results)


def _summarize(results: Path, recipe: str, chance: float) -> None:
    """Write the summary of all seeds of a recipe beside their results, and print its table."""
    found = summary(measured_alike(results, recipe), chance)
    results.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    out.print(table(found), markup=False)


def _release(seed: Path, results: Path) -> None:
    TINY.mkdir(parents=True, exist_ok=True)
    reports = sorted(seed.glob("trajectories/*/*.html"))[-1]
    copies = {seed / "policy" / name: TINY / name for name in (*RELEASED, TEMPLATE)}
    copies |= {seed / name: results / name for name in ("sft.png", "grpo.png")}
    copies[reports] = results / "trajectory.html"
    for source, target in copies.items():
        shutil.copyfile(source, target)  # the copy is readable for all users
    err.print(f"released {seed}")


if __name__ == "__main__":
    run_app(app, "training")
