"""PSS: in which order were the shuffled segments of one recording filmed?

Each segment shows ordinary work and one clue to its time, which is seen in some segments and heard in others: a clock,
a count of days, or how far the work has come. The order is a uniformly random permutation.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from agentcvr_graph.scripts.generators.procedural.base import PENDING_ORIGIN, Difficulty, Streams, fill, pick, read
from agentcvr_graph.scripts.generators.procedural.scenes import Beat, VideoDraft, start_drafts
from agentcvr_graph.scripts.schema import Script, ScriptedVideo, Task, Thing
from agentcvr_graph.types import AnswerValue

QUESTIONS = (
    "In which order were these clips filmed, by what is shown and said in them?",
    "These clips are shuffled segments of one recording. In which order were they filmed?",
    "Put these segments into the order in which they were filmed.",
)
WORK = (
    *("a worker carries a board", "a worker mixes cement", "a worker sweeps the floor", "a worker reads the plan"),
    *("a worker measures the wall", "a worker drinks some tea", "a worker lays a brick", "a worker moves the ladder"),
)
CHATTER = (
    "hand me the hammer please.",
    "that will look very good.",
    "give me five more minutes.",
    "I could eat a horse.",
)
SMALL = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
MINUTES = {0: "{h} o'clock", 15: "a quarter past {h}", 30: "half past {h}", 45: "a quarter to {next}"}


@dataclass(frozen=True)
class Clue:
    """One kind of clue to the time of a segment."""

    shows: str
    sign: str
    says: str

    def beat(self, value: int, seen: bool) -> Beat:
        """Return the clue as a scene, seen or heard; `value` is a step from 1."""
        if seen:
            sign = self.sign.format(**_written(value))
            things = (Thing(name="brick", colour="brown", count=value),) if "brick" in self.shows else ()
            return Beat(fill(self.shows, **_written(value)), (sign,), things=things, proof=("visual",))
        return Beat("", (), fill(self.says, **_spoken(value)), proof=("audio",))


CLUES = (
    Clue("a clock on the wall shows {clock}.", "{clock}", "it is {told} in the morning."),
    Clue("a board says that this is day {n}.", "DAY {n}", "this is day number {word}."),
    Clue("the wall is {n} bricks high.", "ROW {n}", "now we have finished row number {word}."),
)


class SortingGenerator:
    """PSS."""

    task: Task = "PSS"

    def make(self, streams: Streams, difficulty: Difficulty) -> Script:
        """Make one video a segment, with its clue."""
        count = difficulty.videos
        rank = streams.key.sample(range(count), count)
        rng = streams.content
        clue = rng.choice(CLUES)
        steps = sorted(rng.sample(range(1, 16), count))
        seen = [rng.random() < 0.5 for _ in range(count)]
        seen[rng.randrange(count)] ^= len(set(seen)) == 1  # some are seen and some are heard
        drafts = start_drafts(rng, difficulty, count)
        for draft, position, shown in zip(drafts, rank, seen, strict=True):
            _add_scenes(draft, clue.beat(steps[position], shown), rng)
        order = sorted(range(count), key=lambda n: rank[n])
        return Script(
            id="new",
            task="PSS",
            question=streams.question.choice(QUESTIONS),
            kind="order",
            key="->".join(str(n + 1) for n in order),
            videos=tuple(draft.video(f"segment {draft.number}") for draft in drafts),
            evidence=tuple(proof for draft in drafts for proof in draft.proofs),
            origin=PENDING_ORIGIN,
        )

    def solve(self, script: Script) -> AnswerValue:
        """Sort the segments by the clues in them."""
        steps = [_step_of(video) for video in script.videos]
        return "->".join(str(n + 1) for n in sorted(range(len(steps)), key=lambda n: steps[n]))


def _add_scenes(draft: VideoDraft, clue: Beat, rng: random.Random) -> None:
    scenes = max(2, draft.difficulty.scenes // 2)
    work = [Beat(fill(text) + ".") for text in pick(rng, WORK, min(scenes, len(WORK)))]
    beats = [
        Beat(beat.visual, caption=fill(rng.choice(CHATTER)) if rng.random() < 0.25 else "", knock=rng.random() < 0.1)
        for beat in work
    ]
    place = rng.randrange(len(beats))
    if not clue.visual:  # what is heard is heard over some work
        clue = Beat(beats.pop(place).visual, (), clue.caption, proof=clue.proof)
    beats.insert(place, clue)
    for beat in beats:
        draft.add(beat)


def _step_of(video: ScriptedVideo) -> int:
    for clue in CLUES:
        for scene in video.scenes:
            words = read([clue.shows], scene.visual) or read([clue.says], scene.caption)
            for value in range(1, 20):
                if words and (words.items() <= _written(value).items() or words.items() <= _spoken(value).items()):
                    return value
    raise ValueError("there is no clue to the time of this segment")


def _written(value: int) -> dict[str, str]:
    """Return a step in digits: its number, and a quarter of an hour of the morning."""
    hour, quarter = divmod(value - 1, 4)
    return {"n": str(value), "clock": f"{7 + hour}:{15 * quarter:02d}"}


def _spoken(value: int) -> dict[str, str]:
    hour, quarter = divmod(value - 1, 4)
    spoken_time = MINUTES[15 * quarter].format(h=SMALL[6 + hour], next=SMALL[7 + hour])
    return {"word": SMALL[value - 1], "told": spoken_time}
