"""What checks of citations cost and bring (feature `verify`), on scripted and on rendered videos.

Each set of questions is answered by the offline master and by one that is careless on purpose (`careless.py`), without
the feature, with the offline judge, and with a trivial judge that supports every claim. The control judges the same
claims on random windows of the same videos: what it supports is the judge's error.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from agentcvr_graph import Trajectory, create_cvr_graph, resolve_chat_model
from agentcvr_graph.answers import score_of
from agentcvr_graph.eval.claim_control import random_window_control
from agentcvr_graph.graph.run import ask
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.claims import Judgement, WordClaimJudge
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.factory import resolve_perception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary, write_scripts
from agentcvr_graph.scripts.schema import Script, Task
from agentcvr_graph.scripts.video import render_script, rendered_question
from agentcvr_graph.tools import Features
from agentcvr_graph.types import Observation, Question, Verification
from agentcvr_graph.utils.concurrency import in_order
from tests.benchmarks.careless import CarelessMaster
from tests.benchmarks.rows import Row

TASKS: tuple[Task, ...] = ("BU", "NC", "CC", "PEA", "PI", "FSA", "PSS", "MSR", "MOC", "NUM")
"""All tasks whose answers need no judge."""
SCRIPTED, LIVE = 30, 6
"""Questions of each task."""
SEED = 19
AT_ONCE = 2


MASTERS: dict[str, BaseChatModel] = {
    "offline master": resolve_chat_model("offline"),
    "offline master, claims in own words": CarelessMaster(share=0.0, own_words=True),
    "careless master": CarelessMaster(),
    "careless master, claims in own words": CarelessMaster(own_words=True),
}


class TrivialJudge:
    """A judge that supports every claim."""

    name = "trivial"

    async def judge(self, claim: str, seen: Observation) -> Judgement:
        """Return that the claim is supported."""
        return Judgement("supported")


@dataclass(frozen=True)
class World:
    """Questions, and what observes their videos."""

    name: str
    questions: Sequence[Question]
    perception: Perception


def rows() -> Iterator[Row]:
    """Yield the rows of the scripted world, then those of rendered videos."""
    with tempfile.TemporaryDirectory() as scratch:
        yield from of_world(scripted_world(SCRIPTED, Path(scratch)))
        yield from of_world(live_world(LIVE, Path(scratch)))


def scripted_world(count: int, folder: Path) -> World:
    """Return questions over scripts, with the measured noise of the offline models."""
    scripts = _scripts(count)
    path = folder / "scripts.jsonl"
    write_scripts(scripts, path)
    questions = [script.as_question() for script in scripts]
    return World("scripted", questions, ScriptedPerception(ScriptLibrary(path), "fitted"))


def live_world(count: int, folder: Path) -> World:
    """Return questions over rendered videos, observed by the offline models."""
    scripts = _scripts(count)
    questions = [rendered_question(script, render_script(script, folder / "clips")) for script in scripts]
    return World("live", questions, resolve_perception(media=MediaLibrary(cache_dir=folder / "cache")))


def _scripts(count: int) -> list[Script]:
    return list(make_scripts(dict.fromkeys(TASKS, count), SEED, LEVELS["easy"]))


def of_world(world: World) -> Iterator[Row]:
    """Yield the rows of one world: two masters, each without and with checks."""
    for name, master in MASTERS.items():
        for judge in (None, WordClaimJudge(), *([TrivialJudge()] if "own words" not in name else [])):
            how = f"checked ({judge.name} judge)" if judge else "not checked"
            runs = asyncio.run(_answered(world, master, judge))
            yield _row(f"{world.name}, {name}, {how}, {len(runs)} questions", world, runs)
            if judge is not None:
                yield _caught(f"{world.name}, {name}, {judge.name} judge", runs, master)
                control = asyncio.run(random_window_control(runs, world.perception, judge, seed=SEED))
                what = f"{world.name}, {name}, {judge.name} judge: supported on random windows"
                yield Row(what, f"{control.supported:.1%} of {len(control.verdicts)} claims")


async def _answered(world: World, master: BaseChatModel, judge: Any) -> list[Trajectory]:
    graph = create_cvr_graph(master, world.perception, features=Features(verify=judge or False)).compile()
    return await in_order(lambda question: ask(graph, as_input(question)), world.questions, AT_ONCE)


def _row(what: str, world: World, runs: Sequence[Trajectory]) -> Row:
    count = len(runs)
    scores = [
        score_of(run.answer, question.key) if run.answer is not None and question.key is not None else 0.0
        for run, question in zip(runs, world.questions, strict=True)
    ]
    abstained = sum(run.answer is None or run.answer.abstained for run in runs)
    frames, audio_s = sum(run.usage.frames for run in runs), sum(run.usage.audio_s for run in runs)
    turns = sum(len(run.turns) for run in runs)
    cost = f"{frames / count:.0f} frames, {audio_s / count:.0f} s of sound, {turns / count:.2f} turns a question"
    return Row(what, f"accuracy {sum(scores) / count:.3f}, {abstained} abstentions; {cost}")


def _caught(what: str, runs: Sequence[Trajectory], master: BaseChatModel) -> Row:
    """Return how many wrong citations of first answers were not supported, and how many right ones."""
    wrong: list[Verification] = []
    right: list[Verification] = []
    for run in runs:
        first = min((one.turn for one in run.verifications), default=0)
        for check in (one for one in run.verifications if one.turn == first):
            made_up = isinstance(master, CarelessMaster) and master.cited_wrongly(run.question, check.citation)
            (wrong if made_up else right).append(check)
    refused = sum(one.verdict != "supported" for one in right)
    caught = sum(one.verdict != "supported" for one in wrong)
    refuted = sum(one.verdict == "contradicted" for one in wrong)
    shares = f"{caught / len(wrong):.1%} of {len(wrong)} wrong ({refuted} contradicted), " if wrong else ""
    return Row(
        f"{what}: refused", f"{shares}{refused / len(right):.1%} of {len(right)} right citations" if right else shares
    )
