"""Compare the masters of a recipe over a curve of budgets: the trained policies, and what they have to beat.

    python -m training.recipes.tiny.comparison measure runs/tours/seed-0      every master, at 25, 50 and 100 %
    python -m training.recipes.tiny.comparison show                          the table and the picture, from the files

`measure` writes one file a master, keeps the ones that exist and so resumes. `show` reads them and trains nothing.
"""

# matplotlib leaves its axes open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from agentcvr_training.baselines.plans import SCHEDULES, THINNED, Schedule, random_looks
from agentcvr_training.config.settings import Settings
from agentcvr_training.measures.adaptivity import EpisodeLooks, information, modal_share
from agentcvr_training.measures.curve import SHARES, Scores, area_of, difference_of
from agentcvr_training.measures.evaluation import (
    MeasuredQuestion,
    best_schedules,
    measure_best_schedules,
    measure_master,
    measure_policy,
    simulator_of,
)
from pydantic import TypeAdapter

from agentcvr_graph.cli.console import err, out, run_app
from agentcvr_graph.eval.metrics import mean_score
from agentcvr_graph.models.offline.master import OfflineMaster
from agentcvr_graph.perception.blind import BlindPerception
from agentcvr_graph.scripts.chance import chance_level
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.utils.files import atomic_write_text
from agentcvr_graph.utils.progress import ProgressBar
from training.recipes.tiny.recipe import first_of_each, settings_of

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
QUESTIONS = TypeAdapter(list[MeasuredQuestion])
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


@dataclass(frozen=True)
class Measured:
    """A master's questions over all seeds."""

    name: str
    by_seed: Sequence[Sequence[MeasuredQuestion]]

    @property
    def questions(self) -> list[MeasuredQuestion]:
        return [question for own in self.by_seed for question in own]

    @property
    def scores(self) -> Scores:
        """Return the score of each question at each share, averaged over the seeds."""
        columns = [scores_of(own) for own in self.by_seed]
        return {
            share: [sum(values) / len(values) for values in zip(*(column[share] for column in columns), strict=True)]
            for share in columns[0]
        }


def scores_of(questions: Sequence[MeasuredQuestion]) -> Scores:
    """Return the score of every question at each share; questions in the order of their names."""
    shares = sorted({one.share for one in questions})
    ordered = sorted(questions, key=lambda one: one.script)
    return {share: [one.score for one in ordered if one.share == share] for share in shares}


def read_results(results: Path) -> dict[str, Measured]:
    """Return the masters of a folder of results."""
    seeds = sorted(results.glob("seed-*"))
    found: dict[str, Measured] = {}
    for name in MASTERS:
        files = [seed / f"{name}.json" for seed in seeds if (seed / f"{name}.json").exists()]
        if files:
            found[name] = Measured(name, [QUESTIONS.validate_json(path.read_bytes()) for path in files])
    return found


def table(found: Mapping[str, Measured], scripts: Sequence[Script]) -> str:
    """Return the comparison as Markdown, with 95 % intervals over questions."""
    heads = [f"{100 * share:.0f} %" for share in SHARES]
    lines = [
        f"| accuracy in % | {' | '.join(heads)} | area (95 %) | hit rate | turns | modal share | bits (chance 95 %) |",
        "|---|" + "---|" * (len(heads) + 5),
    ]
    by_id = {script.id: script for script in scripts}
    for name, measured in found.items():
        scores = measured.scores
        looks = [EpisodeLooks(by_id[q.script], (q.task, q.share), q.looks) for q in measured.questions]
        bits = information(looks)
        cells = [
            MASTERS[name],
            *(f"{100 * mean_score(scores[share]).mean:.0f}" for share in SHARES),
            str(area_of(scores)),
            f"{100 * _mean(measured, 'hit_rate'):.0f}",
            f"{_mean(measured, 'turns'):.1f}",
            f"{100 * modal_share(looks):.0f} %",
            f"{bits.bits:.2f} ({bits.chance_95:.2f})" if bits.pairs else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def differences(found: Mapping[str, Measured], ours: str = "grpo") -> str:
    """Return how much larger the area of one master is than that of each other, as Markdown."""
    lines = ["| GRPO against | points of area (95 %) |", "|---|---|"]
    for name, measured in found.items():
        if name != ours and ours in found:
            points = difference_of(found[ours].scores, measured.scores)
            lines.append(
                f"| {MASTERS[name]} | {100 * points.mean:+.1f} ({100 * points.low:.1f} to {100 * points.high:.1f}) |"
            )
    return "\n".join(lines)


def _mean(measured: Measured, name: str) -> float:
    return statistics.fmean(getattr(question, name) for question in measured.questions)


def draw(found: Mapping[str, Measured], chance: float, path: Path) -> None:
    """Draw accuracy over the budget, one line a master, with bars for 95 % intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for name, measured in found.items():
        estimates = [mean_score(measured.scores[share]) for share in SHARES]
        means = [100 * one.mean for one in estimates]
        bars = [[100 * (one.mean - one.low) for one in estimates], [100 * (one.high - one.mean) for one in estimates]]
        axes.errorbar([100 * share for share in SHARES], means, yerr=bars, capsize=3, marker="o", label=MASTERS[name])
    axes.axhline(100 * chance, color="grey", linestyle=":", label="chance")
    axes.set_xlabel("budget, % of the cost of looking at and hearing everything")
    axes.set_ylabel("accuracy, %")
    axes.set_ylim(0, 100)
    figure.legend(loc="outside right upper")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


@app.command()
def show(
    config: Annotated[Path, typer.Option(help="The configuration of the recipe.")] = CONFIG,
    results: Annotated[Path, typer.Option(help="Folder that `measure` wrote.")] = RESULTS,
    picture: Annotated[Path, typer.Option(help="Where the picture is written.")] = RESULTS / "comparison.png",
) -> None:
    """Print the table and draw the picture, from the files."""
    settings = settings_of(config, results, 0)
    scripts = settings.held_out.load() if settings.held_out else []
    found = read_results(results)
    out.print(table(found, scripts), markup=False)
    out.print("\n" + differences(found), markup=False)
    draw(found, chance_level(scripts), picture)


if __name__ == "__main__":
    run_app(app, "training")
