"""How far the answers of the offline master can be relied on: calibration, and the threshold of its support rule.

All questions are over scripts with the fitted noise. Two halves have seeds of their own: what is chosen (the base rate,
the threshold) is chosen on the first and reported on the second. The threshold is judged by three sets of questions:

- **answerable**: those of ten tasks;
- **one word off**: the same with one word of the question replaced by one that is nowhere in the videos;
- **other videos**: the same over the videos of another task.

Nothing answers the last two, so every answer to them is wrong.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from unittest.mock import patch

from agentcvr_graph import CVRContext, create_cvr_graph, resolve_chat_model
from agentcvr_graph.answers import score_of
from agentcvr_graph.eval.reliability import Reliability, reliability_of
from agentcvr_graph.eval.rows import Outcome
from agentcvr_graph.eval.rows import Row as Result
from agentcvr_graph.graph.run import ask
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.focus import stems
from agentcvr_graph.models.offline.master import support
from agentcvr_graph.models.offline.master.language import content_words
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.tools import Features
from tests.benchmarks.bench_verify import TASKS
from tests.benchmarks.rows import Row

COUNT = 30
"""Questions of each task, level and half."""
SEEDS = {"chosen on": 910_000, "held out": 930_000}
USED_LEVELS = ("easy", "normal")
THRESHOLDS = (0.01, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
ABSENT = (
    "saffron",
    "umbrella",
    "violin",
    "penguin",
    "cactus",
    "trumpet",
    "pyramid",
    "anchor",
    "marble",
    "lantern",
    "zebra",
    "volcano",
)
"""Words of which a script has few."""
ANSWERABLE, ONE_WORD, OTHER = "answerable", "one word off", "other videos"


@dataclass(frozen=True)
class Given:
    """The answer to one question without a threshold, which is applied afterwards."""

    script: Script
    share: float
    """How much of the question the evidence has; 0 for a guess."""
    score: float

    @property
    def is_right(self) -> bool:
        return self.score >= 0.5


def rows() -> Iterator[Row]:
    """Yield the rows: calibration on the held-out half, then the thresholds on both."""
    halves = {half: _answered_sets(seed) for half, seed in SEEDS.items()}
    chosen_on, held_out = halves.values()
    yield from calibration_rows(chosen_on[ANSWERABLE], held_out[ANSWERABLE])
    for half, sets in halves.items():
        yield from (_threshold_row(half, least, sets) for least in THRESHOLDS)
    best = max(THRESHOLDS, key=lambda least: _gain(least, chosen_on))
    yield Row("threshold that is best on the first half", f"{best:g}; in use: {support.LEAST:g}")


def _answered_sets(seed: int) -> Mapping[str, Sequence[Given]]:
    scripts = [s for level in USED_LEVELS for s in make_scripts(dict.fromkeys(TASKS, COUNT), seed, LEVELS[level])]
    scripts = [script.model_copy(update={"id": f"{n}-{script.id}"}) for n, script in enumerate(scripts)]
    rng = random.Random(seed)
    return {
        ANSWERABLE: _answered(scripts),
        ONE_WORD: _answered([off for script in scripts if (off := one_word_off(script, rng)) is not None]),
        OTHER: _answered([over_other_videos(script, scripts, rng) for script in scripts]),
    }


def one_word_off(script: Script, rng: random.Random) -> Script | None:
    """Return a script whose question has a word that is nowhere in the videos; None if it names nothing they show.

    The word that it replaces may name a thing, or be a verb. What is to be put in order is not named.
    """
    if script.kind == "order":
        return None
    timelines = stems(" ".join(video.model_dump_json() for video in script.videos))
    named = [word for word in re.findall(r"[a-z]+", script.question) if content_words(word) & timelines]
    if not named:
        return None
    word = rng.choice(named)
    other = rng.choice([absent for absent in ABSENT if not stems(absent) & timelines])
    return script.model_copy(update={"question": re.sub(rf"\b{word}\b", other, script.question)})


def over_other_videos(script: Script, scripts: Sequence[Script], rng: random.Random) -> Script:
    """Return a script with the videos of another task; as many, if there are such."""
    others = [one for one in scripts if one.task != script.task]
    alike = [one for one in others if len(one.videos) == len(script.videos)]
    return script.model_copy(update={"videos": rng.choice(alike or others).videos})


def _answered(scripts: Sequence[Script]) -> list[Given]:
    perception = ScriptedPerception(ScriptLibrary.of(scripts), "fitted")
    graph = create_cvr_graph(resolve_chat_model("offline"), perception, features=Features(confidence=True)).compile()

    async def given(script: Script) -> Given:
        question = script.as_question()
        answer = (await ask(graph, as_input(question), CVRContext(abstain="never"))).answer
        share = answer.confidence if answer is not None else None
        return Given(script, share or 0.0, score_of(answer, script.key))

    async def all_given() -> list[Given]:
        return [await given(script) for script in scripts]

    with patch.object(support, "LEAST", 0.0):
        return asyncio.run(all_given())


def calibration_rows(chosen_on: Sequence[Given], held_out: Sequence[Given]) -> Iterator[Row]:
    """Yield a row for the master with and without abstention, and for three baselines."""
    base_rate = fmean(one.score for one in chosen_on)
    kept = [one.share >= support.LEAST for one in held_out]
    drawn = random.Random(0).sample(kept, len(kept))
    own = [one.share if one.share >= support.LEAST else 0.0 for one in held_out]
    constant = [base_rate] * len(held_out)
    always = [True] * len(held_out)
    yield _reliability_row("offline master, abstains", held_out, own, kept)
    yield _reliability_row("offline master, always answers", held_out, own, always)
    yield _reliability_row("always answers, the base rate as confidence", held_out, constant, always)
    yield _reliability_row("abstains at random as often, its own confidence", held_out, own, drawn)
    yield _reliability_row("abstains at random as often, the base rate", held_out, constant, drawn)
    curve = _reliability("", held_out, own, always).curve
    points = ", ".join(
        f"{point.accuracy:.3f} at {share:.0%}"
        for share in (0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
        for point in [curve[round(share * len(curve)) - 1]]
    )
    yield Row("offline master, accuracy at coverage, the surest first", points)


def _reliability_row(what: str, given: Sequence[Given], stated: Sequence[float], kept: Sequence[bool]) -> Row:
    found = _reliability(what, given, stated, kept)
    return Row(
        f"{what}, {len(given)} questions",
        f"answered {found.coverage:.1%}, accuracy when answered {found.accuracy_when_answered:.3f}, of all "
        f"{found.curve[-1].accuracy:.3f}, area {found.area:.3f}, ECE {found.calibration_error:.3f}, "
        f"Brier {found.brier:.3f}",
    )


def _reliability(what: str, given: Sequence[Given], stated: Sequence[float], kept: Sequence[bool]) -> Reliability:
    return reliability_of(what, [_result(*one) for one in zip(given, stated, kept, strict=True)])


def _result(given: Given, stated: float, kept: bool) -> Result:
    script = given.script
    outcome: Outcome = "abstained" if not kept else "right" if given.is_right else "wrong"
    score, confidence = (given.score, stated) if kept else (0.0, None)
    return Result(
        id=script.id,
        method="",
        task=script.task,
        kind=script.kind,
        outcome=outcome,
        score=score,
        confidence=confidence,
    )


def _threshold_row(half: str, least: float, sets: Mapping[str, Sequence[Given]]) -> Row:
    right, wrong, one_word, other = _split(sets)
    return Row(
        f"support of at least {least:g}, {half}",
        f"abstained on {1 - _kept(right, least):.1%} of {len(right)} right answers; kept {_kept(wrong, least):.1%} of "
        f"{len(wrong)} wrong ones, {_kept(one_word, least):.1%} of {len(one_word)} one word off, "
        f"{_kept(other, least):.1%} of {len(other)} over other videos; gain {_gain(least, sets):.3f}",
    )


def _gain(least: float, sets: Mapping[str, Sequence[Given]]) -> float:
    """Return the share of right answers that are kept, less the mean share of wrong ones, each set alike."""
    right, *wrong = _split(sets)
    return _kept(right, least) - fmean(_kept(one, least) for one in wrong)


def _split(sets: Mapping[str, Sequence[Given]]) -> tuple[Sequence[Given], ...]:
    answerable = sets[ANSWERABLE]
    right, wrong = [[one for one in answerable if one.is_right == is_right] for is_right in (True, False)]
    return right, wrong, sets[ONE_WORD], sets[OTHER]


def _kept(given: Sequence[Given], least: float) -> float:
    return fmean(one.share >= least for one in given)
