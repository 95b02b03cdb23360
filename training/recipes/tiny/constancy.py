"""Count how often the trained policy behaves the same, from `results/tiny/seed-*.json`.

    python -m training.recipes.tiny.constancy

For every seed and task, the table shows the pair of turns and frames that most episodes after GRPO share, and how many
share it. A policy that decides by what it has observed would spread over several pairs; a constant policy does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from agentcvr_graph.cli.console import out
from agentcvr_graph.graph.context import CVRContext
from training.recipes.tiny.summary import Measures

RESULTS = Path(__file__).parent / "results" / "tiny"


class Constancy(NamedTuple):
    """The most common behaviour of one seed on one task."""

    seed: int
    task: str
    turns: int
    frames: int
    same: int
    """Episodes with exactly these turns and frames."""
    episodes: int


def constancy(seeds: Sequence[Measures]) -> list[Constancy]:
    """Return the most common pair of turns and frames after GRPO, for every seed and task."""
    found: list[Constancy] = []
    for one in seeds:
        questions = one.of("grpo")
        for task in dict.fromkeys(question.task for question in questions):
            pairs = Counter((q.turns, q.frames) for q in questions if q.task == task)
            (turns, frames), same = pairs.most_common(1)[0]
            found.append(Constancy(one.seed, task, turns, frames, same, pairs.total()))
    return found


def report(seeds: Sequence[Measures]) -> str:
    """Return the counts as Markdown, with the totals below."""
    rows = constancy(seeds)
    lines = ["| seed | task | most common turns | frames | episodes with both |", "|---|---|---|---|---|"]
    lines += [f"| {r.seed} | {r.task} | {r.turns} | {r.frames} | {r.same} of {r.episodes} |" for r in rows]
    longest_s = max(question.audio_s for one in seeds for question in one.of("grpo"))
    lines += [
        "",
        f"{sum(r.same for r in rows)} of {sum(r.episodes for r in rows)} episodes have the most common pair of turns "
        f"and frames of their task and seed. The longest sound of an episode is {longest_s:.0f} s of a budget of "
        f"{CVRContext().max_audio_s:,.0f} s.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    out.print(report([Measures.read(path) for path in sorted(RESULTS.glob("seed-*.json"))]), markup=False)
