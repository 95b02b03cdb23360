"""A small language model on a server with structured output, as master of scripted questions.

Needs the address of a server of the model, as `vllm serve`. The rows compare the share of calls that the graph accepts
with and without a schema, and the score with that of the same model without videos and with the best single answer.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from agentcvr_training.measures.accepted import accepted

from agentcvr_graph import CVRContext, create_cvr_graph, resolve_chat_model
from agentcvr_graph.answers import score_answer, score_of
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.blind import BlindPerception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.trajectory import Trajectory, trajectory_of
from tests.benchmarks.rows import Row

COUNT = 20
TURNS = 3
MOST_TOKENS = 64
"""Longest turn without a schema; with one, the schema bounds it."""
TIMEOUT_S = 900.0


def rows(server: str) -> Iterator[Row]:
    """Yield the shares of accepted calls, then the scores."""
    scripts = list(make_scripts({"CC": COUNT}))
    seeing = ScriptedPerception(ScriptLibrary.of(scripts))
    bound = _answered(server, scripts, seeing, CVRContext(max_turns=TURNS, dialect="schema"))
    free = _answered(server, scripts, seeing, CVRContext(max_turns=TURNS, dialect="json"))
    blind = _answered(server, scripts, BlindPerception(seeing), CVRContext(max_turns=1, dialect="schema"))
    shares = [_share(some) for some in (bound, free)]
    model: Any = resolve_chat_model(server)
    name = f"{model.model_name}, {COUNT} questions, swap mode"
    said = f"{100 * shares[0]:.0f} % with a schema, {100 * shares[1]:.0f} % as free text"
    yield Row(f"{name}: calls that the graph accepts", said, ">= 90 % with a schema", shares[0] >= 0.9)
    one = max(_constant(scripts, value) for value in "ABCD")
    scores = [_score(some, scripts) for some in (bound, free, blind)]
    figures = "with a schema {:.0f}, as free text {:.0f}, blind {:.0f}".format(*(100 * score for score in scores))
    yield Row(f"{name}: score", f"{figures}, best single answer {100 * one:.0f}")


def _answered(server: str, scripts: Sequence[Script], perception: Perception, settings: CVRContext) -> list[Trajectory]:
    master: Any = resolve_chat_model(server, timeout_s=TIMEOUT_S)
    master.temperature = 0.0
    if settings.dialect == "json":
        master.max_tokens = MOST_TOKENS
    graph = create_cvr_graph(master, perception).compile()

    async def one(script: Script) -> Trajectory:
        return trajectory_of(await graph.ainvoke(as_input(script.as_question()), context=settings))

    async def all_of_them() -> list[Trajectory]:
        return list(await asyncio.gather(*map(one, scripts)))

    return asyncio.run(all_of_them())


def _share(trajectories: Sequence[Trajectory]) -> float:
    calls = accepted(trajectories)
    return calls[True] / calls.total()


def _score(trajectories: Sequence[Trajectory], scripts: Sequence[Script]) -> float:
    return statistics.fmean(
        score_of(trajectory.answer, script.key) for trajectory, script in zip(trajectories, scripts, strict=True)
    )


def _constant(scripts: Sequence[Script], value: str) -> float:
    return statistics.fmean(score_answer(script.kind, value, script.key) for script in scripts)
