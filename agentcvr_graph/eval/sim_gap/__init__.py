"""The sim-to-real gap: swap mode and real video, measured on the same questions.

The same master answers every script twice: in the simulator, and live on the video rendered from it (`pairs.py`).
The noise-free script then lists the facts of every window that the live run used, and each fact is looked up on both
sides (`facts.py`). The live side yields the noise rates that make the simulator match the live models (`fitting.py`);
both sides yield the statistics (`statistics.py`) and the report (`report.py`).

Evaluate fitted rates on other scripts than those they were fitted on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.sim_gap.facts import FactMatch, match_facts
from agentcvr_graph.eval.sim_gap.fitting import fit_noise
from agentcvr_graph.eval.sim_gap.pairs import Budget, Pair, run_live, run_scripted
from agentcvr_graph.eval.sim_gap.statistics import FactSummary, TaskSummary, summarize_facts, summarize_tasks
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.perception.noise import CLEAR, OFF, Noise, resolve_noise
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.types import Listen, Observation, Observe, Target, VideoInfo, Window
from agentcvr_graph.utils.progress import ProgressBar

__all__ = ["Budget", "Noise", "Pair", "SimGapResult", "measure_sim_gap"]


@dataclass(frozen=True)
class SimGapResult:
    """The result of a measurement."""

    noise: Noise
    """Noise of the scripted side."""
    fitted: Noise
    """The rates that make the scripted side match the live side on these questions."""
    models: ModelStrings
    tasks: Sequence[TaskSummary]
    """One entry per task; the last covers all questions."""
    facts: Sequence[FactSummary]
    pairs: Sequence[Pair]

    @property
    def disturbed(self) -> int:
        """Number of questions whose live run had an infrastructure error. The same measurement repeats them."""
        return sum(bool(pair.live.failed_calls) for pair in self.pairs)

    def _repr_html_(self) -> str:
        """Return accuracy by task, scripted and live, in per cent with 95 % intervals, for notebooks."""
        from agentcvr_graph.eval.sim_gap.report import sim_gap_rows
        from agentcvr_graph.report.notebook import table_html

        return table_html(*sim_gap_rows(self))

    def as_record(self) -> dict[str, object]:
        """Return the result as JSON values."""
        return {
            "noise": self.noise.model_dump(),
            "fitted": self.fitted.model_dump(),
            "models": asdict(self.models),
            "tasks": [asdict(row) | {"gap_points": row.gap_points} for row in self.tasks],
            "facts": [asdict(row) for row in self.facts],
            "questions": [pair.as_record() for pair in self.pairs],
        }


async def measure_sim_gap(
    scripts: Sequence[Script],
    folder: Path,
    *,
    noise: Noise | str = OFF,
    models: ModelStrings | None = None,
    budget: Budget | None = None,
) -> SimGapResult:
    """Answer all questions scripted and live, and write `gap.html`, `gap.png` and `gap.json` into a folder.

    The folder also keeps the rendered videos and the trajectories, so that a second or an interrupted measurement
    runs no question twice.

    Args:
        budget: the settings of both sides; by default those of `CVRContext`, without abstentions.

    Raises:
        InputError: there is no script.
        SetupError: a model, flite or a package is missing.
    """
    from agentcvr_graph.eval.sim_gap.report import write_sim_gap

    if not scripts:
        raise InputError("There is no script to measure.", fix="Name a file of scripts.")
    chosen, models = resolve_noise(noise), models or ModelStrings()
    gap = await _measure(scripts, folder, chosen, models, budget or Budget())
    await asyncio.to_thread(write_sim_gap, gap, folder)
    return gap


async def _measure(
    scripts: Sequence[Script], folder: Path, noise: Noise, models: ModelStrings, budget: Budget
) -> SimGapResult:
    with ProgressBar("running scripted", len(scripts)) as bar:
        scripted = await run_scripted(scripts, models.master, noise, folder, budget, bar.advance)
    with ProgressBar("running live", len(scripts)) as bar:
        live = await run_live(scripts, models, folder, budget, bar.advance)
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
    """Match every fact in the windows of the live run with the noisy script and with the live observation."""
    library = ScriptLibrary.of([pair.script])
    clean = ScriptedPerception(library, CLEAR)
    noisy = ScriptedPerception(library, noise)
    numbers = range(1, len(pair.script.videos) + 1)
    infos = [await clean.probe(pair.script.video(number), number) for number in numbers]
    found: list[tuple[FactMatch, FactMatch]] = []
    for live in pair.live.observations:
        wanted = await _repeat(live, clean, infos)
        simulated = await _repeat(live, noisy, infos)
        found += zip(match_facts(wanted, simulated), match_facts(wanted, live), strict=True)
    return found


async def _repeat(live: Observation, perception: ScriptedPerception, infos: Sequence[VideoInfo]) -> Observation:
    """Repeat the request of a live observation on a script."""
    windows = [_inside(window, infos) for window in live.windows]
    if live.modality == "audio":
        return await perception.listen(Listen(window=windows[0]), infos)
    targets = [
        Target(**window.model_dump(), frames=max(1, len(times)))
        for window, times in zip(windows, live.frame_times_s, strict=True)
    ]
    return await perception.observe(Observe(targets=tuple(targets)), infos)


def _inside(window: Window, infos: Sequence[VideoInfo]) -> Window:
    """Clip a window to its script: the rendered video may be one frame longer."""
    end_s = min(window.end_s, infos[window.video - 1].duration_s)
    return window.model_copy(update={"end_s": end_s})
