"""How hard the levels of a task are: the accuracy of masters without weights at easy, normal and hard.

    python -m training.recipes.tiny.difficulty --each 200 -t RULE -t CHAIN

Perception has the errors measured on rendered video (`fitted`). Three masters are compared:

- the offline master, as shipped, with the default budgets;
- the notes of the demonstrator (`reasoning_trace.py`) at full evidence: `FRAMES` frames a video and all sound;
- the same notes after everything was thinned to a quarter of the full cost, which is one of the fixed schedules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any, cast

import typer
from agentcvr_training.baselines.planned_policy import planned_context
from agentcvr_training.baselines.plans import THINNED, Call, Plan
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from agentcvr_graph.answers import score_of
from agentcvr_graph.cli.console import one_of, out, run_app
from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.run import ask
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.chat_base import ChatModelBase, ChatRequest
from agentcvr_graph.models.offline.master import OfflineMaster
from agentcvr_graph.models.offline.master.reading import Reading, read
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.budgets import full_cost
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import TOUR_TASKS, Script, Task
from training.recipes.exploration.random_demonstrator import answering, random_for
from training.recipes.exploration.reasoning_trace import reasoning_trace_of

FRAMES = 40
THIN_SHARE = 0.25
UNLIMITED = CVRContext(max_frames=100_000, max_frames_per_call=100_000, max_audio_s=1e6)
app = typer.Typer(add_completion=False, rich_markup_mode="rich")


class PlannedReader(ChatModelBase):
    """A chat model that looks once, by a plan, and answers from the notes of the demonstrator."""

    plan: Any
    """A `Plan`, which returns the calls of the first turn."""

    def _reply(self, request: ChatRequest) -> AIMessage:
        reading = read(request.messages)
        calls = cast(Plan, self.plan)(reading) if reading.turn == 0 else []
        if not calls:
            return answering(reasoning_trace_of(reading, random_for(reading.question)))
        return AIMessage("", tool_calls=[{**call, "id": f"look_{n}"} for n, call in enumerate(calls)])

    async def _areply(self, request: ChatRequest) -> AIMessage:
        return self._reply(request)


def everything(reading: Reading) -> list[Call]:
    """Plan `FRAMES` frames of each video and all sound."""
    calls: list[Call] = []
    for clip in reading.readable:
        whole = {"video": clip.number, "start_s": 0.0, "end_s": clip.duration_s}
        calls.append({"name": "observe", "args": {"targets": [{**whole, "frames": FRAMES}]}})
        calls += [{"name": "listen", "args": whole}] if clip.has_words else []
    return calls


def _thin_context(script: Script) -> CVRContext:
    return planned_context(UNLIMITED.with_share_of(full_cost(script), THIN_SHARE))


MASTERS: dict[str, tuple[BaseChatModel, Callable[[Script], CVRContext]]] = {
    "offline master": (OfflineMaster(), lambda _: CVRContext()),
    f"notes, {FRAMES} frames a video": (PlannedReader(plan=everything), lambda _: planned_context(UNLIMITED)),
    f"notes, thinned to {100 * THIN_SHARE:.0f} %": (PlannedReader(plan=THINNED), _thin_context),
}
"""Each master with the settings of its run over a script."""


async def accuracy(
    master: BaseChatModel, context_of: Callable[[Script], CVRContext], scripts: Sequence[Script]
) -> float:
    """Return the mean score of a master over scripts, 0 to 1."""
    graph = create_cvr_graph(master, ScriptedPerception(ScriptLibrary.of(scripts), "fitted")).compile()
    total = 0.0
    for script in scripts:
        trajectory = await ask(graph, as_input(script.as_question()), context_of(script))
        total += score_of(trajectory.answer, script.key)
    return total / len(scripts)


@app.command()
def table(
    each: Annotated[int, typer.Option(min=1, help="Scripts of each task and level.")] = 200,
    tasks: Annotated[list[str] | None, typer.Option("--task", "-t", help="Default: all tasks over tours.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the first script.")] = 0,
) -> None:
    """Print the accuracy of each master by task and level, as Markdown."""
    chosen: list[Task] = [one_of("task", task.upper(), TOUR_TASKS) for task in tasks or TOUR_TASKS]
    out.print(f"| accuracy in %, {each} questions a cell | {' | '.join(LEVELS)} |", markup=False)
    out.print("|---|---|---|---|")
    for task in chosen:
        for name, (master, context_of) in MASTERS.items():
            levels = [list(make_scripts({task: each}, seed, level)) for level in LEVELS.values()]
            scores = [asyncio.run(accuracy(master, context_of, scripts)) for scripts in levels]
            out.print(f"| {task}, {name} | {' | '.join(f'{100 * one:.0f}' for one in scores)} |", markup=False)


if __name__ == "__main__":
    run_app(app, "training")
