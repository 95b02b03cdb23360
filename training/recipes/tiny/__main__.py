"""`make train-tiny`: the recipe for every seed, then the figures over all of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer
from agentcvr_training.trainer.processes import sensible_processes
from agentcvr_training.trainer.run import quiet

from agentcvr_graph.cli.console import err, out, run_app
from agentcvr_graph.errors import InputError
from agentcvr_graph.models.providers.tiny import TINY
from agentcvr_graph.scripts.chance import chance_level
from training.recipes.tiny.initialization import Size
from training.recipes.tiny.recipe import Scale, recipe_of, run_seed, settings_of
from training.recipes.tiny.summary import Measures, measured_alike, summary, table

RELEASED = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
TEMPLATE = "chat_template.jinja"
EXAMPLES = """
[bold]Examples[/bold]

python -m training.recipes.tiny                        three seeds, which takes hours; resumes

python -m training.recipes.tiny --seed 0 --live 0      one seed, without real video

python -m training.recipes.tiny --seed 2               one seed more; the figures are over all that lie in results
"""
app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command(epilog=EXAMPLES)
def main(
    config: Annotated[Path, typer.Argument(help="The configuration.")] = Path(
        "training/agentcvr_training/configs/tiny.yaml"
    ),
    seeds: Annotated[
        list[int] | None, typer.Option("--seed", help="A seed; give it again for more. Default 0 1 2.")
    ] = None,
    folder: Annotated[Path, typer.Option("--folder", help="Where everything is kept.")] = Path("runs/tiny"),
    live: Annotated[int, typer.Option(min=0, help="Questions of each task that are filmed and asked live.")] = 12,
    results: Annotated[
        Path,
        typer.Option(help="Where every question of every seed goes; the figures, beside it."),
    ] = Path("training/recipes/tiny/results/tiny"),
    width: Annotated[int, typer.Option(min=128, help="Of the model; a multiple of 32.")] = Size().width,
    layers: Annotated[int, typer.Option(min=2, help="Of the model.")] = Size().layers,
    lessons: Annotated[float, typer.Option(min=0.01, help="Demonstrations, times those of the recipe.")] = 1.0,
    processes: Annotated[
        int, typer.Option(min=1, help="Among which a training is shared; one on an accelerator.")
    ] = sensible_processes(),
    release: Annotated[
        bool,
        typer.Option(
            "--release", help="Put the best seed's policy where 'tiny' loads it, and its curves into results."
        ),
    ] = False,
) -> None:
    """Train a small master from nothing, and measure it scripted and live."""
    quiet()
    shared = settings_of(config, folder, 0)
    if shared.held_out is None:
        raise InputError(f"{config} names no held-out scripts.", fix="Give it a part `held_out`.")
    scale = Scale(Size(width, layers), lessons, processes)
    measured: dict[int, Measures] = {}
    for seed in seeds or [0, 1, 2]:
        measured[seed] = run_seed(settings_of(config, folder / f"seed-{seed}", seed), scale, live, err)
        measured[seed].write(results / f"seed-{seed}.json")
    found = summary(measured_alike(results, recipe_of(shared, scale)), chance_level(shared.held_out.load()))
    results.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    out.print(table(found), markup=False)
    if release:
        best = max(measured, key=lambda seed: measured[seed].accuracy("grpo"))
        _release(folder / f"seed-{best}", results)


def _release(seed: Path, results: Path) -> None:
    TINY.mkdir(parents=True, exist_ok=True)
    played = sorted(seed.glob("trajectories/*/*.html"))[-1]
    copies = {seed / "policy" / name: TINY / name for name in (*RELEASED, TEMPLATE)}
    copies |= {seed / name: results / name for name in ("sft.png", "grpo.png")}
    copies[played] = results / "trajectory.html"
    for source, target in copies.items():
        shutil.copyfile(source, target)  # readable for all, whatever the original allows
    err.print(f"released {seed}")


if __name__ == "__main__":
    run_app(app, "training")
