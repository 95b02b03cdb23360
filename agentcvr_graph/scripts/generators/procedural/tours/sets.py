"""Sets: nine questions about the same three tours, so that a set is rendered once and measured live nine times.

A set has two questions of each of STOP, SPOT, PAIR, COST and LOCK, but one of the task that is this set's turn. All
tours of a set visit the same four places, and each question has places, deeds, builders or things of its own. So the
keys can be drawn independently of the questions and of each other: whatever they are, tours exist for which all of them
are right (`set_tours.py`). What is asked for in one question is a close distractor of the others.

The questions of a set share their videos: count them as one cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict

from agentcvr_graph.scripts.generators.procedural.base import Difficulty, Phrasing, Streams, pick, read
from agentcvr_graph.scripts.generators.procedural.scenes import start_drafts
from agentcvr_graph.scripts.generators.procedural.tours.choosing import (
    BUILT,
    PairGenerator,
    SpotGenerator,
    StopGenerator,
)
from agentcvr_graph.scripts.generators.procedural.tours.layout import record
from agentcvr_graph.scripts.generators.procedural.tours.numbers import (
    LOCKER,
    PRICE,
    CostGenerator,
    LockGenerator,
    said_place,
)
from agentcvr_graph.scripts.generators.procedural.tours.set_tours import Asked, plan_tours
from agentcvr_graph.scripts.generators.procedural.tours.tour_generator import TourGenerator, chapter_scenes
from agentcvr_graph.scripts.generators.procedural.tours.words import BUILDERS, DEEDS, ITEMS, PLACES, Term
from agentcvr_graph.scripts.schema import Origin, Scene, Script, ScriptedVideo, Task
from agentcvr_graph.types import Citation

VIDEOS, QUESTIONS = 3, 9
SHORT = Difficulty(videos=VIDEOS, scenes=8, scene_s=1.13, decisive_s=2.5)
"""A greeting of 10 s and four chapters of 20 s: tours of 90 s on average."""
HEARD_OTHERWISE = ("HARBOUR", "THEATRE")
"""Places that speech recognisers write in the American way ("theater"), unlike the signs and the questions."""
GENERATORS: Mapping[Task, TourGenerator] = {
    "STOP": StopGenerator(),
    "SPOT": SpotGenerator(),
    "PAIR": PairGenerator(),
    "COST": CostGenerator(),
    "LOCK": LockGenerator(),
}


def make_sets(count: int, seed: int = 0, phrasing: Phrasing = "training") -> Iterator[Script]:
    """Yield the nine questions of each of `count` sets, with the seeds `seed`, `seed + 1`, ..., set by set.

    The ids of set 7 are `set-000007-1` to `set-000007-9`.
    """
    for n in range(seed, seed + count):
        yield from make_set(n, phrasing)


def make_set(seed: int, phrasing: Phrasing = "training") -> list[Script]:
    """Return nine questions over the same three videos; the same seed gives the same set on every machine."""
    streams = Streams("SET", seed, phrasing)
    places = pick(streams.question, [place for place in PLACES if place.sign not in HEARD_OTHERWISE], 4)
    asked = _draw(streams, places, seed)
    questions = [GENERATORS[one.task].phrasings.ask(streams.question, phrasing, **one.terms) for one in asked]
    drafts = start_drafts(streams.content, SHORT, VIDEOS)
    tours = plan_tours(streams.content, SHORT, places, asked)
    videos = [record(draft, tour, f"tour {draft.number}") for draft, tour in zip(drafts, tours, strict=True)]
    origin = Origin(generator="worlds/sets", seed=seed, difficulty=asdict(SHORT))
    made: list[Script] = []
    for number, (one, question) in enumerate(zip(asked, questions, strict=True), start=1):
        script = GENERATORS[one.task].script(question, one.key, videos, list(_evidence(one, videos)))
        made.append(script.model_copy(update={"id": f"set-{seed:06d}-{number}", "origin": origin}))
    return made


def _draw(streams: Streams, places: Sequence[Term], seed: int) -> list[Asked]:
    """Draw what is asked for at four places, then the keys."""
    rng = streams.question
    a, b, c, d = places
    deeds, builders, items = pick(rng, DEEDS, 4), pick(rng, BUILDERS, 2), pick(rng, ITEMS, 2)
    drawn: list[tuple[Task, Mapping[str, Term]]] = [
        ("STOP", {"p": a, "q": c}),
        ("STOP", {"p": b, "q": d}),
        ("SPOT", {"p": a, "x": deeds[0]}),
        ("SPOT", {"p": c, "x": deeds[1]}),
        ("PAIR", {"p": b, "x": deeds[2], "b": builders[0]}),
        ("PAIR", {"p": d, "x": deeds[3], "b": builders[1]}),
        ("COST", {"p": a}),
        ("COST", {"p": b}),
        ("LOCK", {"i": items[0]}),
        ("LOCK", {"i": items[1]}),
    ]
    asked = [Asked(task, terms, GENERATORS[task].draw_key(streams.key, VIDEOS)) for task, terms in drawn]
    once = list(GENERATORS)[seed % len(GENERATORS)]
    left_out = next(n for n, one in enumerate(asked) if one.task == once)
    return [one for n, one in enumerate(asked) if n != left_out]


def _evidence(asked: Asked, videos: Sequence[ScriptedVideo]) -> Iterator[Citation]:
    """Yield the windows that together suffice to answer, as the generator of the task has them."""
    for number, video in enumerate(videos, start=1):
        if asked.task == "STOP":
            if asked.key == "ABC"[number - 1]:
                yield _heard(number, video.scenes[0])
        elif asked.task == "LOCK":
            if place := said_place(video.scenes[0].caption, asked.terms["i"]):
                yield _heard(number, video.scenes[0])
                yield from _seen(number, video, place, _is_sign(LOCKER))
        elif asked.task == "COST":
            yield from _seen(number, video, asked.terms["p"], _is_sign(PRICE))
        else:
            yield from _seen(number, video, asked.terms["p"], _is_deed)
            if asked.task == "PAIR":
                scenes = chapter_scenes(video, asked.terms["p"])
                yield from (_heard(number, scene) for scene in scenes if read(BUILT, scene.caption))


def _seen(number: int, video: ScriptedVideo, place: Term, shows: Callable[[Scene], bool]) -> Iterator[Citation]:
    for scene in chapter_scenes(video, place):
        if shows(scene):
            yield Citation(video=number, start_s=scene.start_s, end_s=scene.end_s, modality="visual")


def _heard(number: int, scene: Scene) -> Citation:
    start_s, end_s = scene.spoken_s
    return Citation(video=number, start_s=start_s, end_s=end_s, modality="audio")


def _is_sign(template: str) -> Callable[[Scene], bool]:
    return lambda scene: any(read([template], line) for line in scene.facts.text)


def _is_deed(scene: Scene) -> bool:
    return any(deed.sign in scene.facts.text for deed in DEEDS)
