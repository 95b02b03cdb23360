"""Procedural worlds: one maker of questions for each of CrossVid's ten task types and one of ours, with no model.

`make_script("CC", seed=7)` is the same script on every machine. See `base.py` for the rule that keeps questions from
telling their answers, and `filming.py` for how events become timelines. To add a world, write a class with `make` and
`solve` and name it in `WORLDS`; the tests then measure it like the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from agentcvr_graph.scripts.generators.procedural.assembly import AssemblingWorld
from agentcvr_graph.scripts.generators.procedural.base import LEVELS, Difficulty, Streams, World
from agentcvr_graph.scripts.generators.procedural.comparison import FILMS, KITCHEN, PEOPLE, ComparingWorld
from agentcvr_graph.scripts.generators.procedural.drones import CountingWorld, DirectionWorld
from agentcvr_graph.scripts.generators.procedural.explanation import ExplainingWorld
from agentcvr_graph.scripts.generators.procedural.grounding import GroundingWorld
from agentcvr_graph.scripts.generators.procedural.plot import PlottingWorld
from agentcvr_graph.scripts.generators.procedural.sorting import SortingWorld
from agentcvr_graph.scripts.generators.procedural.storage import StoringWorld
from agentcvr_graph.scripts.schema import Origin, Script, Task
from agentcvr_graph.types import AnswerValue

__all__ = ["LEVELS", "WORLDS", "Difficulty", "World", "make_script", "make_scripts", "solve"]

WORLDS: Mapping[Task, World] = {
    "BU": ComparingWorld(PEOPLE),
    "NC": ComparingWorld(FILMS),
    "CC": ComparingWorld(KITCHEN),
    "PEA": AssemblingWorld(),
    "PI": PlottingWorld(),
    "FSA": GroundingWorld(),
    "PSS": SortingWorld(),
    "MSR": DirectionWorld(),
    "MOC": CountingWorld(),
    "CCQA": ExplainingWorld(),
    "NUM": StoringWorld(),
}


def make_script(task: Task, seed: int, difficulty: Difficulty = LEVELS["normal"]) -> Script:
    """The script of a task and seed."""
    script = WORLDS[task].make(Streams(task, seed), difficulty)
    origin = Origin(generator=f"worlds/{task}", seed=seed, difficulty=asdict(difficulty))
    return script.model_copy(update={"id": f"{task.lower()}-{seed:06d}", "origin": origin})


def make_scripts(
    counts: Mapping[Task, int], seed: int = 0, difficulty: Difficulty = LEVELS["normal"]
) -> Iterator[Script]:
    """Scripts with the seeds `seed`, `seed + 1`, ... for each task, one task after the other."""
    for task, count in counts.items():
        for n in range(count):
            yield make_script(task, seed + n, difficulty)


def solve(script: Script) -> AnswerValue:
    """The answer to a script of these worlds, read from its timelines and never from its key."""
    return WORLDS[script.task].solve(script)
