"""Summarize the recipe: aggregate every question of every seed in `results/tiny/` into `results/tiny.json`.

Seeds may be run one at a time and on different machines. Seeds of another recipe, for example of an older
configuration, are left out. `python -m training.recipes.tiny.summary` prints the table of `results/tiny.json`.

The accuracy of a question is averaged over the seeds first. The interval is the 95 % bootstrap interval of the mean
over questions. The summary also lists the accuracy of each seed.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agentcvr_graph.eval.metrics import mean_score
from agentcvr_graph.utils.files import atomic_write_text
from training.recipes.tiny.evaluation import ScoredQuestion

RESULT = Path(__file__).with_name("results") / "tiny.json"
SCRIPTED_LIVE = "scripted_live"
"""The scripted results on the questions that were also evaluated live."""
CONDITIONS = {
    "sft": "after SFT",
    "grpo": "after GRPO",
    "offline": "the offline master",
    "blind": "after GRPO, blind baseline",
    SCRIPTED_LIVE: "after GRPO, scripted, the questions asked live",
    "live": "after GRPO, live on real video",
}


class Measures(BaseModel):
    """Results of one seed."""

    seed: int
    recipe: str = ""
    """Fingerprint of the recipe: equal for seeds trained and evaluated by the same configuration."""
    seconds: dict[str, float] = {}
    """Wall-clock time of each training step."""
    questions: dict[str, list[ScoredQuestion]] = {}
    """Results by condition."""

    @classmethod
    def read(cls, path: Path) -> Measures:
        """Read the results from a file."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))

    def write(self, path: Path) -> None:
        """Write the results atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_text(path, self.model_dump_json())

    def of(self, condition: str) -> list[ScoredQuestion]:
        """Return the results of a condition."""
        if condition != SCRIPTED_LIVE:
            return self.questions.get(condition, [])
        live = {one.script for one in self.of("live")}
        return [one for one in self.of("grpo") if one.script in live]

    def accuracy(self, condition: str) -> float:
        """Return the mean score of a condition."""
        return statistics.fmean(one.score for one in self.of(condition))


def measured_alike(folder: Path, recipe: str) -> list[Measures]:
    """Return the seeds in a folder that belong to a recipe."""
    found = [Measures.read(path) for path in sorted(folder.glob("seed-*.json"))]
    return [one for one in found if one.recipe == recipe]


def summary(seeds: Sequence[Measures], chance: float) -> dict[str, Any]:
    """Return the content of `results/tiny.json`, for the conditions that all seeds have."""
    conditions = [condition for condition in CONDITIONS if all(one.of(condition) for one in seeds)]
    rates = {condition: mean_score(_by_question(seeds, condition)) for condition in conditions}
    return {
        "seeds": [one.seed for one in seeds],
        "held_out": len(seeds[0].of("grpo")),
        "live_questions": len(seeds[0].of("live")),
        "chance": round(chance, 4),
        "accuracy": {condition: round(rates[condition].mean, 4) for condition in conditions},
        "interval": {
            condition: [round(rates[condition].low, 4), round(rates[condition].high, 4)] for condition in conditions
        },
        "by_seed": {condition: [round(one.accuracy(condition), 4) for one in seeds] for condition in conditions},
        "by_task": {condition: _by_task(seeds, condition) for condition in conditions},
        "turns": {condition: _mean(seeds, condition, "turns") for condition in conditions},
        "frames": {condition: _mean(seeds, condition, "frames") for condition in conditions},
        "audio_s": {condition: _mean(seeds, condition, "audio_s") for condition in conditions},
        "minutes_a_seed": [round(sum(one.seconds.values()) / 60, 1) for one in seeds],
    }


def _by_question(seeds: Sequence[Measures], condition: str) -> list[float]:
    scores: dict[str, list[float]] = {}
    for one in seeds:
        for question in one.of(condition):
            scores.setdefault(question.script, []).append(question.score)
    return [statistics.fmean(of_question) for of_question in scores.values()]


def _by_task(seeds: Sequence[Measures], condition: str) -> dict[str, float]:
    questions = [question for one in seeds for question in one.of(condition)]
    tasks = dict.fromkeys(question.task for question in questions)
    return {task: round(statistics.fmean(q.score for q in questions if q.task == task), 4) for task in tasks}


def _mean(seeds: Sequence[Measures], condition: str, name: str) -> float:
    return round(statistics.fmean(getattr(question, name) for one in seeds for question in one.of(condition)), 2)


def table(figures: Mapping[str, Any]) -> str:
    """Return the summary as Markdown."""
    tasks = list(figures["by_task"]["grpo"])
    lines = [
        f"| | accuracy % (95 %) | by seed | {' | '.join(tasks)} | turns | frames | s of sound |",
        "|---|---|---|" + "---|" * (len(tasks) + 3),
    ]
    for condition, accuracy in figures["accuracy"].items():
        low, high = figures["interval"][condition]
        cells = [
            CONDITIONS[condition],
            f"{100 * accuracy:.1f} ({100 * low:.0f}-{100 * high:.0f})",
            " ".join(f"{100 * mean:.1f}" for mean in figures["by_seed"][condition]),
            *(_percent(figures["by_task"][condition].get(task)) for task in tasks),
            *(f"{figures[name][condition]:.1f}" for name in ("turns", "frames", "audio_s")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f}"


if __name__ == "__main__":
    print(table(json.loads(RESULT.read_text(encoding="utf-8"))))
