"""CCQA: a question in two parts, answered in free text from two cooking videos.

One part is seen by comparing the pictures (which ingredient only one cook adds), the other is heard in the second video
(for whom the meal is). The two parts come from different vocabularies, so an answer cannot mix them up.
"""

from __future__ import annotations

import random

from agentcvr_graph.scripts.generators.procedural.base import PENDING_ORIGIN, Difficulty, Streams, fill, pick, read
from agentcvr_graph.scripts.generators.procedural.comparison import KITCHEN
from agentcvr_graph.scripts.generators.procedural.scenes import Beat, VideoDraft, start_drafts
from agentcvr_graph.scripts.schema import Script, ScriptedVideo, Task
from agentcvr_graph.types import AnswerValue

QUESTIONS = (
    "Which ingredient does only the cook of video 1 add, and for whom does the cook of video 2 say that the meal is?",
    "What goes into the pan in video 1 but not in video 2, and who is the meal of video 2 for, as the cook says?",
)
GUESTS = (
    "mother",
    "neighbours",
    "children",
    "teacher",
    "wife",
    "grandfather",
    "football team",
    "boss",
    "guests",
    "cat",
)
SAYS = ("this meal is for my {g}.", "tonight I make dinner for my {g}.", "I made this dinner for my {g}.")


class ExplanationGenerator:
    """CCQA."""

    task: Task = "CCQA"

    def make(self, streams: Streams, difficulty: Difficulty) -> Script:
        """Make two cooks who add the same but for one ingredient each, for different guests."""
        extra, host = streams.key.choice(KITCHEN.events), streams.key.choice(GUESTS)
        rng = streams.content
        other, *shared = pick(rng, [event for event in KITCHEN.events if event != extra], 1 + difficulty.scenes // 2)
        guest = rng.choice([g for g in GUESTS if g != host])
        first, second = start_drafts(rng, difficulty, 2)
        _add_scenes(first, [*shared, extra], guest, special=extra, decisive=False)
        _add_scenes(second, [*shared, other], host, special=other, decisive=True)
        return Script(
            id="new",
            task="CCQA",
            question=streams.question.choice(QUESTIONS),
            kind="text",
            key=f"{extra}; {host}",
            scoring_points=(f"only the cook of video 1 adds {extra}", f"the meal of video 2 is for my {host}"),
            videos=(first.video(), second.video()),
            evidence=(*first.proofs, *second.proofs),
            origin=PENDING_ORIGIN,
        )

    def solve(self, script: Script) -> AnswerValue:
        """Return the ingredient that video 2 lacks, and the guest it names."""
        one, two = (_ingredients(video) for video in script.videos)
        (extra,) = set(one) - set(two)
        said = [read(SAYS, scene.caption) for scene in script.videos[1].scenes]
        guest = next(words["g"] for words in said if words)
        return f"{extra}; {guest}"


def _add_scenes(draft: VideoDraft, ingredients: list[str], guest: str, *, special: str, decisive: bool) -> None:
    rng: random.Random = draft.rng
    rng.shuffle(ingredients)
    spoken_at = rng.randrange(len(ingredients))
    for n, ingredient in enumerate(ingredients):
        caption = fill(rng.choice(SAYS), g=guest) if n == spoken_at else ""
        seen = ("visual",) if ingredient == special else ()
        heard = ("audio",) if decisive and n == spoken_at else ()
        visual, sign = fill(KITCHEN.shows, x=ingredient) + ".", fill(KITCHEN.sign, x=ingredient).upper()
        draft.add(Beat(visual, (sign,), caption, proof=(*seen, *heard)))


def _ingredients(video: ScriptedVideo) -> list[str]:
    shown = [read([KITCHEN.shows + "."], scene.visual) for scene in video.scenes]
    return [words["x"] for words in shown if words]
