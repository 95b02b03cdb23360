"""Three tasks that compare videos: CC (which cook), NC (which film) and BU (which people).

Every video shows a row of events and says a few things. The question asks for the videos in which one event comes
before another **and** a certain thing is said. A distractor that is close misses one of the two: the events are there
in the wrong order, or another thing is said. What is asked for is split over picture and sound, so neither modality
alone decides. The generators differ in their vocabulary, which is a table, and in how many videos may be right.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from agentcvr_graph.scripts.generators.procedural.base import PENDING_ORIGIN, Difficulty, Streams, fill, pick, read
from agentcvr_graph.scripts.generators.procedural.scenes import Beat, VideoDraft, also_heard, mixed_in, start_drafts
from agentcvr_graph.scripts.schema import Script, ScriptedVideo, Task
from agentcvr_graph.types import AnswerValue


@dataclass(frozen=True)
class Setting:
    """The vocabulary of one comparison task."""

    task: Task
    questions: tuple[str, ...]
    """Templates with the fields x (first event), y (later event) and w (what is said)."""
    shows: str
    """What a picture of event `x` shows."""
    sign: str
    """On-screen text of event `x`."""
    events: tuple[str, ...]
    says: tuple[str, ...]
    """Ways to say `w`."""
    topics: tuple[str, ...]
    """What `w` may be."""
    chatter: tuple[str, ...]
    """Said without meaning anything for the question."""
    idles: tuple[str, ...]
    """Seen without meaning anything; they fill long videos."""
    several: bool = False
    """Whether more than one video may be right."""


KITCHEN = Setting(
    task="CC",
    questions=(
        "Which cook adds the {x} before the {y} and says that they cook with {w}?",
        "Which cook puts in the {x} before the {y} and tells us that they cook with {w}?",
        "One cook adds the {x} before the {y} and says that they cook with {w}: which one?",
    ),
    shows="a cook adds {x} to the pan",
    sign="ADD {x}",
    events=(
        *("salt", "meat", "onions", "pepper", "carrots", "rice", "garlic", "beans", "corn", "mushrooms", "tomatoes"),
        *("honey", "ginger", "lemon", "cheese", "potatoes"),
    ),
    says=("today I am cooking with {w}.", "this time I am cooking with {w}.", "as always I am cooking with {w}."),
    topics=("butter", "olive oil", "coconut milk", "white wine", "apple juice", "bacon fat", "water", "cream"),
    chatter=(
        "this is a good meal for the whole family.",
        "please do not forget to wash your hands.",
        "my mother taught me this a long time ago.",
        "that is all we need for now.",
        "we will eat in about twenty minutes.",
    ),
    idles=("a cook stirs the pan.", "a cook looks at the clock.", "a cook wipes a knife.", "the pan stands alone."),
)
FILMS = Setting(
    task="NC",
    questions=(
        "In which film do we see the {x} before the {y} while somebody says that they look for the {w}?",
        "Which story goes to the {x} before the {y} and tells us that somebody looks for the {w}?",
        "Which film shows the {x} before the {y} and says that somebody looks for the {w}?",
    ),
    shows="a traveller arrives at the {x}",
    sign="THE {x}",
    events=(
        *("harbour", "station", "castle", "market", "museum", "bridge", "garden", "hospital", "school", "library"),
        *("theatre", "farm", "airport", "church", "forest"),
    ),
    says=("I am looking for the {w}.", "have you seen the {w} that I look for?", "they told me to look for the {w}."),
    topics=("letter", "golden ring", "old map", "little dog", "silver key", "lost brother", "black horse", "doctor"),
    chatter=(
        "we have to be very careful now.",
        "nobody will believe us when we come home.",
        "you should have stayed with the others.",
        "it will be better tomorrow.",
        "wait for me at the corner please.",
    ),
    idles=("people walk by.", "a train passes in the distance.", "two people talk.", "birds cross the sky."),
)
PEOPLE = Setting(
    task="BU",
    questions=(
        "In which videos does the person {x} before they {y} and say that they wait for {w}?",
        "Which people {x} before they {y} and tell us that they wait for {w}?",
        "Choose the videos in which somebody does {x} before they {y} and says that they wait for {w}.",
    ),
    shows="a person is seen to {x}",
    sign="{x}",
    events=(
        *("wave", "sit down", "drink water", "open the door", "read a book", "make a call", "take a picture"),
        *("close the window", "put on a hat", "clean the table", "water the plants", "dance", "write a note"),
    ),
    says=("I am waiting for {w}.", "I have been waiting for {w}.", "we are waiting for {w} now."),
    topics=("a friend", "the bus", "my sister", "the rain to stop", "the teacher", "a parcel", "the results", "dinner"),
    chatter=(
        "it is much too early for me.",
        "I have not slept very well.",
        "that was a very long week.",
        "nobody told me about that.",
        "I had a good time yesterday.",
    ),
    idles=("the person looks around.", "the person yawns.", "the room is empty.", "the person walks up and down."),
    several=True,
)


class ComparisonGenerator:
    """CC, NC or BU, by its setting."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    @property
    def task(self) -> Task:
        return self._setting.task

    def make(self, streams: Streams, difficulty: Difficulty) -> Script:
        """Make videos of which exactly those of the key meet both conditions."""
        setting, rng = self._setting, streams.question
        x, y = pick(rng, setting.events, 2)
        w = rng.choice(setting.topics)
        question = fill(rng.choice(setting.questions), x=x, y=y, w=w)
        right = self._draw_key(streams.key, difficulty.videos)
        drafts = start_drafts(streams.content, difficulty, difficulty.videos)
        for draft in drafts:
            _add_scenes(draft, setting, x, y, w, right=draft.number in right)
        letters = [ascii_uppercase[n - 1] for n in right]
        return Script(
            id="new",
            task=setting.task,
            question=question,
            kind="choices" if setting.several else "choice",
            options=tuple(f"Video {n}" for n in range(1, difficulty.videos + 1)),
            key=letters if setting.several else letters[0],
            videos=tuple(draft.video() for draft in drafts),
            # What rules the other videos out is part of the proof.
            evidence=tuple(proof for draft in drafts for proof in draft.proofs),
            origin=PENDING_ORIGIN,
        )

    def solve(self, script: Script) -> AnswerValue:
        """Return the videos that meet both conditions, by what is shown and said."""
        slots = read(self._setting.questions, script.question)
        if slots is None:
            raise ValueError(f"not a question of this generator: {script.question!r}")
        right = [
            ascii_uppercase[n]
            for n, video in enumerate(script.videos)
            if _comes_before(self._setting, video, slots["x"], slots["y"]) and _says(self._setting, video, slots["w"])
        ]
        return right if self._setting.several else right[0]

    def _draw_key(self, rng: random.Random, videos: int) -> list[int]:
        """Draw one video, or any set but the empty one, all equally likely."""
        if not self._setting.several:
            return [rng.randint(1, videos)]
        subset = rng.randrange(1, 2**videos)
        return [n + 1 for n in range(videos) if subset >> n & 1]


def _add_scenes(draft: VideoDraft, setting: Setting, x: str, y: str, w: str, *, right: bool) -> None:
    rng, difficulty = draft.rng, draft.difficulty
    in_order = says = right
    if not right:
        # Close: one of the two conditions holds. Otherwise neither does.
        in_order, says = rng.choice(((True, False), (False, True))) if rng.random() < difficulty.closeness else (0, 0)
    said = w if says else rng.choice([topic for topic in setting.topics if topic != w])
    pair = [x, y] if in_order else [y, x]
    decisive = [_beat(setting, event, proof=True) for event in pair]
    beats = mixed_in(rng, decisive, _fillers(setting, pair, rng, difficulty.scenes - 2))
    spoken_at = rng.randrange(len(beats))
    for index, beat in enumerate(beats):
        draft.add(_with_speech(beat, setting, rng, said if index == spoken_at else None))


def _fillers(setting: Setting, pair: Sequence[str], rng: random.Random, count: int) -> list[Beat]:
    """Return other events, each once, and scenes in which nothing happens where the events do not suffice."""
    events = [event for event in setting.events if event not in pair]
    beats = [_beat(setting, event, proof=False) for event in pick(rng, events, min(len(events), (count + 1) // 2))]
    beats += [Beat(fill(rng.choice(setting.idles))) for _ in range(count - len(beats))]
    rng.shuffle(beats)
    return beats


def _beat(setting: Setting, event: str, *, proof: bool) -> Beat:
    sign = fill(setting.sign, x=event).upper()
    return Beat(fill(setting.shows, x=event) + ".", (sign,), proof=("visual",) if proof else ())


def _with_speech(beat: Beat, setting: Setting, rng: random.Random, said: str | None) -> Beat:
    """Return the beat with the decisive sentence, with chatter, or silent."""
    if said is not None:
        caption = fill(rng.choice(setting.says), w=said)
        return Beat(beat.visual, beat.text, caption, proof=also_heard(beat.proof))
    chatter = fill(rng.choice(setting.chatter)) if rng.random() < 0.25 else ""
    return Beat(beat.visual, beat.text, chatter, knock=not chatter and rng.random() < 0.1, proof=beat.proof)


def _comes_before(setting: Setting, video: ScriptedVideo, x: str, y: str) -> bool:
    shown = [read([setting.shows + "."], scene.visual) for scene in video.scenes]
    order = [words["x"] for words in shown if words]
    return x in order and y in order and order.index(x) < order.index(y)


def _says(setting: Setting, video: ScriptedVideo, w: str) -> bool:
    heard: Sequence[dict[str, str] | None] = [read(setting.says, scene.caption) for scene in video.scenes]
    return any(words is not None and words["w"] == w for words in heard)
