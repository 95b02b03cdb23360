"""Compare the masters of a recipe over a curve of budgets: the trained policies, and what they have to beat.

    python -m training.recipes.tiny.comparison measure runs/tours/seed-0      every master, at 25, 50 and 100 %
    python -m training.recipes.tiny.comparison show                          the table and the picture, from the files

`measure` writes one file a master, keeps the ones that exist and so resumes. `show` reads them and trains nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from agentcvr_training.baselines.plans import SCHEDULES, THINNED, Schedule, random_looks
from agentcvr_training.config.settings import Settings
from agentcvr_training.measures.curve import area_of
from agentcvr_training.measures.evaluation import (
    MeasuredQuestion,
    best_schedules,
    measure_best_schedules,
    measure_master,
    measure_policy,
    simulator_of,
)

from agentcvr_graph.cli.console import err, out, run_app
from agentcvr_graph.models.offline.master import OfflineMaster
from agentcvr_graph.perception.blind import BlindPerception
from agentcvr_graph.scripts.chance import chance_level
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.utils.files import atomic_write_text
from agentcvr_graph.utils.progress import ProgressBar
from training.recipes.comparison import QUESTIONS, differences, draw, first_of_each, read_results, scores_of, table
from training.recipes.tiny.recipe import settings_of

CONFIG = Path("training/recipes/tiny/configs/tours.yaml")
RESULTS = Path("training/recipes/tiny/results/tours")
CHOOSING = 12
"""Training scripts of each task on which the best fixed schedule is chosen."""
READER = "warm"
"""The policy that reads for the baselines: the one after SFT, which no reward has taught where to look."""
MASTERS: Mapping[str, str] = {
    "blind": "GRPO, blind baseline",
    "offline": "offline master",
    "random": "random looks, same reader",
    "thinned": "everything thinned, same reader",
    "constant": "best of 50 constants, same reader",
    "sft": "SFT",
    "rejection": "rejection sampling",
    "grpo": "GRPO",
    "grpo_thinned": "everything thinned, read by GRPO",
}
app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="rich")


def measurements(
    folder: Path, settings: Settings, scripts: Sequence[Script], choosing: Sequence[Script]
) -> Mapping[str, Callable[[], list[MeasuredQuestion]]]:
    """Return, for each master whose policy exists in a folder, the function that measures it."""
    reader, policy = folder / READER, folder / "policy"
    blind = BlindPerception(simulator_of(scripts, settings))
    needs = {"rejection": folder / "rejection" / "warm", "grpo": policy, "blind": policy, "grpo_thinned": policy}
    ways: dict[str, Callable[[], list[MeasuredQuestion]]] = {
        "offline": lambda: measure_master(OfflineMaster(), settings, scripts),
        "random": lambda: measure_policy(reader, settings, scripts, plan=random_looks),
        "thinned": lambda: measure_policy(reader, settings, scripts, plan=THINNED),
        "sft": lambda: measure_policy(reader, settings, scripts),
        "grpo": lambda: measure_policy(policy, settings, scripts),
        "rejection": lambda: measure_policy(needs["rejection"], settings, scripts),
        "blind": lambda: measure_policy(policy, settings, scripts, perception=blind),
        "grpo_thinned": lambda: measure_policy(policy, settings, scripts, plan=THINNED),
        "constant": lambda: measure_best_schedules(reader, settings, scripts, _chosen(reader, settings, choosing)),
    }
    return {name: way for name, way in ways.items() if needs.get(name, reader).exists()}


def _chosen(reader: Path, settings: Settings, choosing: Sequence[Script]) -> dict[tuple[str, float], Schedule]:
    """Return the best fixed schedules, with a progress bar."""
    with ProgressBar("choosing among schedules", len(SCHEDULES), console=err) as progress:
        return best_schedules(reader, settings, choosing, on_schedule=progress.advance)


@app.command()
def measure(
    folder: Annotated[Path, typer.Argument(help="Folder of one seed of the recipe.")],
    config: Annotated[Path, typer.Option(help="The configuration of the recipe.")] = CONFIG,
    results: Annotated[Path, typer.Option(help="Folder for one file a master.")] = RESULTS,
    each: Annotated[int, typer.Option(min=0, help="Held-out scripts of each task; 0 for all.")] = 0,
) -> None:
    """Measure every master of one seed that has no file yet."""
    seed = int(folder.name.rpartition("-")[2])
    settings = settings_of(config, folder, seed)
    held_out = settings.held_out.load() if settings.held_out else []
    scripts = first_of_each(held_out, each) if each else held_out
    choosing = first_of_each(settings.scripts.load(), CHOOSING)
    for name, way in measurements(folder, settings, scripts, choosing).items():
        path = results / f"seed-{seed}" / f"{name}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            found = way()
            atomic_write_text(path, QUESTIONS.dump_json(found).decode())
            err.print(f"{MASTERS[name]}: {area_of(scores_of(found))}")


@app.command()
def show(
    config: Annotated[Path, typer.Option(help="The configuration of the recipe.")] = CONFIG,
    results: Annotated[Path, typer.Option(help="Folder that `measure` wrote.")] = RESULTS,
    picture: Annotated[Path, typer.Option(help="Where the picture is written.")] = RESULTS / "comparison.png",
) -> None:
    """Print the table and draw the picture, from the files."""
    settings = settings_of(config, results, 0)
    scripts = settings.held_out.load() if settings.held_out else []
    found = read_results(results, MASTERS)
    out.print(table(found, scripts), markup=False)
    out.print("\n" + differences(found), markup=False)
    draw(found, chance_level(scripts), picture)


if __name__ == "__main__":
    run_app(app, "training")
