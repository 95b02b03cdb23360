"""What extraction loses: the same questions on the true script, on the extracted one, and live.

Scripts are rendered as videos and the videos are extracted again, so the true script is known. One master answers every
question four times: on the true script, on the extracted one, live on the video, and blind. Extracted minus live is the
gap that a master would meet that was trained on extracted scripts. `facts.py` counts how much of the true script was
found, kind by kind, and how much of what was found is true.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from agentcvr_graph.answers import score_of
from agentcvr_graph.errors import InfrastructureError, InputError
from agentcvr_graph.eval.extract_gap.facts import FactRow, compare_videos
from agentcvr_graph.eval.metrics import Estimate, clustered_mean
from agentcvr_graph.eval.sim_gap.pairs import Budget, Pair, Renderings, Stored, run_live, run_over, videos_key
from agentcvr_graph.eval.sim_gap.statistics import TaskSummary, summarize_tasks
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.blind import BlindPerception
from agentcvr_graph.perception.noise import CLEAR
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.chance import chance_level
from agentcvr_graph.scripts.extraction.batch import Models, extract_videos, plan
from agentcvr_graph.scripts.extraction.extracted import ExtractedFile, ExtractedVideo
from agentcvr_graph.scripts.library import ScriptLibrary, write_scripts
from agentcvr_graph.scripts.schema import Script, ScriptedVideo
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import Cost, Video
from agentcvr_graph.utils.files import atomic_write_text
from agentcvr_graph.utils.progress import ProgressBar

__all__ = ["Baselines", "ExtractGap", "measure_extract_gap"]


@dataclass(frozen=True)
class Baselines:
    """What accuracy is compared with, for one task or for all tasks."""

    true: Estimate
    """Accuracy on the true scripts."""
    blind: Estimate
    """Accuracy with nothing to see or hear."""
    chance: float
    """Expected score of a guess."""


@dataclass(frozen=True)
class ExtractGap:
    """The result of a measurement."""

    models: ModelStrings
    tasks: Sequence[TaskSummary]
    """One entry per task; the last covers all questions. `scripted` is the extracted script."""
    baselines: Sequence[Baselines]
    """One entry for each of `tasks`."""
    facts: Sequence[FactRow]
    cost: Cost
    """What extracting the videos cost."""
    seconds: float
    """Length of the extracted videos."""
    pairs: Sequence[Pair]

    def as_record(self) -> dict[str, object]:
        """Return the result as JSON values."""
        rows = zip(self.tasks, self.baselines, strict=True)
        return {
            "models": asdict(self.models),
            "tasks": [asdict(row) | asdict(other) | {"gap_points": row.gap_points} for row, other in rows],
            "facts": [asdict(row) for row in self.facts],
            "cost": self.cost.model_dump(),
            "seconds": self.seconds,
            "questions": [pair.as_record() for pair in self.pairs],
        }


async def measure_extract_gap(
    scripts: Sequence[Script], folder: Path, models: ModelStrings, *, budget: Budget | None = None
) -> ExtractGap:
    """Render, extract and answer all questions, and write `extract_gap.json` and `extracted_scripts.jsonl`.

    The folder keeps videos, extracted videos and trajectories, so that an interrupted measurement does nothing twice.

    Raises:
        InputError: there is no script.
        InfrastructureError: a video could not be extracted.
        SetupError: a model, flite or a package is missing.
    """
    if not scripts:
        raise InputError("There is no script to measure.", fix="Name a file of scripts.")
    budget = budget or Budget()
    files = await _rendered(scripts, folder)
    found = await _extracted(files, folder / "extracted.jsonl", models)
    again = [_with_videos(script, files[videos_key(script)], found) for script in scripts]
    await asyncio.to_thread(write_scripts, again, folder / "extracted_scripts.jsonl")
    true, extracted, blind = await _in_swap_mode(scripts, again, folder, models.master, budget)
    with ProgressBar("running live", len(scripts)) as bar:
        live = await run_live(scripts, models, folder, budget, bar.advance)
    pairs = [Pair(*row) for row in zip(scripts, extracted, live, strict=True)]
    videos = _once(scripts, again)
    tasks = summarize_tasks(pairs)
    scores = list(zip(scripts, _scores(true, scripts), _scores(blind, scripts), strict=True))
    by_task = [[row for row in scores if row[0].task == task.name] for task in tasks[:-1]]
    result = ExtractGap(
        models=models,
        tasks=tasks,
        baselines=[_baselines(some) for some in (*by_task, scores)],
        facts=await compare_videos(videos),
        cost=sum((one.cost for one in found.values()), Cost()),
        seconds=sum(one.video.duration_s for one in found.values()),
        pairs=pairs,
    )
    await asyncio.to_thread(atomic_write_text, folder / "extract_gap.json", json.dumps(result.as_record(), indent=1))
    return result


async def _rendered(scripts: Sequence[Script], folder: Path) -> dict[str, list[str]]:
    """Return the files of each set of videos; sets are rendered once."""
    renderings = Renderings(scripts, folder / "rendered")
    files: dict[str, list[str]] = {}
    with ProgressBar("rendering", len(scripts)) as bar:
        for script in scripts:
            files[videos_key(script)] = [str(path) for path in (await renderings.of(script)).paths]
            bar.advance()
    return files


async def _extracted(files: Mapping[str, Sequence[str]], path: Path, models: ModelStrings) -> dict[str, ExtractedVideo]:
    """Return the extracted videos by file."""
    wanted = [Video(source=source) for each in files.values() for source in each]
    chosen = Models(models.vision, models.audio)
    with ExtractedFile(path) as file:
        planned = await plan(wanted, file, chosen)
        results = list(planned.problems)
        with ProgressBar("extracting", len(planned.jobs)) as bar:
            async for result in extract_videos(planned, file, chosen):
                results.append(result)
                bar.advance()
        for result in results:
            if problem := result.problem or "; ".join(result.failed_parts):
                raise InfrastructureError(f"{result.name} was not extracted: {problem}", fix="Run the command again.")
        return {video.source: file.videos[video.source] for video in wanted}


def _with_videos(script: Script, files: Sequence[str], found: Mapping[str, ExtractedVideo]) -> Script:
    """Return a question over the extracted videos, which keep their titles."""
    pairs = zip(script.videos, files, strict=True)
    videos = tuple(found[file].video.model_copy(update={"title": true.title}) for true, file in pairs)
    return script.model_copy(update={"videos": videos, "evidence": ()})


async def _in_swap_mode(
    scripts: Sequence[Script], again: Sequence[Script], folder: Path, master: str, budget: Budget
) -> list[list[Trajectory]]:
    """Return the runs on the true scripts, on the extracted ones, and without anything to see or hear."""
    true = ScriptedPerception(ScriptLibrary.of(scripts), CLEAR)
    sides: list[tuple[str, Perception, Sequence[Script]]] = [
        ("true", true, scripts),
        ("on_extracted", ScriptedPerception(ScriptLibrary.of(again), CLEAR), again),
        ("blind", BlindPerception(true), scripts),
    ]
    found: list[list[Trajectory]] = []
    for name, perception, asked in sides:
        with ProgressBar(f"running {name.replace('_', ' ')}", len(asked)) as bar:
            stored = Stored(folder / name, name)
            found.append(await run_over(perception, asked, master, stored, budget, bar.advance))
    return found


def _once(scripts: Sequence[Script], again: Sequence[Script]) -> list[tuple[ScriptedVideo, ScriptedVideo]]:
    """Return each video once, true and extracted."""
    sets = {videos_key(script): (script, other) for script, other in zip(scripts, again, strict=True)}
    return [pair for script, other in sets.values() for pair in zip(script.videos, other.videos, strict=True)]


def _baselines(scores: Sequence[tuple[Script, float, float]]) -> Baselines:
    """Return what some questions are compared with, from their scores on the true scripts and blind."""
    clusters = [videos_key(script) for script, *_ in scores]
    return Baselines(
        true=clustered_mean([true for _, true, _ in scores], clusters),
        blind=clustered_mean([blind for *_, blind in scores], clusters),
        chance=chance_level([script for script, *_ in scores]),
    )


def _scores(runs: Sequence[Trajectory], scripts: Sequence[Script]) -> list[float]:
    return [score_of(run.answer, script.key) for run, script in zip(runs, scripts, strict=True)]
