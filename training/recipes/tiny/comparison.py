"""Compare the masters of a recipe over a curve of budgets: the trained policies, and what they have to beat.

    python -m training.recipes.tiny.comparison measure runs/tours-6/seed-0    every master, at 25, 50 and 100 %
    python -m training.recipes.tiny.comparison measure runs/tours-6/seed-0 --difficulty hard
    python -m training.recipes.tiny.comparison show                          the tables and the picture, from the files

`measure` writes one file a master, keeps the ones that exist and so resumes. `show` reads them and trains nothing.
The default folder holds the released results: name another one with `--results` to measure policies of your own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from agentcvr_training.baselines.plans import THINNED, random_looks
from agentcvr_training.config.settings import DIFFICULTIES, Settings
from agentcvr_training.measures.evaluation import measure_master, measure_policy, simulator_of

from agentcvr_graph.cli.console import err, one_of, out, run_app
from agentcvr_graph.errors import InputError
from agentcvr_graph.models.offline.master import OfflineMaster
from agentcvr_graph.perception.blind import BlindPerception
from agentcvr_graph.scripts.chance import chance_level
from agentcvr_graph.scripts.schema import Script
from training.recipes.measuring import Way, measure_constant, measure_once
from training.recipes.tiny.comparison_tables import (
    LEVELS,
    MASTERS,
    by_level,
    by_task,
    differences,
    draw,
    hits_by_task,
    in_hindsight,
    left_out,
    of_seeds,
    read_results,
    results_file,
    table,
)
from training.recipes.tiny.recipe import first_of_each, seed_of_folder, settings_of
from training.recipes.tiny.variants import CONFIG, VARIANTS

RESULTS = Path("training/recipes/tiny/results/tours")
CHOOSING = 12
"""Training scripts of each task on which the best fixed schedule is chosen."""
READER = "warm"
"""The policy that reads for the baselines: the one after SFT, which no reward has taught where to look."""
EARLIER = "tours-3"
"""The round whose policy after SFT reads much evidence at once best: the strongest reader for plans that look once."""
CHOICES = frozenset(name for name, variant in VARIANTS.items() if not variant.imitates)
"""GRPO in other ways: in the tables, but not in the picture, which compares GRPO with what it has to beat."""
app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="rich")


def ways_of(
    folder: Path, settings: Settings, scripts: Sequence[Script], choosing: Sequence[Script]
) -> Mapping[str, Way]:
    """Return how each master of a seed is measured."""
    reader, policy = folder / READER, folder / "policy"
    earlier = folder.parent.parent / EARLIER / folder.name / READER
    blind = BlindPerception(simulator_of(scripts, settings))

    def by_policy(folder: Path, **how: Any) -> Way:
        return Way(folder, lambda: measure_policy(folder, settings, scripts, **how))

    def by_constant(folder: Path) -> Way:
        return Way(folder, lambda: measure_constant(folder, settings, scripts, choosing, err))

    ways = {
        "offline": Way(reader, lambda: measure_master(OfflineMaster(), settings, scripts)),
        "random": by_policy(reader, plan=random_looks),
        "thinned": by_policy(reader, plan=THINNED),
        "sft": by_policy(reader),
        "grpo": by_policy(policy),
        "blind": by_policy(policy, perception=blind),
        "grpo_thinned": by_policy(policy, plan=THINNED),
        "constant": by_constant(reader),
        "grpo_constant": by_constant(policy),
        **{name: by_policy(folder / "variants" / name / "policy") for name in VARIANTS},
    }
    if earlier != reader:
        ways |= {"earlier_thinned": by_policy(earlier, plan=THINNED), "earlier_constant": by_constant(earlier)}
    return ways


@app.command()
def measure(
    folder: Annotated[Path, typer.Argument(help="Folder of one seed of the recipe.")],
    config: Annotated[Path, typer.Option(help="The configuration of the recipe.")] = CONFIG,
    results: Annotated[Path, typer.Option(help="Folder for one file a master.")] = RESULTS,
    each: Annotated[int, typer.Option(min=0, help="Held-out scripts of each task; 0 for all.")] = 0,
    difficulty: Annotated[str, typer.Option(help="Difficulty of the held-out scripts: easy, normal or hard.")] = "",
    only: Annotated[list[str] | None, typer.Option(help=f"A master: {', '.join(MASTERS)}; default all.")] = None,
) -> None:
    """Measure every master of one seed that has no file yet."""
    seed = seed_of_folder(folder)
    settings = settings_of(config, folder, seed)
    level = one_of("--difficulty", difficulty or "normal", DIFFICULTIES)
    wanted = [one_of("--only", name, tuple(MASTERS)) for name in only or MASTERS]
    if settings.held_out is None:
        raise InputError(f"{config} names no held-out scripts.", fix="Give it a part `held_out`.")
    held_out = settings.held_out.model_copy(update={"difficulty": level}).load()
    scripts = first_of_each(held_out, each) if each else held_out
    choosing = first_of_each(settings.scripts.load(), CHOOSING)
    ways = ways_of(folder, settings, scripts, choosing)
    missing = [name for name in wanted if name not in ways or not ways[name].possible]
    if missing and (only or len(missing) == len(wanted)):
        raise InputError(
            f"{folder} has no policy to measure: {', '.join(missing)}.",
            fix="Name the folder of one seed that holds `warm` (after SFT) or `policy` (after GRPO).",
        )
    for name in wanted:
        if name in ways:
            measure_once(MASTERS[name], ways[name], results_file(results, folder.name, level, name), err)


@app.command()
def show(
    config: Annotated[Path, typer.Option(help="The configuration of the recipe.")] = CONFIG,
    results: Annotated[Path, typer.Option(help="Folder that `measure` wrote.")] = RESULTS,
    picture: Annotated[Path | None, typer.Option(help="The picture; default: beside the files.")] = None,
) -> None:
    """Print the tables and draw the picture, from the files."""
    levels = {level: read_results(results, level) for level in LEVELS}
    found = levels["normal"]
    if not found:
        raise InputError(f"{results} has no measured masters.", fix="Name the folder that `measure` wrote.")
    settings = settings_of(config, results, 0)
    scripts = settings.held_out.load() if settings.held_out else []
    compared = {**found, **in_hindsight(found)}
    parts = [
        table(compared, scripts),
        differences(compared),
        by_task(compared),
        hits_by_task(compared),
        by_level(levels),
    ]
    parts += [
        f"At {level}:\n\n{differences(own)}" for level, own in levels.items() if level != "normal" and "grpo" in own
    ]
    for part in (*parts, of_seeds(found), left_out(found)):
        out.print(part + "\n", markup=False)
    drawn = {name: measured for name, measured in found.items() if name not in CHOICES}
    draw(drawn, chance_level(scripts), picture or results / "comparison.png")


if __name__ == "__main__":
    run_app(app, "training")
