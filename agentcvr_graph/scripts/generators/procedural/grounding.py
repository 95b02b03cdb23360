"""FSA: which interval of video 2 serves the same purpose as a given interval of video 1?

Two people make different things. Every scene shows a way of working, and says what it is good for; the question points
at one scene of video 1. Ways and purposes are dealt out anew in each script, so that only listening shows what a scene
is for. A close distractor is a scene of video 2 that works in the way of the scene pointed at, for another purpose.
"""

from __future__ import annotations

import random

from agentcvr_graph.scripts.generators.procedural.base import PENDING_ORIGIN, Difficulty, Streams, fill, pick, read
from agentcvr_graph.scripts.generators.procedural.scenes import Beat, VideoDraft, start_drafts
from agentcvr_graph.scripts.schema import Scene, Script, ScriptedVideo, Task
from agentcvr_graph.types import AnswerValue

QUESTIONS = (
    "Which interval of video 2 serves the same purpose as {s} to {e} s of video 1?",
    "Which interval of video 2 does what {s} to {e} s of video 1 is good for?",
    "When does video 2 reach what is done for the same reason at {s} to {e} s of video 1?",
)
WAYS = (
    *("brush on tar", "wind the tape", "drive the nails", "pour the glue", "tie the rope", "press the clay"),
    *("rub with sand", "cut the corners", "fold the paper", "turn the screw", "spray the paint", "bend the wire"),
    *("heat the metal", "sew the cloth", "saw the wood", "fill the gap", "drill a hole", "peel the bark"),
)
PURPOSES = (
    *("keeps the water out", "holds the parts together", "makes the surface smooth", "stops the noise"),
    *("makes it stronger", "keeps the heat inside", "lets the air through", "protects the colour"),
    *("saves some weight", "scares the birds away", "shows the right side", "makes it easy to carry"),
    *("keeps children safe", "helps it to dry", "gives it a new shape", "stops the rust"),
    *("makes it float", "keeps the wind out"),
)
SAYS = ("this {p}.", "doing it this way {p}.", "you will see that this {p}.")
SHOWS = "somebody starts to {w}."


class GroundingGenerator:
    """FSA."""

    task: Task = "FSA"

    def make(self, streams: Streams, difficulty: Difficulty) -> Script:
        """Make two videos; one purpose of the first comes again in the second, in another way."""
        first, second = self._drafts(streams, difficulty)
        scenes = min(difficulty.scenes + 6, len(PURPOSES) - 2, len(WAYS) - 2)
        # Where the reference lies is part of the question; where the answer lies is the key.
        chosen = streams.question.randrange(scenes)
        place = streams.key.randrange(scenes)
        purposes, ways = pick(streams.question, PURPOSES, scenes), pick(streams.question, WAYS, scenes)
        for n, (purpose, way) in enumerate(zip(purposes, ways, strict=True)):
            _add_scenes(first, purpose, way, proof=n == chosen)
        rng = streams.content
        others = [purpose for purpose in PURPOSES if purpose != purposes[chosen]]
        later_purposes = pick(rng, others, scenes - 1)
        later_purposes.insert(place, purposes[chosen])
        later_ways = self._ways_of_second(rng, ways[chosen], scenes, place, difficulty.closeness)
        for n, (purpose, way) in enumerate(zip(later_purposes, later_ways, strict=True)):
            _add_scenes(second, purpose, way, proof=n == place)
        reference, target = first.scenes[chosen], second.scenes[place]
        template = streams.question.choice(QUESTIONS)
        return Script(
            id="new",
            task="FSA",
            question=fill(template, s=f"{reference.start_s:.1f}", e=f"{reference.end_s:.1f}"),
            kind="interval",
            key=(target.start_s, target.end_s),
            videos=(first.video(), second.video()),
            evidence=(*first.proofs, *second.proofs),
            origin=PENDING_ORIGIN,
        )

    def solve(self, script: Script) -> AnswerValue:
        """Return the scene of video 2 whose speech names the purpose of the scene in the question."""
        slots = read(QUESTIONS, script.question)
        if slots is None:
            raise ValueError(f"not a question of this generator: {script.question!r}")
        wanted = _purpose(_scene_at(script.videos[0], (float(slots["s"]) + float(slots["e"])) / 2))
        scene = next(scene for scene in script.videos[1].scenes if _purpose(scene) == wanted)
        return scene.start_s, scene.end_s

    def _drafts(self, streams: Streams, difficulty: Difficulty) -> tuple[VideoDraft, VideoDraft]:
        # The first video's times appear in the question, so its lengths must not come from the stream of the videos.
        first, second = start_drafts(streams.content, difficulty, 2)
        return VideoDraft(streams.question, difficulty, 1, first.wall, first.floor), second

    def _ways_of_second(self, rng: random.Random, wanted: str, scenes: int, place: int, closeness: float) -> list[str]:
        ways = pick(rng, [way for way in WAYS if way != wanted], scenes - 1)
        own = ways.pop(0)
        ways.append(
            wanted if rng.random() < closeness else next(way for way in WAYS if way not in (*ways, own, wanted))
        )
        rng.shuffle(ways)
        ways.insert(place, own)
        return ways


def _add_scenes(draft: VideoDraft, purpose: str, way: str, *, proof: bool) -> None:
    caption = fill(draft.rng.choice(SAYS), p=purpose)
    draft.add(Beat(fill(SHOWS, w=way), (way.upper(),), caption, proof=("visual", "audio") if proof else ()))


def _scene_at(video: ScriptedVideo, time_s: float) -> Scene:
    return next(scene for scene in video.scenes if scene.start_s <= time_s < scene.end_s)


def _purpose(scene: Scene) -> str:
    said = read(SAYS, scene.caption)
    return said["p"] if said else ""
