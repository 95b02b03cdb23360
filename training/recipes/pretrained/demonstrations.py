"""Demonstrations of about as many tokens as there is time to learn from, in training order.

Two kinds, whose batches are mixed. EXPLORING: an overview of all videos, mostly looks at what it leaves open, within a
drawn budget, then an answer; all turns are imitated, and how closely to look is drawn. READING: everything is looked at
once, and only the answer is imitated, and the answers to other questions about the same evidence, because the evidence
is what costs. Conversations that are longer than their kind's limit are left out: a token that is only read takes as
long as one that is imitated.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentcvr_training.config.settings import Settings
from agentcvr_training.demonstrations import Demonstration, demonstrate, row_of
from agentcvr_training.measures.evaluation import simulator_of
from agentcvr_training.rollout.chat_format import ChatFormat
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, messages_from_dict, messages_to_dict
from rich.console import Console

from agentcvr_graph.errors import InputError
from agentcvr_graph.graph.prompts import RECORDED
from agentcvr_graph.models.offline.master.reading import Reading, read
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_scripts
from agentcvr_graph.scripts.schema import Script, Task
from agentcvr_graph.utils.files import atomic_write
from agentcvr_graph.utils.progress import ProgressBar
from training.recipes.exploration.follow_ups import traced
from training.recipes.exploration.random_demonstrator import answering, random_for
from training.recipes.exploration.tour_follow_ups import tour_follow_ups
from training.recipes.exploration.tour_reading import asked
from training.recipes.exploration.traces import ReasoningTrace
from training.recipes.pretrained.demonstrator import WritingMaster, in_words
from training.recipes.tiny.curriculum import batched_by_length, interleaved

FIRST_SEED = 1_000_000
"""Seed of the first demonstrated script; reinforcement learning uses the seeds below it."""
KIND_SEEDS = 1_000_000
"""Seeds reserved for each kind."""
CHUNK = 4
"""Scripts of a task that are demonstrated at once, if its kind does not say."""
DRY_CHUNKS = 200
"""Chunks without a conversation that is short enough, after which recording stops."""


@dataclass(frozen=True)
class Kind:
    """A kind of demonstration."""

    share: float
    """Part of the tokens that it takes."""
    longest: int
    """Longer conversations, in tokens, are left out."""
    options: Mapping[str, Any]
    """Fields of `WritingMaster`."""
    each: Mapping[Task, int]
    """Scripts of each task that are demonstrated at once."""
    follow_ups: int | None = None
    """If given, everything can be afforded, only answers are imitated, and at most so many follow-ups are added."""


EXPLORING: Mapping[str, Any] = {
    **{"overview": (2, 3, 4, 6), "modalities": ("both",), "lengths_s": (10.0,), "frames": (8, 16, 24)},
    **{"noted": 0.9, "every": 0.8, "stops": 0.1, "settles": 0.95, "max_looks": 3},
}
READING: Mapping[str, Any] = {
    **{"max_looks": 1, "whole": 1.0, "every": 1.0, "modalities": ("both",), "frames": (24, 40)},
}
KINDS: tuple[Kind, ...] = (
    Kind(0.3, 1900, EXPLORING, {"STOP": 3, "SPOT": 6, "LOCK": 3}),
    Kind(0.7, 4200, READING, {"STOP": 6, "SPOT": 6, "LOCK": 1}, follow_ups=14),
)
ALIKE: Mapping[Task, Sequence[Task]] = {"STOP": ("STOP", "SPOT"), "SPOT": ("STOP", "SPOT")}
"""Tasks whose answers have the same form, so that follow-ups may be of any of them; the others have their own alone."""


@dataclass(frozen=True)
class Lengths:
    """Lengths of a recorded conversation, in tokens."""

    opening: int
    """Before the first turn."""
    whole: int
    own: int
    """Tokens that are imitated."""


@dataclass
class Recorded:
    """Demonstrations of one kind as lines of JSON, with their lengths."""

    lines: list[str] = field(default_factory=list[str])
    lengths: list[Lengths] = field(default_factory=list[Lengths])

    @property
    def tokens(self) -> int:
        return sum(one.whole for one in self.lengths)


def record(settings: Settings, form: ChatFormat, tokens: int, path: Path, console: Console) -> list[Lengths]:
    """Write demonstrations of about so many tokens; return their lengths. The file appears when it is complete.

    Args:
        settings: source of tasks, difficulty, noise, budgets, graph settings and the batch size of the training.

    Raises:
        InputError: hardly any conversation is as short as its kind demands.
    """
    with ProgressBar("recording", tokens, console=console) as progress:
        kinds: list[Recorded] = []
        for number, kind in enumerate(KINDS):
            kinds.append(_record_kind(settings, form, number, round(tokens * kind.share)))
            progress.update(completed=sum(one.tokens for one in kinds))
    batch = int(settings.sft.trainer.get("per_device_train_batch_size", 8)) if settings.sft else 8
    rng = random.Random(settings.seed)
    with atomic_write(path) as draft, draft.open("w", encoding="utf-8") as file:
        file.writelines(batched_by_length(interleaved([one.lines for one in kinds]), batch, rng))
    return [length for one in kinds for length in one.lengths]


def _record_kind(settings: Settings, form: ChatFormat, number: int, tokens: int) -> Recorded:
    found, dry = Recorded(), 0
    for chunk in _chunks(settings, number):
        before = len(found.lines)
        for one in asyncio.run(demonstrated(settings, KINDS[number], chunk)):
            lengths = lengths_of(one, form)
            if lengths.whole <= KINDS[number].longest and found.tokens < tokens:
                found.lines.append(one.model_dump_json() + "\n")
                found.lengths.append(lengths)
        dry = dry + 1 if len(found.lines) == before else 0
        if found.tokens >= tokens:
            break
        if dry == DRY_CHUNKS:
            raise InputError(
                f"Hardly any conversation has at most {KINDS[number].longest} tokens with this tokenizer.",
                fix="Choose a model with a larger vocabulary, or raise `longest` in demonstrations.py.",
            )
    return found


def _chunks(settings: Settings, number: int) -> Iterator[list[Script]]:
    """Yield scripts with ever new seeds, in the worlds of the configuration, the tasks mixed."""
    source = settings.scripts
    level = LEVELS[source.difficulty].with_settings(source.difficulty_settings)
    first = source.seed + FIRST_SEED + number * KIND_SEEDS
    each: dict[Task, int] = {task: KINDS[number].each.get(task, CHUNK) for task in source.tasks}
    for seed in range(first, first + KIND_SEEDS, max(each.values())):
        yield list(make_scripts(each, seed, level, source.phrasing))


async def demonstrated(settings: Settings, kind: Kind, scripts: Sequence[Script]) -> list[Demonstration]:
    """Return the demonstrations of one kind about scripts, in the order of the scripts."""
    found = demonstrate(
        WritingMaster(seed=settings.seed, **kind.options),
        simulator_of(scripts, settings),
        scripts,
        settings.context,
        budget_shares=None if kind.follow_ups else settings.rollout.budget_shares,
    )
    by_script = {one.script_id: one async for one in found if one is not None}
    shown = [by_script[script.id] for script in scripts if script.id in by_script]
    return [_reading(one, kind.follow_ups) if kind.follow_ups else _ending_with_answer(one) for one in shown]


def _ending_with_answer(one: Demonstration) -> Demonstration:
    """Return a demonstration without what the graph says after its last turn."""
    messages = messages_from_dict(one.messages)
    last = max(n for n, message in enumerate(messages) if isinstance(message, AIMessage))
    return one.model_copy(update={"messages": messages_to_dict(messages[: last + 1])})


def _reading(one: Demonstration, follow_ups: int) -> Demonstration:
    """Return a demonstration of which only the answers are imitated, to its question and to follow-ups."""
    messages = list(messages_from_dict(_ending_with_answer(one).messages))
    turns = sum(isinstance(message, AIMessage) for message in messages)
    evidence: list[BaseMessage] = messages[:-1]
    for question, trace in _follow_ups(read(evidence), random_for(one.script_id), follow_ups):
        messages += [HumanMessage(f"{RECORDED}\nQuestion: {question}"), in_words(answering(trace))]
    return one.model_copy(update={"messages": messages_to_dict(messages), "imitated_from": turns - 1})


def _follow_ups(reading: Reading, rng: random.Random, most: int) -> list[tuple[str, ReasoningTrace]]:
    task, _ = asked(reading.question) or ("STOP", {})
    return traced(reading, tour_follow_ups(reading, ALIKE.get(task, [task]), rng, most), rng)


def lengths_of(one: Demonstration, form: ChatFormat) -> Lengths:
    """Return the lengths of a demonstration in the tokens of a model."""
    row = row_of(one.conversation(), form, imitated_from=one.imitated_from)
    return Lengths(len(row.prompt_ids), len(row.ids), sum(row.mask))
