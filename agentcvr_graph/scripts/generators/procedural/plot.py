"""PI: what happened between the beginning and the ending of a story?

Video 1 is the beginning, video 2 the ending; both go through the same things, and each says or shows the state that a
thing is in. Every option is a change of one thing. The right one changed in between; the others stayed as they were,
and where they are close they had already changed before the beginning, so that the ending alone cannot tell.
"""

from __future__ import annotations

import random
from string import ascii_uppercase

from agentcvr_graph.scripts.generators.procedural.base import PENDING_ORIGIN, Difficulty, Streams, fill, pick, read
from agentcvr_graph.scripts.generators.procedural.scenes import Beat, VideoDraft, start_drafts
from agentcvr_graph.scripts.schema import Script, ScriptedVideo, Task
from agentcvr_graph.types import AnswerValue

OPTIONS = 6
QUESTIONS = (
    "Video 1 is the beginning of a story and video 2 its ending. What happened in between?",
    "What must have happened between the beginning (video 1) and the ending (video 2)?",
    "Between video 1 and video 2 of this story, one thing happened. Which?",
)
CHANGES = (
    ("fence", "broken", "mended", "Somebody mended the fence"),
    ("door", "closed", "open", "Somebody opened the door"),
    ("lamp", "dark", "bright", "Somebody lit the lamp"),
    ("window", "dirty", "clean", "Somebody cleaned the window"),
    ("cake", "whole", "eaten", "Somebody ate the cake"),
    ("bottle", "full", "empty", "Somebody drank from the bottle"),
    ("garden", "dry", "wet", "Somebody watered the garden"),
    ("letter", "sealed", "torn", "Somebody tore the letter"),
    ("boat", "tied", "gone", "Somebody took the boat"),
    ("fire", "cold", "burning", "Somebody made a fire"),
    ("wall", "white", "painted", "Somebody painted the wall"),
    ("bed", "messy", "tidy", "Somebody made the bed"),
)
STATES = {thing: (before, after) for thing, before, after, _ in CHANGES}
THING_OF = {option: thing for thing, _, _, option in CHANGES}
SHOWS = "the {t} is {s}."
SAYS = ("you can see that the {t} is {s}.", "now the {t} is {s}.", "well, the {t} is {s}.")
IDLES = (
    "an old man walks by.",
    "the wind moves the trees.",
    "a cat sleeps.",
    "nobody is in the street.",
    "clouds pass.",
)


class PlotGenerator:
    """PI."""

    task: Task = "PI"

    def make(self, streams: Streams, difficulty: Difficulty) -> Script:
        """Make a beginning and an ending between which one of six things changed."""
        changes = pick(streams.question, CHANGES, OPTIONS)
        key = streams.key.randrange(OPTIONS)
        rng = streams.content
        early = {change[0]: int(rng.random() < difficulty.closeness / 2) for change in changes}
        early[changes[key][0]] = 0
        late = {**early, changes[key][0]: 1}
        drafts = start_drafts(rng, difficulty, 2)
        for draft, states in zip(drafts, (early, late), strict=True):
            _add_scenes(draft, states, changes[key][0], rng)
        return Script(
            id="new",
            task="PI",
            question=streams.question.choice(QUESTIONS),
            kind="choice",
            options=tuple(f"{option}." for _, _, _, option in changes),
            key=ascii_uppercase[key],
            videos=(drafts[0].video("beginning"), drafts[1].video("ending")),
            evidence=tuple(proof for draft in drafts for proof in draft.proofs),
            origin=PENDING_ORIGIN,
        )

    def solve(self, script: Script) -> AnswerValue:
        """Return the option whose thing was in its first state at the beginning and in its second at the ending."""
        early, late = (_states(video) for video in script.videos)
        for n, option in enumerate(script.options):
            thing = THING_OF[option.rstrip(".")]
            if (early[thing], late[thing]) == STATES[thing]:
                return ascii_uppercase[n]
        raise ValueError("nothing changed")


def _add_scenes(draft: VideoDraft, states: dict[str, int], decisive: str, rng: random.Random) -> None:
    beats: list[Beat] = []
    for thing, state in states.items():
        words = {"t": thing, "s": STATES[thing][state]}
        proof = thing == decisive
        if rng.random() < 0.4:
            caption = fill(rng.choice(SAYS), **words)
            beats.append(Beat(fill(rng.choice(IDLES)), caption=caption, proof=("audio",) if proof else ()))
        else:
            sign = f"{words['t']} {words['s']}".upper()
            beats.append(Beat(fill(SHOWS, **words), (sign,), proof=("visual",) if proof else ()))
    beats += [Beat(fill(rng.choice(IDLES))) for _ in range(max(0, draft.difficulty.scenes - len(beats)))]
    rng.shuffle(beats)
    for beat in beats:
        draft.add(beat)


def _states(video: ScriptedVideo) -> dict[str, str]:
    found = [read([SHOWS], scene.visual) or read(SAYS, scene.caption) for scene in video.scenes]
    return {words["t"]: words["s"] for words in found if words}
