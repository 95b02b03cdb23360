"""The tables and the picture of a comparison, from the files that `comparison.py measure` writes."""

# matplotlib leaves its axes open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import gzip
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentcvr_training.measures.adaptivity import EpisodeLooks, information, modal_share
from agentcvr_training.measures.curve import SHARES, Scores, area_of, difference_of
from agentcvr_training.measures.evaluation import MeasuredQuestion
from pydantic import TypeAdapter

from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.metrics import Estimate, mean_score
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.utils.files import atomic_write
from training.recipes.tiny.variants import VARIANTS

MASTERS: Mapping[str, str] = {
    "blind": "GRPO, blind baseline",
    "offline": "offline master",
    "random": "random looks, same reader",
    "thinned": "everything thinned, same reader",
    "constant": "best of 50 constants, same reader",
    "earlier_thinned": "everything thinned, reader of round three",
    "earlier_constant": "best of 50 constants, reader of round three",
    "sft": "SFT",
    "grpo": "GRPO",
    "grpo_thinned": "everything thinned, read by GRPO",
    "grpo_constant": "best of 50 constants, read by GRPO",
    **{name: variant.title for name, variant in VARIANTS.items()},
}
"""Name of a master's file: its title in the tables."""
HINDSIGHT = "hindsight"
PLANS = ("thinned", "constant", "earlier_thinned", "earlier_constant")
"""Masters that look by a fixed plan, read by a policy that no reward has trained."""
TITLES: Mapping[str, str] = {**MASTERS, HINDSIGHT: "best of the four fixed plans in hindsight"}
"""Titles of the rows of the tables."""
LEVELS = ("easy", "normal", "hard")
QUESTIONS = TypeAdapter(list[MeasuredQuestion])


@dataclass(frozen=True)
class Measured:
    """A master's questions over all seeds."""

    name: str
    by_seed: Sequence[Sequence[MeasuredQuestion]]
    seeds: Sequence[str] = ()
    """Names of the seeds, in the order of `by_seed`; empty if they are not known."""

    def of_seeds(self, seeds: Sequence[str]) -> Measured:
        """Return the questions of some seeds."""
        own = {seed: rows for seed, rows in zip(self.seeds, self.by_seed, strict=True) if seed in seeds}
        return Measured(self.name, list(own.values()), list(own))

    @property
    def questions(self) -> list[MeasuredQuestion]:
        return [question for own in self.by_seed for question in own]

    def of_task(self, task: str) -> Measured:
        """Return the questions of one task."""
        return Measured(self.name, [[q for q in own if q.task == task] for own in self.by_seed], self.seeds)

    @property
    def is_whole(self) -> bool:
        """Return whether the master was measured at every budget of the curve."""
        return set(SHARES) <= set(self.scores)

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


def results_file(results: Path, seed: str, level: str, name: str) -> Path:
    """Return the file of a master's questions; those of difficulty `normal` lie in the folder of the seed itself."""
    return results / seed / ("" if level == "normal" else level) / f"{name}.json.gz"


def write_questions(questions: Sequence[MeasuredQuestion], path: Path) -> None:
    """Write a master's questions, compressed; the same questions give the same bytes."""
    packed = gzip.compress(QUESTIONS.dump_json(list(questions)), mtime=0)
    with atomic_write(path) as draft:
        draft.write_bytes(packed)


def read_questions(path: Path) -> list[MeasuredQuestion]:
    """Return what `write_questions` wrote."""
    return QUESTIONS.validate_json(gzip.decompress(path.read_bytes()))


def read_results(results: Path, level: str = "normal") -> dict[str, Measured]:
    """Return the masters of a folder of results, at one difficulty.

    Raises:
        InputError: two files hold different questions, so their masters cannot be compared.
    """
    asked: dict[Path, set[str]] = {}
    seeds = sorted(folder.name for folder in results.glob("seed-*"))
    found: dict[str, Measured] = {}
    for name in MASTERS:
        paths = {seed: results_file(results, seed, level, name) for seed in seeds}
        files = {seed: path for seed, path in paths.items() if path.exists()}
        if files:
            found[name] = Measured(name, [read_questions(path) for path in files.values()], list(files))
            rows = found[name].by_seed
            asked |= {path: {q.script for q in own} for path, own in zip(files.values(), rows, strict=True)}
    for path, scripts in asked.items():
        first = next(iter(asked))
        if scripts != asked[first]:
            raise InputError(
                f"{path} holds other questions than {first}.",
                fix="Measure each folder with the same --each and --config.",
            )
    return found


def in_hindsight(found: Mapping[str, Measured]) -> dict[str, Measured]:
    """Return the fixed plans that turned out best for each task and budget on these questions, as one master.

    They bound what a better choice among the measured plans could give. A plan may leave a part of the budget, so those
    of smaller budgets count as well. Empty if no plan was measured.
    """
    plans = [own for name in PLANS if name in found for own in found[name].by_seed]
    chosen: list[MeasuredQuestion] = []
    for task in dict.fromkeys(q.task for own in plans for q in own):
        for share in SHARES:
            cells = [[q for q in own if (q.task, q.share) == (task, b)] for own in plans for b in SHARES if b <= share]
            if any(cells):
                best = max((cell for cell in cells if cell), key=lambda cell: statistics.fmean(q.score for q in cell))
                chosen += [q.model_copy(update={"share": share}) for q in best]
    return {HINDSIGHT: Measured(HINDSIGHT, [chosen])} if chosen else {}


def table(found: Mapping[str, Measured], scripts: Sequence[Script]) -> str:
    """Return the comparison as Markdown, with 95 % intervals over questions."""
    heads = [f"{100 * share:.0f} %" for share in SHARES]
    lines = [
        f"| accuracy in % | {' | '.join(heads)} | area (95 %) | hit rate | turns | modal share | bits (chance 95 %) |",
        "|---|" + "---|" * (len(heads) + 5),
    ]
    by_id = {script.id: script for script in scripts}
    unknown = {q.script for measured in found.values() for q in measured.questions} - by_id.keys()
    if unknown:
        raise InputError(
            f"The configuration has no script {min(unknown)}, which was measured.", fix="Name theirs with --config."
        )
    for name, measured in found.items():
        scores = measured.scores
        looks = [
            EpisodeLooks(by_id[q.script], (seed, q.task, q.share), q.looks)  # seeds differ without adapting to anything
            for seed, own in enumerate(measured.by_seed)
            for q in own
        ]
        bits = information(looks)
        cells = [
            TITLES[name],
            *(f"{100 * mean_score(scores[share]).mean:.0f}" for share in SHARES),
            str(area_of(scores)),
            f"{100 * _mean(measured, 'hit_rate'):.0f}",
            f"{_mean(measured, 'turns'):.1f}",
            f"{100 * modal_share(looks):.0f} %",
            f"{bits.bits:.2f} ({bits.chance_95:.2f})" if bits.pairs else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def differences(found: Mapping[str, Measured], ours: str = "grpo", titles: Mapping[str, str] = TITLES) -> str:
    """Return how much larger the area of one master is than that of each other, as Markdown."""
    lines = ["| GRPO against | points of area (95 %) |", "|---|---|"]
    for name, measured in found.items():
        if name != ours and ours in found and measured.is_whole:
            lines.append(f"| {titles[name]} | {_points(difference_of(found[ours].scores, measured.scores))} |")
    return "\n".join(lines)


def by_level(levels: Mapping[str, Mapping[str, Measured]]) -> str:
    """Return the area of each master at each difficulty, as Markdown; masters that were measured at two or more."""
    lines = [f"| area in % (95 %) | {' | '.join(levels)} |", "|---|" + "---|" * len(levels)]
    for name in MASTERS:
        areas = [str(area_of(level[name].scores)) if name in level else "" for level in levels.values()]
        if len(list(filter(None, areas))) > 1:
            lines.append(f"| {MASTERS[name]} | {' | '.join(areas)} |")
    return "\n".join(lines)


def of_seeds(found: Mapping[str, Measured]) -> str:
    """Return the area of each seed of GRPO, and how much larger it is than that of each variant of the seed."""
    lines = ["| GRPO | area (95 %) |", "|---|---|"]
    policy = found["grpo"] if "grpo" in found else Measured("grpo", [])
    lines += [f"| {seed} | {area_of(policy.of_seeds([seed]).scores)} |" for seed in policy.seeds]
    lines += ["", "| GRPO of the same seed against | points of area (95 %) |", "|---|---|"]
    for name in VARIANTS:
        same = policy.of_seeds(found[name].seeds) if name in found else Measured("grpo", [])
        if same.by_seed:
            lines.append(f"| {TITLES[name]} | {_points(difference_of(same.scores, found[name].scores))} |")
    return "\n".join(lines)


def left_out(found: Mapping[str, Measured]) -> str:
    """Return the areas on each task that a variant was not trained on, beside SFT and GRPO on all, as Markdown."""
    lines = [
        "| task left out | SFT | GRPO without it | GRPO on all | without it, against SFT (95 %) |",
        "|---|---|---|---|---|",
    ]
    for name, variant in VARIANTS.items():
        if variant.left_out and all(one in found for one in ("sft", name, "grpo")):
            own = [found[one].of_task(variant.left_out).scores for one in ("sft", name, "grpo")]
            cells = [*(str(area_of(scores)) for scores in own), _points(difference_of(own[1], own[0]))]
            lines.append(f"| {variant.left_out} | {' | '.join(cells)} |")
    return "\n".join(lines)


def by_task(found: Mapping[str, Measured]) -> str:
    """Return the area of each master on each task, and its accuracies at the budgets, as Markdown."""
    tasks = list(dict.fromkeys(q.task for measured in found.values() for q in measured.questions))
    budgets = ", ".join(f"{100 * share:.0f}" for share in SHARES)
    lines = [f"| area in % (accuracy at {budgets} %) | {' | '.join(tasks)} |", "|---|" + "---|" * len(tasks)]
    for name, measured in found.items():
        cells = [_area_and_accuracies(measured.of_task(task).scores) for task in tasks]
        lines.append(f"| {TITLES[name]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _area_and_accuracies(scores: Scores) -> str:
    accuracies = " ".join(f"{100 * mean_score(scores[share]).mean:.0f}" for share in SHARES)
    return f"{100 * area_of(scores).mean:.0f} ({accuracies})"


def _points(difference: Estimate) -> str:
    return f"{100 * difference.mean:+.1f} ({100 * difference.low:.1f} to {100 * difference.high:.1f})"


def hits_by_task(found: Mapping[str, Measured]) -> str:
    """Return the hit rate of each master on each task, as Markdown."""
    tasks = list(dict.fromkeys(q.task for measured in found.values() for q in measured.questions))
    lines = [f"| hit rate in % | {' | '.join(tasks)} |", "|---|" + "---|" * len(tasks)]
    for name, measured in found.items():
        rates = [f"{100 * _mean(measured.of_task(task), 'hit_rate'):.0f}" for task in tasks]
        lines.append(f"| {TITLES[name]} | {' | '.join(rates)} |")
    return "\n".join(lines)


def _mean(measured: Measured, name: str) -> float:
    return statistics.fmean(getattr(question, name) for question in measured.questions)


def draw(found: Mapping[str, Measured], chance: float, path: Path, titles: Mapping[str, str] = MASTERS) -> None:
    """Draw accuracy over the budget, one line a master, with bars for 95 % intervals. Where colours repeat, it is
    dashed."""
    from matplotlib import color_sequences
    from matplotlib.figure import Figure

    colours = color_sequences["tab10"]

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for number, (name, measured) in enumerate(found.items()):
        shares = [share for share in SHARES if share in measured.scores]
        estimates = [mean_score(measured.scores[share]) for share in shares]
        means = [100 * one.mean for one in estimates]
        bars = [[100 * (one.mean - one.low) for one in estimates], [100 * (one.high - one.mean) for one in estimates]]
        colour, style = colours[number % len(colours)], "o-" if number < len(colours) else "o--"
        percent = [100 * share for share in shares]
        axes.errorbar(percent, means, yerr=bars, fmt=style, color=colour, capsize=3, label=titles[name])
    axes.axhline(100 * chance, color="grey", linestyle=":", label="chance")
    axes.set_xlabel("budget, % of the cost of looking at and hearing everything")
    axes.set_ylabel("accuracy, %")
    axes.set_ylim(0, 100)
    figure.legend(loc="outside right upper")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
