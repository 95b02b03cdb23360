"""Reasoning traces: derive an answer from a demonstrator's evidence, in words that a small model can learn.

For each task the notes go through the videos one by one and record the findings, so that each step is one
lookup and the answer follows from the step before it. Missing evidence is written as `?`, and the answer guesses it.
Questions over tours are in `tour_traces.py`. Both modules read only the text of the messages, never the script.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from agentcvr_graph.models.offline.master.reading import Clip, Reading, Statement
from agentcvr_graph.render import read_picture
from agentcvr_graph.scripts.generators.procedural import assembly as assembling
from agentcvr_graph.scripts.generators.procedural import comparison as comparing
from agentcvr_graph.scripts.generators.procedural import grounding, sorting
from agentcvr_graph.scripts.generators.procedural import storage as storing
from agentcvr_graph.scripts.generators.procedural.base import read
from training.recipes.exploration.tour_reading import asked
from training.recipes.exploration.tour_traces import tour_trace
from training.recipes.exploration.traces import UNKNOWN, ReasoningTrace

RIGHT, WRONG = "right", "wrong"
NUMBERS = {word: n for n, word in enumerate(sorting.SMALL, start=1)}
TOPICS = tuple(re.sub(r"^(?:a|my|the) ", "", topic).split()[0] for topic in comparing.PEOPLE.topics)
"""The word that identifies each topic, also if the rest of a sentence is garbled."""
MOST = 0.6
"""Minimum share of the words of a purpose that a garbled sentence must still hold."""


@dataclass(frozen=True)
class Clue:
    """Evidence for the time of a segment."""

    words: str
    step: int
    """Counts from 1."""


def reasoning_trace_of(reading: Reading, rng: random.Random) -> ReasoningTrace:
    """Return the best answer that the evidence allows; the rest is guessed with `rng`."""
    over_tours = asked(reading.question)
    return tour_trace(reading, *over_tours, rng) if over_tours else _TRACES[reading.kind](reading, rng)


def signs(reading: Reading, number: int) -> Iterator[tuple[str, Statement]]:
    """Yield the on-screen lines of a video in order of time, in lower case."""
    for statement in _of(reading, number, "visual"):
        for line in read_picture(statement.text)[1]:
            yield line.lower(), statement


def heard(reading: Reading, number: int) -> list[tuple[str, Statement]]:
    """Return the spoken sentences of a video in order of time, in lower case without quotation marks."""
    said = _of(reading, number, "audio")
    return [(s.text.strip('"').lower(), s) for s in said if s.text.startswith('"')]


def _of(reading: Reading, number: int, modality: str) -> list[Statement]:
    found = [s for s in reading.statements if s.window.video == number and s.modality == modality]
    return sorted(found, key=lambda s: s.window.start_s)


def _in_order(reading: Reading, number: int, wanted: Sequence[str]) -> list[tuple[str, Statement]]:
    """Return the wanted signs that a video shows, each with its first occurrence."""
    first: dict[str, Statement] = {}
    for line, statement in signs(reading, number):
        if line in wanted:
            first.setdefault(line, statement)
    return list(first.items())


def _note(clip: Clip, found: str, verdict: str = "") -> str:
    """Return the findings about a video, in the format of its evidence."""
    return f"[video {clip.number}, {found}] {verdict}".strip()


def _listed(shown: Sequence[tuple[str, Statement]]) -> str:
    return ", ".join(line for line, _ in shown) or UNKNOWN


# BU: which videos show x before y and say w?


def _choices(reading: Reading, rng: random.Random) -> ReasoningTrace:
    slots = read(comparing.PEOPLE.questions, reading.question) or {"x": "", "y": "", "w": ""}
    # The notes start with the wanted items, written as in the evidence, so that both can be compared word by word.
    wanted = _topic_of(slots["w"])
    notes = [f"wanted: {slots['x']}, {slots['y']}; {wanted}"]
    support: list[Statement] = []
    verdicts: list[str] = []
    for clip in reading.videos:
        shown = _in_order(reading, clip.number, (slots["x"], slots["y"]))
        topic, said = _topic(heard(reading, clip.number))
        order = _fits(len(shown) == 2, [line for line, _ in shown] == [slots["x"], slots["y"]])
        wait = _fits(topic != UNKNOWN, topic in slots["w"])
        # One condition holds and none fails: an unknown condition then holds more often than not.
        verdict = "no" if WRONG in (order, wait) else "yes" if RIGHT in (order, wait) else UNKNOWN
        verdicts.append(verdict)
        notes.append(_note(clip, f"{_listed(shown)}: {order}; {wanted}, {topic}: {wait}", verdict))
        if verdict == "yes":
            support += [*(statement for _, statement in shown), *said]
    right = [n for n, verdict in enumerate(verdicts) if verdict == "yes"]
    right += [n for n, verdict in enumerate(verdicts) if verdict == UNKNOWN and rng.random() < 0.5]
    right = right or [_drawn(verdicts, UNKNOWN, rng)]
    return ReasoningTrace("\n".join(notes), [ascii_uppercase[n] for n in sorted(right)], support)


def _topic(said: Sequence[tuple[str, Statement]]) -> tuple[str, list[Statement]]:
    """Return the identifying word of the first spoken topic, and its statement."""
    for text, statement in said:
        if (topic := _topic_of(text)) != UNKNOWN:
            return topic, [statement]
    return UNKNOWN, []


def _topic_of(text: str) -> str:
    return next((word for word in TOPICS if word in text), UNKNOWN)


def _fits(known: bool, right: bool) -> str:
    return UNKNOWN if not known else RIGHT if right else WRONG


# PEA: in which video are two parts mounted in the wrong order, by a rule that is spoken?


def _choice(reading: Reading, rng: random.Random) -> ReasoningTrace:
    rule, support = _rule(reading)
    if not rule:
        return ReasoningTrace(f"rule: {UNKNOWN}.", ascii_uppercase[rng.randrange(len(reading.videos))])
    notes = [f"rule: {rule[0]}, {rule[1]}."]
    verdicts: list[str] = []
    for clip in reading.videos:
        shown = _in_order(reading, clip.number, rule)
        names = [line for line, _ in shown]
        verdicts.append(UNKNOWN if len(names) < 2 else "ok" if names == list(rule) else "wrong")
        notes.append(_note(clip, _listed(shown), verdicts[-1]))
        if verdicts[-1] == "wrong":
            support += [statement for _, statement in shown]
    wrong = verdicts.index("wrong") if "wrong" in verdicts else _drawn(verdicts, UNKNOWN, rng)
    return ReasoningTrace("\n".join(notes), ascii_uppercase[wrong], support)


def _rule(reading: Reading) -> tuple[tuple[str, str] | None, list[Statement]]:
    for clip in reading.videos:
        for text, statement in heard(reading, clip.number):
            places = sorted((text.find(part), part) for part in assembling.PARTS if part in text)
            if len(places) == 2:
                return (places[0][1], places[1][1]), [statement]
    return None, []


# PSS: in which order were the segments recorded, by a clock, a count of days or of rows?


def _order(reading: Reading, rng: random.Random) -> ReasoningTrace:
    clues: dict[int, Clue] = {}
    support: list[Statement] = []
    for clip in reading.videos:
        lines = [*signs(reading, clip.number), *heard(reading, clip.number)]
        clue, statement = next(((clue, s) for text, s in lines if (clue := _clue(text))), (None, None))
        if clue is not None and statement is not None:
            clues[clip.number] = clue
            support.append(statement)
    ranked = sorted(clues, key=lambda number: clues[number].step)
    for clip in reading.videos:
        if clip.number not in clues:
            ranked.insert(rng.randint(0, len(ranked)), clip.number)
    unknown = Clue(UNKNOWN, 0)
    notes = [_note(clip, clues.get(clip.number, unknown).words, _step(clues, clip.number)) for clip in reading.videos]
    order = ", ".join(f"{_step(clues, number)} is {number}" for number in ranked)
    return ReasoningTrace("\n".join(["notes:", *notes]), "->".join(map(str, ranked)), support, f"sorted: {order}.")


def _step(clues: Mapping[int, Clue], number: int) -> str:
    return str(clues[number].step) if number in clues else UNKNOWN


def _clue(text: str) -> Clue | None:
    """Return the time evidence in a line, if any."""
    if written := re.fullmatch(r"(?:day|row) (\d+)", text):
        return Clue(text, int(written[1]))
    if clock := re.fullmatch(r"(\d+):(\d\d)", text):
        return Clue(text, _quarter(int(clock[1]), int(clock[2])))
    word = next((word for word in re.findall(r"\w+", text) if word in NUMBERS), "")
    part = re.search(r"\b(?:day|row|number|quarter to|quarter|half|o'clock)\b", text)
    if not word or not part:
        return None
    minutes = {"quarter to": -15, "quarter": 15, "half": 30, "o'clock": 0}.get(part[0])
    step = NUMBERS[word] if minutes is None else _quarter(NUMBERS[word], minutes)
    return Clue(f"{part[0]} {word}", step)


def _quarter(hour: int, minutes: int) -> int:
    """Return the number of the quarter of an hour since seven in the morning, from 1."""
    return (hour - 7) * 4 + minutes // 15 + 1


# FSA: which interval of video 2 has the purpose that is spoken in a window of video 1?


def _interval(reading: Reading, rng: random.Random) -> ReasoningTrace:
    slots = read(grounding.QUESTIONS, reading.question) or {"s": "0", "e": "1"}
    first, second = reading.videos[:2]
    interval_s = float(slots["s"]), float(slots["e"])
    spoken = max(heard(reading, 1), key=lambda said: _overlap_s(said[1], *interval_s), default=None)
    if spoken is None or _overlap_s(spoken[1], *interval_s) <= 0:
        return ReasoningTrace(f"wanted:{_line(first, UNKNOWN)}", _any_interval(second, rng))
    purpose = purpose_in(spoken[0])
    wanted = f"wanted:{_line(first, f'{int(spoken[1].window.start_s)} {spoken[0]}')}"
    lines = heard(reading, 2) if purpose else []
    place = max(range(len(lines)), key=lambda n: _share_of_purpose(purpose, lines[n][0]), default=None)
    if place is None or _share_of_purpose(purpose, lines[place][0]) < MOST:
        return ReasoningTrace(f"{wanted}{_line(second, UNKNOWN)}", _any_interval(second, rng))
    found = lines[place][1]
    start_s, end_s = found.window.start_s, found.window.end_s
    where = _line(second, f"{purpose}.; {start_s}-{end_s}")
    if place + 1 < len(lines):
        # The interval lasts until the next sentence, whose second follows directly in the evidence.
        end_s = float(int(lines[place + 1][1].window.start_s))
        where += _line(second, f"{end_s:.0f}")
    return ReasoningTrace(f"{wanted}{where}", (start_s, end_s), [found, spoken[1]])


def _line(clip: Clip, found: str) -> str:
    return f"\n{_note(clip, found)}"


def _overlap_s(statement: Statement, start_s: float, end_s: float) -> float:
    return min(statement.window.end_s, end_s) - max(statement.window.start_s, start_s)


def purpose_in(text: str) -> str:
    """Return the purpose in a sentence; empty if it is garbled too much."""
    best = max(grounding.PURPOSES, key=lambda purpose: _share_of_purpose(purpose, text))
    return best if _share_of_purpose(best, text) >= MOST else ""


def _share_of_purpose(purpose: str, text: str) -> float:
    """Return the share of the words of a purpose that a sentence holds."""
    words = purpose.split()
    return len(set(words) & set(text.strip(".").split())) / len(words)


def _any_interval(clip: Clip, rng: random.Random) -> tuple[float, float]:
    start_s = round(rng.uniform(0, max(0.1, clip.duration_s - 5)), 1)
    return start_s, round(min(clip.duration_s, start_s + 5), 1)


# NUM: what is the number of the box that holds a thing?


def _number(reading: Reading, rng: random.Random) -> ReasoningTrace:
    slots = read(storing.QUESTIONS, reading.question) or {"i": ""}
    boxes = {
        match[1]: (int(match[2]), statement)
        for clip in reading.videos
        for line, statement in signs(reading, clip.number)
        if (match := re.fullmatch(r"(\w+) (\d+)", line))
    }
    spoken = [(text, s) for clip in reading.videos for text, s in heard(reading, clip.number) if slots["i"] in text]
    word = next((w for text, _ in spoken for w in storing.WORDS if w in text), "")
    if word in boxes:
        number, statement = boxes[word]
        return ReasoningTrace(f"{slots['i']}: {word} {number}.", float(number), [spoken[0][1], statement])
    guess = rng.choice([number for number, _ in boxes.values()] or range(1, storing.HIGHEST + 1))
    return ReasoningTrace(f"{slots['i']}: {word or UNKNOWN} {UNKNOWN}.", float(guess))


def _drawn(verdicts: Sequence[str], wanted: str, rng: random.Random) -> int:
    """Return a random index with the wanted verdict, or any index if there is none."""
    places = [n for n, verdict in enumerate(verdicts) if verdict == wanted]
    return rng.choice(places or range(len(verdicts)))


_TRACES: Mapping[str, Callable[[Reading, random.Random], ReasoningTrace]] = {
    "choices": _choices,
    "choice": _choice,
    "order": _order,
    "interval": _interval,
    "number": _number,
}
