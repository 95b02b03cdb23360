"""The gap between swap mode and real video, measured on the same questions.

Every script is asked twice by the same master: in the simulator, and live on the videos that were made from it
(`asking.py`). The clean script then says what there was to see and hear in every window that the live run looked at, so
each fact can be looked up on both sides (`facts.py`). From the live side come the rates under which the simulator is as
good and as bad as the real eyes and ears (`fitting.py`); from both sides the figures (`figures.py`) and a report
(`report.py`).

Rates fitted on some scripts should be judged on others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.sim_gap.facts import FactMatch, match_facts
from agentcvr_graph.eval.sim_gap.fitting import UNCROWDED, fit_noise
from agentcvr_graph.eval.sim_gap.pairs import Pair, run_live, run_scripted
from agentcvr_graph.eval.sim_gap.statistics import FactSummary, TaskSummary, summarize_facts, summarize_tasks
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.perception.noise import OFF, Noise, resolve_noise
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.types import Listen, Observation, Observe, Target, VideoInfo, Window
from agentcvr_graph.utils.progress import ProgressBar

__all__ = ["Noise", "Pair", "SimGapResult", "measure_sim_gap"]


@dataclass(frozen=True)
class SimGapResult:
    """What was measured."""

    noise: Noise
    """Of the scripted side."""
    fitted: Noise
    """The rates under which the scripted side would be like the live one, by these questions."""
    models: ModelStrings
    tasks: Sequence[TaskSummary]
    """A row for each task; the last is for all questions."""
    facts: Sequence[FactSummary]
    pairs: Sequence[Pair]

    def _repr_html_(self) -> str:
        """For notebooks: accuracy in both worlds by task, in per cent with 95 % intervals."""
        from agentcvr_graph.eval.sim_gap.report import sim_gap_rows
        from agentcvr_graph.report.notebook import table_html

        return table_html(*sim_gap_rows(self))

    def as_record(self) -> dict[str, object]:
        """The figures as JSON."""
        return {
            "noise": self.noise.model_dump(),
            "fitted": self.fitted.model_dump(),
            "models": asdict(self.models),
            "tasks": [asdict(row) | {"gap_points": row.gap_points} for row in self.tasks],
            "facts": [asdict(row) for row in self.facts],
            "questions": [
                {"id": pair.script.id, "scripted": pair.scripted_score, "live": pair.live_score} for pair in self.pairs
            ],
        }


async def measure_sim_gap(
    scripts: Sequence[Script],
    folder: Path,
    *,
    noise: Noise | str = OFF,
    models: ModelStrings | None = None,
) -> SimGapResult:
    """Ask all questions in both worlds, and write `gap.html`, `gap.png` and `gap.json` into a folder.

    The folder also keeps the twins and the live runs, so that a second measurement, or one that was broken off, asks
    nothing twice.

    Raises:
        InputError: there is no script.
        SetupError: a model, flite or a package is missing.
    """
    from agentcvr_graph.eval.sim_gap.report import write_sim_gap

    if not scripts:
        raise InputError("There is no script to measure.", fix="Name a file of scripts.")
    chosen, models = resolve_noise(noise), models or ModelStrings()
    with ProgressBar("running live", len(scripts)) as bar:
        gap = await _measure(scripts, folder, chosen, models, bar.advance)
    await asyncio.to_thread(write_sim_gap, gap, folder)
    return gap


async def _measure(
    scripts: Sequence[Script], folder: Path, noise: Noise, models: ModelStrings, done: Callable[[], None]
) -> SimGapResult:
    live = await run_live(scripts, models, folder, done)
    scripted = await run_scripted(scripts, models.master, noise)
    pairs = [Pair(*row) for row in zip(scripts, scripted, live, strict=True)]
    both = [found for pair in pairs for found in await _compare(pair, noise)]
    return SimGapResult(
        noise=noise,
        fitted=fit_noise("fitted", [live_side for _, live_side in both]),
        models=models,
        tasks=summarize_tasks(pairs),
        facts=summarize_facts(both),
        pairs=pairs,
    )


async def _compare(pair: Pair, noise: Noise) -> list[tuple[FactMatch, FactMatch]]:
    """Every fact of the windows of the live run, as the noisy script and as the live senses brought it back."""
    library = ScriptLibrary.of([pair.script])
    clean = ScriptedPerception(library, OFF.model_copy(update={"crowded_frames": UNCROWDED}))
    noisy = ScriptedPerception(library, noise)
    asked = pair.script.as_question().videos
    infos = [await clean.probe(video, number) for number, video in enumerate(asked, start=1)]
    found: list[tuple[FactMatch, FactMatch]] = []
    for live in pair.live.observations:
        wanted = await _repeat(live, clean, infos)
        simulated = await _repeat(live, noisy, infos)
        found += zip(match_facts(wanted, simulated), match_facts(wanted, live), strict=True)
    return found


async def _repeat(live: Observation, perception: ScriptedPerception, infos: Sequence[VideoInfo]) -> Observation:
    """The request behind a live observation, made of a script."""
    windows = [_inside(window, infos) for window in live.windows]
    if live.modality == "audio":
        return await perception.listen(Listen(window=windows[0]), infos)
    targets = [
        Target(**window.model_dump(), frames=max(1, len(times)))
        for window, times in zip(windows, live.frame_times_s, strict=True)
    ]
    return await perception.observe(Observe(targets=tuple(targets)), infos)


def _inside(window: Window, infos: Sequence[VideoInfo]) -> Window:
    """A twin may be a frame longer than its script."""
    end_s = min(window.end_s, infos[window.video - 1].duration_s)
    return window.model_copy(update={"end_s": end_s})
