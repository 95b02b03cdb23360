"""Compare masters over a curve of budgets: the table and the picture, from one file for each master and seed."""

# matplotlib leaves its axes open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentcvr_training.measures.adaptivity import EpisodeLooks, information, modal_share
from agentcvr_training.measures.curve import SHARES, Scores, area_of, difference_of
from agentcvr_training.measures.evaluation import MeasuredQuestion
from pydantic import TypeAdapter

from agentcvr_graph.eval.metrics import mean_score
from agentcvr_graph.scripts.schema import Script

QUESTIONS = TypeAdapter(list[MeasuredQuestion])
Labels = Mapping[str, str]
"""What a table calls each master, by the name of its file, in the order of the table."""


def first_of_each(scripts: Sequence[Script], each: int) -> list[Script]:
    """Return the first `each` scripts of every task."""
    tasks = dict.fromkeys(script.task for script in scripts)
    return [script for task in tasks for script in [s for s in scripts if s.task == task][:each]]


@dataclass(frozen=True)
class Measured:
    """A master's questions over all seeds."""

    label: str
    """What tables call the master."""
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

    @property
    def whole(self) -> bool:
        """Return whether the master was measured at every budget of the curve."""
        return set(SHARES) <= set(self.scores)


def scores_of(questions: Sequence[MeasuredQuestion]) -> Scores:
    """Return the score of every question at each share; questions in the order of their names."""
    shares = sorted({one.share for one in questions})
    ordered = sorted(questions, key=lambda one: one.script)
    return {share: [one.score for one in ordered if one.share == share] for share in shares}


def read_results(results: Path, labels: Labels) -> dict[str, Measured]:
    """Return the masters of which a folder of results has files, `seed-N/MASTER.json`."""
    seeds = sorted(results.glob("seed-*"))
    found: dict[str, Measured] = {}
    for name, label in labels.items():
        files = [seed / f"{name}.json" for seed in seeds if (seed / f"{name}.json").exists()]
        if files:
            found[name] = Measured(label, [QUESTIONS.validate_json(path.read_bytes()) for path in files])
    return found


def table(found: Mapping[str, Measured], scripts: Sequence[Script]) -> str:
    """Return the comparison as Markdown, with 95 % intervals over questions; a master may lack some of the budgets."""
    heads = [f"{100 * share:.0f} %" for share in SHARES]
    lines = [
        f"| accuracy in % | {' | '.join(heads)} | area (95 %) | hit rate | turns | modal share | bits (chance 95 %) |",
        "|---|" + "---|" * (len(heads) + 5),
    ]
    by_id = {script.id: script for script in scripts}
    for measured in found.values():
        scores = measured.scores
        looks = [EpisodeLooks(by_id[q.script], (q.task, q.share), q.looks) for q in measured.questions]
        bits = information(looks)
        cells = [
            measured.label,
            *(f"{100 * mean_score(scores[share]).mean:.0f}" if share in scores else "" for share in SHARES),
            str(area_of(scores)) if measured.whole else "",
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
        if name != ours and ours in found and measured.whole:
            points = difference_of(found[ours].scores, measured.scores)
            lines.append(
                f"| {measured.label} | {100 * points.mean:+.1f} ({100 * points.low:.1f} to {100 * points.high:.1f}) |"
            )
    return "\n".join(lines)


def _mean(measured: Measured, name: str) -> float:
    return statistics.fmean(getattr(question, name) for question in measured.questions)


def draw(found: Mapping[str, Measured], chance: float, path: Path) -> None:
    """Draw accuracy over the budget, one line a master, with bars for 95 % intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for measured in found.values():
        shares = [share for share in SHARES if share in measured.scores]
        estimates = [mean_score(measured.scores[share]) for share in shares]
        means = [100 * one.mean for one in estimates]
        bars = [[100 * (one.mean - one.low) for one in estimates], [100 * (one.high - one.mean) for one in estimates]]
        axes.errorbar([100 * share for share in shares], means, yerr=bars, capsize=3, marker="o", label=measured.label)
    axes.axhline(100 * chance, color="grey", linestyle=":", label="chance")
    axes.set_xlabel("budget, % of the cost of looking at and hearing everything")
    axes.set_ylabel("accuracy, %")
    axes.set_ylim(0, 100)
    figure.legend(loc="outside right upper")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
