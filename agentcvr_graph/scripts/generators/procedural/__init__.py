"""Procedural generators: one for each of CrossVid's ten task types and for our own tasks, without any model.

`make_script("CC", seed=7)` is the same script on every machine. See `base.py` for the rule that keeps questions from
giving their answers away, and `scenes.py` for how events become timelines. To add a generator, write a class with
`make` and `solve` and add it to `GENERATORS`; the tests then measure it like the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from agentcvr_graph.scripts.generators.procedural.assembly import AssemblyGenerator
from agentcvr_graph.scripts.generators.procedural.base import (
    LEVELS,
    PHRASINGS,
    Difficulty,
    Phrasing,
    ScriptGenerator,
    Streams,
)
from agentcvr_graph.scripts.generators.procedural.comparison import FILMS, KITCHEN, PEOPLE, ComparisonGenerator
from agentcvr_graph.scripts.generators.procedural.drones import CountingGenerator, DirectionGenerator
from agentcvr_graph.scripts.generators.procedural.explanation import ExplanationGenerator
from agentcvr_graph.scripts.generators.procedural.grounding import GroundingGenerator
from agentcvr_graph.scripts.generators.procedural.library import LibraryGenerator
from agentcvr_graph.scripts.generators.procedural.plot import PlotGenerator
from agentcvr_graph.scripts.generators.procedural.sorting import SortingGenerator
from agentcvr_graph.scripts.generators.procedural.storage import StorageGenerator
from agentcvr_graph.scripts.generators.procedural.tours.choosing import PairGenerator, SpotGenerator, StopGenerator
from agentcvr_graph.scripts.generators.procedural.tours.numbers import CostGenerator, LockGenerator
from agentcvr_graph.scripts.generators.procedural.tours.rules import RuleGenerator
from agentcvr_graph.scripts.generators.procedural.tours.trails import ChainGenerator
from agentcvr_graph.scripts.schema import Origin, Script, Task
from agentcvr_graph.types import AnswerValue

__all__ = [
    "GENERATORS",
    "LEVELS",
    "PHRASINGS",
    "Difficulty",
    "Phrasing",
    "ScriptGenerator",
    "make_script",
    "make_scripts",
    "solve",
]

GENERATORS: Mapping[Task, ScriptGenerator] = {
    "BU": ComparisonGenerator(PEOPLE),
    "NC": ComparisonGenerator(FILMS),
    "CC": ComparisonGenerator(KITCHEN),
    "PEA": AssemblyGenerator(),
    "PI": PlotGenerator(),
    "FSA": GroundingGenerator(),
    "PSS": SortingGenerator(),
    "MSR": DirectionGenerator(),
    "MOC": CountingGenerator(),
    "CCQA": ExplanationGenerator(),
    "NUM": StorageGenerator(),
    "LIB": LibraryGenerator(),
    "STOP": StopGenerator(),
    "SPOT": SpotGenerator(),
    "PAIR": PairGenerator(),
    "COST": CostGenerator(),
    "LOCK": LockGenerator(),
    "RULE": RuleGenerator(),
    "CHAIN": ChainGenerator(),
}


def make_script(
    task: Task, seed: int, difficulty: Difficulty = LEVELS["normal"], phrasing: Phrasing = "training"
) -> Script:
    """Return the script of a task and seed.

    Args:
        phrasing: the templates of its question, for tasks that split theirs (tours).
    """
    script = GENERATORS[task].make(Streams(task, seed, phrasing), difficulty)
    origin = Origin(generator=f"worlds/{task}", seed=seed, difficulty=asdict(difficulty))
    return script.model_copy(update={"id": f"{task.lower()}-{seed:06d}", "origin": origin})


def make_scripts(
    counts: Mapping[Task, int],
    seed: int = 0,
    difficulty: Difficulty = LEVELS["normal"],
    phrasing: Phrasing = "training",
) -> Iterator[Script]:
    """Yield scripts with the seeds `seed`, `seed + 1`, ... for each task, one task after the other."""
    for task, count in counts.items():
        for n in range(count):
            yield make_script(task, seed + n, difficulty, phrasing)


def solve(script: Script) -> AnswerValue:
    """Return the answer to a generated script, read from its timelines and never from its key."""
    return GENERATORS[script.task].solve(script)
