"""NUM: what is the number of the box that holds a thing? A task of ours, for answers in numbers.

A voice in one video says into which box the thing was put; boxes are told apart by the words on them. Signs in the
other videos show words and numbers. The question names the thing, so what is heard in one video must be looked up in
the pictures of another. A close distractor is another thing in another box, named by a voice of its own.
"""

from __future__ import annotations

import random

from agentcvr_graph.scripts.generators.procedural.base import PENDING_ORIGIN, Difficulty, Streams, fill, pick, read
from agentcvr_graph.scripts.generators.procedural.drones import WORDS
from agentcvr_graph.scripts.generators.procedural.scenes import Beat, VideoDraft, also_heard, start_drafts
from agentcvr_graph.scripts.schema import Script, Task
from agentcvr_graph.types import AnswerValue

HIGHEST = 40
"""Boxes are numbered from 1 to this."""
QUESTIONS = (
    "What is the number of the box that holds the {i}?",
    "Which number is on the box with the {i} in it?",
    "Somebody tells where the {i} is. What is the number of that box?",
)
THINGS = ("camera", "ticket", "money", "letter", "watch", "jacket", "map", "telephone", "medicine", "passport")
SAYS = (
    "I put the {i} into the box with the word {w}.",
    "you will find the {i} in the box that says {w}.",
    "the {i} is in the box with the word {w}.",
)
SHOWS = "a box with the word {w} and the number {n}."
SIGN = "{w} {n}"
IDLES = ("somebody walks along the shelves.", "a door is closed.", "the light goes on.", "a hand moves some paper.")
CHATTER = (
    "it is cold in here today.",
    "there is not much room left.",
    "we have to be quick.",
    "I was here last week.",
)


class StorageGenerator:
    """NUM."""

    task: Task = "NUM"

    def make(self, streams: Streams, difficulty: Difficulty) -> Script:
        """Make rooms full of boxes; in one a voice says where the thing is, another holds the box."""
        thing = streams.question.choice(THINGS)
        number = streams.key.randint(1, HIGHEST)
        rng = streams.content
        each = max(1, min((difficulty.scenes + 1) // 2, len(WORDS) // difficulty.videos))
        words = pick(rng, WORDS, each * difficulty.videos)
        numbers = pick(rng, [n for n in range(1, HIGHEST + 1) if n != number], len(words) - 1)
        boxes = list(zip(words, [number, *numbers], strict=True))
        drafts = start_drafts(rng, difficulty, difficulty.videos)
        holder, speaker = pick(rng, drafts, 2)
        others = [boxes[n : n + each] for n in range(0, len(boxes), each)]
        hints = _hints(rng, drafts, speaker, thing, boxes)
        for draft in drafts:
            # The first lot holds the box that is asked for.
            lot = others.pop(0 if draft is holder else -1)
            _add_scenes(draft, lot, boxes[0][0], hints.get(draft.number))
        return Script(
            id="new",
            task="NUM",
            question=fill(streams.question.choice(QUESTIONS), i=thing),
            kind="number",
            key=float(number),
            videos=tuple(draft.video(f"room {draft.number}") for draft in drafts),
            evidence=tuple(proof for draft in drafts for proof in draft.proofs),
            origin=PENDING_ORIGIN,
        )

    def solve(self, script: Script) -> AnswerValue:
        """Return the number on the box into which the thing was put."""
        slots = read(QUESTIONS, script.question)
        if slots is None:
            raise ValueError(f"not a question of this generator: {script.question!r}")
        scenes = [scene for video in script.videos for scene in video.scenes]
        said = [words for scene in scenes if (words := read(SAYS, scene.caption))]
        word = next(words["w"] for words in said if words["i"] == slots["i"])
        shown = [words for scene in scenes if (words := read([SHOWS], scene.visual))]
        return float(next(words["n"] for words in shown if words["w"].lower() == word))


def _hints(
    rng: random.Random, drafts: list[VideoDraft], speaker: VideoDraft, thing: str, boxes: list[tuple[str, int]]
) -> dict[int, tuple[str, str]]:
    """Return, by video number, what its voice says, if anything: a thing and the word on its box."""
    things = pick(rng, [other for other in THINGS if other != thing], len(drafts))
    hints = {speaker.number: (thing, boxes[0][0])}
    for draft, other in zip(drafts, things, strict=False):
        if draft is not speaker and rng.random() < draft.difficulty.closeness:
            hints[draft.number] = (other, rng.choice(boxes[1:])[0])
    return hints


def _add_scenes(draft: VideoDraft, lot: list[tuple[str, int]], target: str, hints: tuple[str, str] | None) -> None:
    rng = draft.rng
    beats = [_box(word, number, proof=word == target) for word, number in lot]
    beats += [Beat(fill(rng.choice(IDLES))) for _ in range(draft.difficulty.scenes - len(beats))]
    rng.shuffle(beats)
    spoken_at = rng.randrange(len(beats)) if hints else -1
    for n, beat in enumerate(beats):
        if hints and n == spoken_at:
            caption = fill(rng.choice(SAYS), i=hints[0], w=hints[1])
            proof = also_heard(beat.proof) if hints[1] == target else beat.proof
            draft.add(Beat(beat.visual, beat.text, caption, proof=proof))
        else:
            caption = fill(rng.choice(CHATTER)) if rng.random() < 0.2 else ""
            draft.add(Beat(beat.visual, beat.text, caption, knock=not caption and rng.random() < 0.1, proof=beat.proof))


def _box(word: str, number: int, *, proof: bool) -> Beat:
    visual = fill(SHOWS, w=word.upper(), n=str(number))
    return Beat(visual, (SIGN.format(w=word.upper(), n=number),), proof=("visual",) if proof else ())
