"""The figures of the recipe: every question of every seed in `results/tiny/`, put together as `results/tiny.json`.

Seeds may be run one at a time and on different machines. Those of another recipe, an older configuration say, are not
put together with the present one.

The accuracy of a question is averaged over the seeds first; the interval is that of the mean over questions (95 %,
bootstrap). How far the seeds lie apart is told beside it, seed by seed.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agentcvr_graph.eval.metrics import mean_score
from training.recipes.tiny.evaluation import ScoredQuestion

TWIN = "scripted_twin"
"""The questions that were asked live, as they were answered in the simulator."""
WAYS = {
    "sft": "after SFT",
    "grpo": "after GRPO",
    "offline": "the offline master",
    "blind": "after GRPO, tools cut off",
    TWIN: "after GRPO, scripted, the questions asked live",
    "live": "after GRPO, live on real video",
}


class Measures(BaseModel):
    """What was measured of one seed."""

    seed: int
    recipe: str = ""
    """Says whether two seeds were trained and measured by the same configuration."""
    seconds: dict[str, float] = {}
    """Wall clock of each step before the measures."""
    asked: dict[str, list[ScoredQuestion]] = {}

    @classmethod
    def read(cls, path: Path) -> Measures:
        """Those in a file."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))

    def write(self, path: Path) -> None:
        """Keep them, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        draft.write_text(self.model_dump_json(), encoding="utf-8")
        draft.replace(path)

    def of(self, way: str) -> list[ScoredQuestion]:
        """The questions that were asked in a way."""
        if way != TWIN:
            return self.asked.get(way, [])
        live = {one.script for one in self.of("live")}
        return [one for one in self.of("grpo") if one.script in live]

    def accuracy(self, way: str) -> float:
        """The mean score."""
        return statistics.fmean(one.score for one in self.of(way))


def measured_alike(folder: Path, recipe: str) -> list[Measures]:
    """The seeds in a folder that were measured by a recipe."""
    found = [Measures.read(path) for path in sorted(folder.glob("seed-*.json"))]
    return [one for one in found if one.recipe == recipe]


def summary(seeds: Sequence[Measures], chance: float) -> dict[str, Any]:
    """What `results/tiny.json` holds: the ways in which all of the seeds were asked."""
    ways = [way for way in WAYS if all(one.of(way) for one in seeds)]
    rates = {way: mean_score(_by_question(seeds, way)) for way in ways}
    return {
        "seeds": [one.seed for one in seeds],
        "held_out": len(seeds[0].of("grpo")),
        "live_questions": len(seeds[0].of("live")),
        "chance": round(chance, 4),
        "accuracy": {way: round(rates[way].mean, 4) for way in ways},
        "interval": {way: [round(rates[way].low, 4), round(rates[way].high, 4)] for way in ways},
        "by_seed": {way: [round(one.accuracy(way), 4) for one in seeds] for way in ways},
        "by_task": {way: _by_task(seeds, way) for way in ways},
        "turns": {way: _mean(seeds, way, "turns") for way in ways},
        "frames": {way: _mean(seeds, way, "frames") for way in ways},
        "audio_s": {way: _mean(seeds, way, "audio_s") for way in ways},
        "minutes_a_seed": [round(sum(one.seconds.values()) / 60, 1) for one in seeds],
    }


def _by_question(seeds: Sequence[Measures], way: str) -> list[float]:
    scores: dict[str, list[float]] = {}
    for one in seeds:
        for asked in one.of(way):
            scores.setdefault(asked.script, []).append(asked.score)
    return [statistics.fmean(of_question) for of_question in scores.values()]


def _by_task(seeds: Sequence[Measures], way: str) -> dict[str, float]:
    asked = [question for one in seeds for question in one.of(way)]
    tasks = dict.fromkeys(question.task for question in asked)
    return {task: round(statistics.fmean(q.score for q in asked if q.task == task), 4) for task in tasks}


def _mean(seeds: Sequence[Measures], way: str, name: str) -> float:
    return round(statistics.fmean(getattr(question, name) for one in seeds for question in one.of(way)), 2)


def table(figures: Mapping[str, Any]) -> str:
    """The summary as Markdown."""
    tasks = list(figures["by_task"]["grpo"])
    lines = [
        f"| | accuracy % (95 %) | by seed | {' | '.join(tasks)} | turns | frames | s of sound |",
        "|---|---|---|" + "---|" * (len(tasks) + 3),
    ]
    for way, accuracy in figures["accuracy"].items():
        low, high = figures["interval"][way]
        cells = [
            WAYS[way],
            f"{100 * accuracy:.1f} ({100 * low:.0f}-{100 * high:.0f})",
            " ".join(f"{100 * mean:.1f}" for mean in figures["by_seed"][way]),
            *(_percent(figures["by_task"][way].get(task)) for task in tasks),
            *(f"{figures[name][way]:.1f}" for name in ("turns", "frames", "audio_s")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f}"
