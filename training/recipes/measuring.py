"""Measure the masters of a recipe once each, as far as the policies that they need are trained.

A recipe names its masters with a `Way` each. Their questions go to one file a master, so a run that was stopped goes on
with the masters that have none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from agentcvr_training.baselines.plans import SCHEDULES
from agentcvr_training.config.settings import Settings
from agentcvr_training.measures.evaluation import MeasuredQuestion, best_schedules, measure_best_schedules
from rich.console import Console

from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.utils.progress import ProgressBar
from training.recipes.tiny.comparison_tables import scores_of, write_questions


class Way(NamedTuple):
    """How a master is measured."""

    needs: Path
    """The folder of the policy that it needs."""
    measure: Callable[[], list[MeasuredQuestion]]

    @property
    def possible(self) -> bool:
        """Whether its policy is there."""
        return self.needs.exists()


def measure_once(title: str, way: Way, path: Path, console: Console) -> None:
    """Write the questions of a master, unless its file exists or its policy does not; print which.

    Args:
        title: of the master, for the console.
        path: the file, whose folder is made.
    """
    if path.exists():
        said = f"kept {path}; to measure again, remove it or name another folder with --results"
    elif not way.possible:
        said = f"not yet measured, because there is no {way.needs}"
    else:
        questions = way.measure()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_questions(questions, path)
        said = _accuracies(questions)
    console.print(f"{title}: {said}", soft_wrap=True, markup=False)


def measure_constant(
    reader: Path, settings: Settings, scripts: Sequence[Script], choosing: Sequence[Script], console: Console
) -> list[MeasuredQuestion]:
    """Measure the best fixed schedule for each task and budget, chosen with a progress bar on other scripts.

    Args:
        reader: the folder of the policy that reads the evidence.
        choosing: the scripts on which the schedules are chosen.
    """
    with ProgressBar("choosing among schedules", len(SCHEDULES), console=console) as progress:
        chosen = best_schedules(reader, settings, choosing, on_schedule=progress.advance)
    return measure_best_schedules(reader, settings, scripts, chosen)


def _accuracies(questions: Sequence[MeasuredQuestion]) -> str:
    """Return the mean score at each budget, such as `53 % at 25 %, 65 % at 50 % of the full cost`."""
    parts = [
        f"{100 * sum(scores) / len(scores):.0f} % at {100 * share:.0f} %"
        for share, scores in scores_of(questions).items()
    ]
    return f"{', '.join(parts)} of the full cost"
