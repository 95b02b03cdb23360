"""MSR and MOC: two drones film the same place at the same time.

MSR asks where a thing of one view lies as seen from a thing of the other. Each view shows its thing to the left or the
right of a landmark that both can see, and only the pilots' voices tell which way the cameras look.

MOC asks how many different vans there are in both views together. Vans are told apart by the words on them; some pass
through both views, buses do not count, and the pilots ask not to count their own.
"""

from __future__ import annotations

from string import ascii_uppercase

from agentcvr_graph.scripts.generators.procedural.base import PENDING_ORIGIN, Difficulty, Streams, fill, pick, read
from agentcvr_graph.scripts.generators.procedural.scenes import Beat, VideoDraft, also_heard, start_drafts
from agentcvr_graph.scripts.schema import Script, ScriptedVideo, Task, Thing
from agentcvr_graph.types import AnswerValue, Modality

DIRECTIONS = ("north", "east", "south", "west")
"""Clockwise, so that the right of a camera is one further than where it looks."""
LANDMARKS = ("fountain", "tower", "statue", "big tree")
VEHICLES = ("truck", "car", "bus", "boat", "tent", "crane", "tractor", "wagon")
PAINTS = ("red", "blue", "green", "yellow", "white", "black", "orange", "purple")
WORDS = (
    *("tiger", "lemon", "river", "piano", "rocket", "garden", "winter", "pepper", "silver", "coffee", "dragon"),
    *("island", "mirror", "pocket", "summer", "thunder", "violin", "window", "yellow", "zebra"),
)
DIRECTION_QUESTIONS = (
    "From the {a} in view 1, in which direction lies the {b} in view 2?",
    "In which direction must one walk from the {a} of view 1 to reach the {b} of view 2?",
)
COUNTING_QUESTIONS = (
    "How many different vans appear in the two views together, without those that are not to be counted?",
    "Both views together, and leaving out the vans that a pilot tells us to leave out: how many vans are there?",
)
SIDES = "a {a} stands to the {side} of the {l}."
LOOKS = ("we are looking to the {d}.", "I am looking {d} now.", "my camera is turned to the {d}.")
PASSES = "a {v} with the word {w} on it passes."
LEAVE_OUT = ("the van with the word {w} is ours, please leave it out.", "do not count the van that says {w}.")
CHATTER = (
    "the wind is getting stronger.",
    "there is nobody on the street.",
    "it is a clear day up here.",
    "I can see you.",
)


class DirectionGenerator:
    """MSR."""

    task: Task = "MSR"

    def make(self, streams: Streams, difficulty: Difficulty) -> Script:
        """Make two views of one landmark, with the things on opposite sides of it."""
        a, b = (f"{streams.question.choice(PAINTS)} {thing}" for thing in pick(streams.question, VEHICLES, 2))
        options = pick(streams.question, DIRECTIONS, 4)
        key = streams.key.randrange(4)
        rng = streams.content
        landmark = rng.choice(LANDMARKS)
        toward = DIRECTIONS.index(options[key])
        drafts = start_drafts(rng, difficulty, 2)
        for draft, thing, lies in zip(drafts, (a, b), ((toward + 2) % 4, toward), strict=True):
            _add_view(draft, thing, lies, landmark)
        return Script(
            id="new",
            task="MSR",
            question=fill(streams.question.choice(DIRECTION_QUESTIONS), a=a, b=b),
            kind="choice",
            options=tuple(f"To the {option}" for option in options),
            key=ascii_uppercase[key],
            videos=tuple(draft.video(f"view {draft.number}") for draft in drafts),
            evidence=tuple(proof for draft in drafts for proof in draft.proofs),
            origin=PENDING_ORIGIN,
        )

    def solve(self, script: Script) -> AnswerValue:
        """Derive the direction from the side of the landmark and the way the camera looks, in both views."""
        slots = read(DIRECTION_QUESTIONS, script.question)
        if slots is None:
            raise ValueError(f"not a question of this generator: {script.question!r}")
        start, end = _lies(script.videos[0], slots["a"]), _lies(script.videos[1], slots["b"])
        if start != (end + 2) % 4:
            raise ValueError("the two things do not lie on opposite sides")
        return ascii_uppercase[script.options.index(f"To the {DIRECTIONS[end]}")]


def _add_view(draft: VideoDraft, thing: str, lies: int, landmark: str) -> None:
    """Fill a view in which a thing lies in a direction from the landmark, across the way the camera looks."""
    rng = draft.rng
    right = rng.random() < 0.5
    looks = (lies - 1) % 4 if right else (lies + 1) % 4
    beats = [_side_beat(thing, "right" if right else "left", landmark, proof=True)]
    paint, _, name = thing.partition(" ")
    if rng.random() < draft.difficulty.closeness:  # the same thing in another paint, on the other side
        other = rng.choice([p for p in PAINTS if p != paint])
        beats.append(_side_beat(f"{other} {name}", "left" if right else "right", landmark))
    names = pick(rng, [vehicle for vehicle in VEHICLES if vehicle != name], 3)
    beats += [_side_beat(f"{rng.choice(PAINTS)} {n}", rng.choice(("left", "right")), landmark) for n in names]
    rng.shuffle(beats)
    spoken_at, chatting = rng.sample(range(len(beats)), 2)
    for n, beat in enumerate(beats):
        if n == spoken_at:
            caption = fill(rng.choice(LOOKS), d=DIRECTIONS[looks])
            beat = Beat(beat.visual, (), caption, beat.things, "still", proof=also_heard(beat.proof))
        elif n == chatting:
            beat = Beat(beat.visual, (), fill(rng.choice(CHATTER)), beat.things, "still", proof=beat.proof)
        draft.add(beat)


def _side_beat(thing: str, side: str, landmark: str, *, proof: bool = False) -> Beat:
    paint, _, name = thing.partition(" ")
    x = 0.75 if side == "right" else 0.25
    things = (Thing(name=name, colour=paint, x=x, y=0.55), Thing(name=landmark, colour="grey", x=0.5, y=0.5))
    visual = fill(SIDES, a=thing, side=side, l=landmark)
    return Beat(visual, things=things, motion="still", proof=("visual",) if proof else ())


def _lies(video: ScriptedVideo, thing: str) -> int:
    """Return the direction from the landmark to a thing, as an index of `DIRECTIONS`."""
    looks = next(words["d"] for scene in video.scenes if (words := read(LOOKS, scene.caption)))
    shown = [words for scene in video.scenes if (words := read([SIDES], scene.visual))]
    side = next(words["side"] for words in shown if words["a"] == thing)
    return (DIRECTIONS.index(looks) + (1 if side == "right" else 3)) % 4


class CountingGenerator:
    """MOC."""

    task: Task = "MOC"

    def make(self, streams: Streams, difficulty: Difficulty) -> Script:
        """Make two views through which vans and buses pass."""
        least = streams.question.randint(1, 5)
        key = streams.key.randrange(4)
        rng = streams.content
        words = pick(rng, WORDS, least + key + 4)
        vans, own, buses = words[: least + key], words[least + key : least + key + 1], words[least + key + 1 :]
        drafts = start_drafts(rng, difficulty, 2)
        seen: tuple[list[Beat], list[Beat]] = ([], [])
        for n, word in enumerate((*own, *vans)):
            both = rng.random() < 0.6 * difficulty.closeness
            view = n if n < 2 else rng.randrange(2)  # each view has at least one, so that neither can be left out
            for place in (0, 1) if both else (view,):
                seen[place].append(_passing("van", word, proof=True))
        for word in buses:
            seen[rng.randrange(2)].append(_passing("bus", word, proof=False))
        speaker = rng.randrange(2)
        for n, (draft, beats) in enumerate(zip(drafts, seen, strict=True)):
            rng.shuffle(beats)
            _add_passing(draft, beats, own[0] if n == speaker else "")
        return Script(
            id="new",
            task="MOC",
            question=streams.question.choice(COUNTING_QUESTIONS),
            kind="choice",
            options=tuple(f"{least + n} vans" if least + n > 1 else "1 van" for n in range(4)),
            key=ascii_uppercase[key],
            videos=tuple(draft.video(f"view {draft.number}") for draft in drafts),
            evidence=tuple(proof for draft in drafts for proof in draft.proofs),
            origin=PENDING_ORIGIN,
        )

    def solve(self, script: Script) -> AnswerValue:
        """Count the different words on vans in both views, less those to be left out."""
        scenes = [scene for video in script.videos for scene in video.scenes]
        shown = [words for scene in scenes if (words := read([PASSES], scene.visual))]
        left_out = {words["w"] for scene in scenes if (words := read(LEAVE_OUT, scene.caption))}
        vans = {words["w"].lower() for words in shown if words["v"] == "van"} - left_out
        return ascii_uppercase[len(vans) - int(script.options[0].split()[0])]


def _passing(vehicle: str, word: str, *, proof: bool) -> Beat:
    things = (Thing(name=vehicle, colour="white", label=word.upper()),)
    visual = fill(PASSES, v=vehicle, w=word.upper())
    return Beat(visual, (word.upper(),), things=things, motion="still", proof=("visual",) if proof else ())


def _add_passing(draft: VideoDraft, beats: list[Beat], own: str) -> None:
    rng = draft.rng
    beats = beats or [Beat("The road is empty.", motion="still")]
    spoken_at = rng.randrange(len(beats)) if own else -1
    for n, beat in enumerate(beats):
        caption = fill(rng.choice(CHATTER)) if rng.random() < 0.2 else ""
        proof: tuple[Modality, ...] = beat.proof
        if n == spoken_at:
            caption, proof = fill(rng.choice(LEAVE_OUT), w=own), also_heard(proof)
        draft.add(Beat(beat.visual, beat.text, caption, beat.things, beat.motion, proof=proof))
