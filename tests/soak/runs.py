"""The runs of a soak test: scripted, live with the offline models, and live with an unreliable endpoint.

Each client runs one question after another, as a user of a server would, and sometimes disconnects during a run.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agentcvr_graph import CVRContext, CVRError, Question, Trajectory, create_cvr_graph
from agentcvr_graph.demo import demo_questions
from agentcvr_graph.graph.builder import CompiledCVRGraph
from agentcvr_graph.graph.run import ask
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.media.base import Library
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.factory import resolve_perception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.bundled import bundled_library

DISCONNECTS = 0.08
"""Share of the runs whose client disconnects before the end."""
PATIENCE_S = 4.0
"""Longest time that such a client waits."""
MODEL_TIMEOUT_S = 5.0
LONGEST_RUN_S = 240.0
"""Time limit of a run. Every run should end long before it; one that does not is counted as hanging."""
SHARES = {"scripted": 0.5, "live": 0.2, "endpoint": 0.3}


@dataclass(frozen=True)
class Kind:
    """One kind of run: a compiled graph and its questions."""

    graph: CompiledCVRGraph
    questions: tuple[Question, ...]


@dataclass
class Tally:
    """Counts of how the runs ended."""

    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Number of runs by kind of run and kind of end."""
    unexpected: list[str] = field(default_factory=list)
    """Ends that are neither an answer, nor a typed failure, nor a disconnected client."""

    @property
    def runs(self) -> int:
        return sum(self.ends.values())

    def count(self, kind: str, end: str) -> None:
        self.ends[kind, end] += 1


def kinds(url: str, media: Library) -> dict[str, Kind]:
    """Build the graphs, each shared by all runs of its kind."""
    library = bundled_library()
    scripted = tuple(script.as_question() for script in library)
    demos = tuple(question for question in demo_questions() if len(question.videos) > 1)
    choices = tuple(question for question in demos if question.kind == "choice")  # the endpoint always answers "A"
    offline, endpoint = resolve_chat_model("offline"), resolve_chat_model(f"{url}#stub", timeout_s=MODEL_TIMEOUT_S)
    endpoint_perception = resolve_perception(vision=f"{url}#stub", media=media)
    return {
        "scripted": Kind(create_cvr_graph(offline, ScriptedPerception(library, "mild")).compile(), scripted),
        "live": Kind(create_cvr_graph(offline, resolve_perception(media=media)).compile(), demos),
        "endpoint": Kind(create_cvr_graph(endpoint, endpoint_perception).compile(), choices),
    }


async def client(
    of: dict[str, Kind],
    tally: Tally,
    rng: random.Random,
    continues: Callable[[], bool],
    report: Callable[[], Awaitable[object]],
) -> None:
    """Run one question after another while `continues` returns true."""
    while continues():
        await report()
        (name,) = rng.choices(list(SHARES), weights=list(SHARES.values()))
        question = rng.choice(of[name].questions)
        patience_s = rng.uniform(0, PATIENCE_S) if rng.random() < DISCONNECTS else None
        tally.count(name, await _end_of(of[name].graph, question, patience_s, tally))


async def _end_of(graph: CompiledCVRGraph, question: Question, patience_s: float | None, tally: Tally) -> str:
    run = asyncio.create_task(ask(graph, as_input(question), CVRContext()))
    try:
        return _named(await asyncio.wait_for(run, patience_s or LONGEST_RUN_S))
    except TimeoutError:
        if patience_s is not None:
            return "client disconnected"
        tally.unexpected.append(f"{question.id or question.question}: no end after {LONGEST_RUN_S:g} s")
        return "hangs"
    except CVRError as error:
        return f"raised {type(error).__name__}"
    except Exception as error:
        tally.unexpected.append(f"{type(error).__name__}: {error}")
        return "unexpected"


def _named(trajectory: Trajectory) -> str:
    return "answer" if trajectory.failure is None else f"failure of the {trajectory.failure.boundary}"
