"""PEA: in which video does the worker make a mistake?

All workers assemble the same thing in orders of their own. A voice in one of the videos says which part must go in
before which other; one worker breaks that rule. The pictures show orders without saying which are wrong, and the voice
says the rule without showing who breaks it. A close distractor breaks the mirror image of another pair that no rule
speaks of.
"""

from __future__ import annotations

import random

from agentcvr_graph.scripts.generators.procedural.base import PENDING_ORIGIN, Difficulty, Streams, fill, pick, read
from agentcvr_graph.scripts.generators.procedural.scenes import Beat, VideoDraft, also_heard, start_drafts
from agentcvr_graph.scripts.schema import Script, ScriptedVideo, Task
from agentcvr_graph.types import AnswerValue, Modality

VIDEOS = 3
"""CrossVid shows three assemblies."""
QUESTIONS = (
    "The rule for the assembly is spoken in one of the videos. In which video does the worker break it?",
    "One of the videos tells which part must go in first. Which video does it the wrong way round?",
    "In which video does the worker make a mistake, by the rule that is told in one of them?",
)
PARTS = (
    *("axle", "wheels", "motor", "battery", "roof", "doors", "lights", "seat", "ladder", "handle", "spring", "chain"),
    *("mirror", "pedals", "engine", "antenna"),
)
RULES = (
    "the {a} must go in before the {b}.",
    "always put in the {a} before the {b}.",
    "remember that the {a} comes before the {b}.",
)
SHOWS = "a worker puts in the {p}."
CHATTER = (
    "this is not very difficult.",
    "that took me a long time.",
    "now it looks like a car.",
    "I will be ready soon.",
)


class AssemblyGenerator:
    """PEA."""

    task: Task = "PEA"

    def make(self, streams: Streams, difficulty: Difficulty) -> Script:
        """Make three assemblies, one of which breaks the spoken rule."""
        wrong = streams.key.randint(1, VIDEOS)
        rng = streams.content
        parts = pick(rng, PARTS, min(difficulty.scenes, len(PARTS)))
        rule = (parts[0], parts[1])
        speaker = rng.randint(1, VIDEOS)
        drafts = start_drafts(rng, difficulty, VIDEOS)
        usual = rng.sample(parts, len(parts))
        for draft in drafts:
            order = _order(rng, usual, rule, broken=draft.number == wrong, closeness=difficulty.closeness)
            _add_scenes(draft, order, rule, states_rule=draft.number == speaker)
        return Script(
            id="new",
            task="PEA",
            question=streams.question.choice(QUESTIONS),
            kind="choice",
            options=tuple(f"Video {n}" for n in range(1, VIDEOS + 1)),
            key="ABC"[wrong - 1],
            videos=tuple(draft.video() for draft in drafts),
            evidence=tuple(proof for draft in drafts for proof in draft.proofs),
            origin=PENDING_ORIGIN,
        )

    def solve(self, script: Script) -> AnswerValue:
        """Return the video in which the parts of the rule come the wrong way round."""
        said = [read(RULES, scene.caption) for video in script.videos for scene in video.scenes]
        rule = next((words for words in said if words), None)
        if rule is None:
            raise ValueError("no video states a rule")
        orders = [_parts(video) for video in script.videos]
        return next("ABC"[n] for n, order in enumerate(orders) if order.index(rule["a"]) > order.index(rule["b"]))


def _order(rng: random.Random, usual: list[str], rule: tuple[str, str], *, broken: bool, closeness: float) -> list[str]:
    """Return an order of the parts: the usual one with one pair exchanged where it is close, else any."""
    order = list(usual)
    if rng.random() < closeness:
        one, other = rng.sample([n for n, part in enumerate(order) if part not in rule], 2)
        order[one], order[other] = order[other], order[one]
    else:
        rng.shuffle(order)
    first, second = sorted(order.index(part) for part in rule)
    order[first], order[second] = rule[::-1] if broken else rule
    return order


def _add_scenes(draft: VideoDraft, order: list[str], rule: tuple[str, str], *, states_rule: bool) -> None:
    rng = draft.rng
    spoken_at = rng.randrange(len(order)) if states_rule else -1
    for n, part in enumerate(order):
        caption = fill(rng.choice(CHATTER)) if rng.random() < 0.2 else ""
        proof: tuple[Modality, ...] = ("visual",) if part in rule else ()
        if n == spoken_at:
            caption, proof = fill(rng.choice(RULES), a=rule[0], b=rule[1]), also_heard(proof)
        draft.add(Beat(fill(SHOWS, p=part), (part.upper(),), caption, proof=proof))


def _parts(video: ScriptedVideo) -> list[str]:
    shown = [read([SHOWS], scene.visual) for scene in video.scenes]
    return [words["p"] for words in shown if words]
