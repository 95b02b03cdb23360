"""Scripts that a command line names: a library, or procedural tasks."""

from __future__ import annotations

from collections.abc import Sequence

from agentcvr_graph.cli.console import one_of
from agentcvr_graph.scripts.generators.procedural import GENERATORS, PHRASINGS
from agentcvr_graph.scripts.schema import Script, Task
from agentcvr_training.config.settings import DIFFICULTIES, Scripts


def named_scripts(
    library: str, tasks: Sequence[str], each: int, seed: int, difficulty: str, phrasing: str = "training"
) -> list[Script]:
    """Return the scripts of a file or folder, or `each` procedural ones of each task.

    Raises:
        InputError: a name is unknown, or there are no scripts.
    """
    known: tuple[Task, ...] = tuple(GENERATORS)
    chosen: tuple[Task, ...] = tuple(one_of("--task", task.upper(), known) for task in tasks)
    return Scripts(
        library=library,
        tasks=chosen,
        each=each if chosen else 0,
        seed=seed,
        difficulty=one_of("--difficulty", difficulty, DIFFICULTIES),
        phrasing=one_of("--phrasing", phrasing, PHRASINGS),
    ).load()
