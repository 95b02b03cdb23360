"""Replies as model families write them to questions of benchmark shape, each with the value that it means.

The writer shares no pattern with the reader in `agentcvr_graph.answers`: it starts from how a family phrases an answer,
and fills in options, reasons and asides. A style that denies or weighs other options mentions their letters too, as
real reasoning does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Written(NamedTuple):
    """A reply, with its question and the value that it means."""

    style: str
    kind: str
    options: tuple[str, ...]
    n_items: int
    reply: str
    value: str | float | list[str] | tuple[float, float]


class Draw(NamedTuple):
    """One question of kind `choice`, with the letters of a right and a wrong option."""

    rng: random.Random
    options: tuple[str, ...]
    letter: str
    other: str

    @property
    def text(self) -> str:
        return self.options["ABCDEFGH".index(self.letter)]

    @property
    def other_text(self) -> str:
        return self.options["ABCDEFGH".index(self.other)]


PEOPLE = ("the chef", "a woman in a red coat", "the boy with the kite", "an old man", "two climbers", "The narrator")
ACTIONS = (
    "adds salt to the pan",
    "opens the green door",
    "assembles the chair",
    "runs towards the bus",
    "peels an onion",
)
PLACES = ("in the kitchen", "on the roof", "at the station", "near the river", "in Video 2", "before the meal")
SETS: tuple[Callable[[random.Random], list[str]], ...] = (
    lambda rng: [f"Video {n}" for n in range(1, rng.choice((3, 4)) + 1)],
    lambda rng: [str(n) for n in rng.sample(range(0, 40), 4)],
    lambda rng: rng.sample([f"{who} {what} {where}" for who in PEOPLE for what in ACTIONS for where in PLACES], 4),
    lambda rng: [f"{text}." for text in rng.sample([f"{who} {what}" for who in PEOPLE for what in ACTIONS], 4)],
    lambda rng: rng.sample(
        ["A red ball", "A blue ball", "A green hat", "An umbrella", "I cannot tell", "None of the above"], 5
    ),
    lambda rng: rng.sample([f"{n} seconds" for n in range(2, 60)], 4),
    lambda rng: rng.sample(["Cooking, then eating", "Eating", "Cooking", "Eating, then cooking", "Both A and B"], 4),
    lambda rng: rng.sample(["Anger", "Joy", "Sadness", "Fear", "Surprise", "Disgust"], 4),
    lambda rng: rng.sample(["vitamin C", "vitamin A", "plan B", "type O blood", "the letter D"], 4),
    lambda rng: rng.sample(
        [f"{what.capitalize()} because it is late" for what in ACTIONS] + [what.capitalize() for what in ACTIONS], 5
    ),
)
REASONS = (
    "the second clip shows it at 0:14",
    "only that person is seen near the window, which is not open",
    "in both videos the sequence is the same",
    "a rope is visible and I see no other tool",
)


def _reason(draw: Draw) -> str:
    return draw.rng.choice(REASONS)


CHOICE_STYLES: dict[str, Callable[[Draw], str]] = {
    "a letter": lambda d: d.letter,
    "a letter and a stop": lambda d: f"{d.letter}.",
    "a letter in brackets": lambda d: f"({d.letter})",
    "a letter and the text": lambda d: f"{d.letter}. {d.text}",
    "GPT: bold letter and text": lambda d: f"**{d.letter}. {d.text}**\n\nIn the clips, {_reason(d)}.",
    "GPT: The correct answer is": lambda d: f"The correct answer is **{d.letter}: {d.text}**, because {_reason(d)}.",
    "Claude: reasoning, then answer": lambda d: (
        f"Looking at the videos:\n\n- Option {d.other} would need more light.\n- {_reason(d).capitalize()}.\n\n"
        f"Based on this, the answer is **({d.letter})**."
    ),
    "Claude: XML": lambda d: (
        f"<reasoning>\n{d.other} looks right at first, but {_reason(d)}.\n</reasoning>\n<answer>{d.letter}</answer>"
    ),
    "Gemini: heading": lambda d: f"### Analysis\n{_reason(d).capitalize()}.\n\n### Final Answer\n**{d.letter}**",
    "Gemini: LaTeX": lambda d: f"{_reason(d).capitalize()}.\n\nThe final answer is $\\boxed{{\\text{{{d.letter}}}}}$",
    "Qwen: thinking": lambda d: (
        f"<think>\nIs it {d.other}? The answer is {d.other}... no, {_reason(d)}.\n</think>\n\n{d.letter}"
    ),
    "Qwen: no opening tag": lambda d: (
        f"So maybe Answer: {d.other}? Hmm, {_reason(d)}.\n</think>\n\nThe answer is {d.letter}."
    ),
    "DeepSeek: boxed": lambda d: f"First, {_reason(d)}. Thus \\boxed{{{d.letter}}}.",
    "GLM: box": lambda d: f"<think>{_reason(d)}</think><|begin_of_box|>{d.letter}<|end_of_box|>",
    "Kimi: marks": lambda d: f"\u25c1think\u25b7{d.other}? No.\u25c1/think\u25b7The best option is {d.letter}.",
    "gpt-oss: channels": lambda d: (
        f"<|channel|>analysis<|message|>Answer {d.other}? {_reason(d)}<|end|><|start|>assistant<|channel|>final"
        f"<|message|>{d.letter}<|return|>"
    ),
    "InternVL: sentence": lambda d: f"The answer is {d.letter}.",
    "MiniCPM: opinion": lambda d: f"I think it is {d.letter}.",
    "MiniCPM: conclusion": lambda d: f"{_reason(d).capitalize()}. So I would choose option {d.letter}.",
    "Llama: Answer on the last line": lambda d: (
        f"{d.other_text.rstrip('.')} is not what happens, since {_reason(d)}.\n\nAnswer: {d.letter}"
    ),
    "Llama: verdict on one option": lambda d: f"Option {d.letter} is correct.",
    "a changed mind": lambda d: f"The answer is {d.other}. Wait, {_reason(d)}. The answer is {d.letter}.",
    "JSON": lambda d: f'{{"answer": "{d.letter}", "reason": "{_reason(d)}"}}',
    "JSON in a fence": lambda d: f'```json\n{{"thought": "not {d.other}", "final_answer": "{d.letter}"}}\n```',
    "Python dict": lambda d: f"{{'answer': '{d.letter}'}}",
    "Chinese": lambda d: f"根据视频内容\uff0c答案是{d.letter}。",
    "Chinese: choose": lambda d: f"综上所述\uff0c应选择{d.letter}。",
    "Japanese": lambda d: f"動画を見ると、正解は{d.letter}です。",
    "Russian": lambda d: f"Правильный ответ: {d.letter}",
    "Spanish": lambda d: f"La respuesta correcta es {d.letter}.",
    "German": lambda d: f"Die richtige Antwort ist {d.letter}.",
    "French": lambda d: f"La bonne réponse est {d.letter}.",
    "the text alone": lambda d: d.text,
    "the text without its stop": lambda d: d.text.rstrip("."),
    "the text in other case": lambda d: d.text.upper(),
    "the text behind a marker": lambda d: f"Answer: {d.text}",
    "the text in quotes": lambda d: f'The answer is "{d.text}"',
    "the letter, then why": lambda d: f"{d.letter}\n\nExplanation: {_reason(d)}. {d.other} is wrong.",
    "elimination": lambda d: f"It cannot be {d.other} because {_reason(d)}. The correct option is {d.letter}.",
    "not that, but this": lambda d: f"The answer is {d.letter}, not {d.other}.",
}


def _draw(rng: random.Random) -> Draw:
    options = tuple(rng.choice(SETS)(rng))
    letter, other = rng.sample("ABCDEFGH"[: len(options)], 2)
    return Draw(rng, options, letter, other)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def _interval(rng: random.Random) -> tuple[str, str, tuple[float, float]]:
    start, length = rng.randint(0, 600), rng.randint(1, 90)
    end = start + length
    forms = {
        "interval: dash": f"{start}-{end}",
        "interval: list": f"[{start}.0, {end}.0]",
        "interval: words": f"The matching segment in video 2 runs from {start} to {end} seconds.",
        "interval: clocks": f"Answer: {_clock(start)} - {_clock(end)}",
        "interval: JSON": f'{{"start_time": {start}, "end_time": {end}}}',
        "interval: units": f"**{start} s \u2013 {end} s**",
        "interval: boxed": f"\\boxed{{[{start}, {end}]}}",
    }
    style = rng.choice(list(forms))
    return style, forms[style], (float(start), float(end))


def _order(rng: random.Random) -> tuple[str, str, str, int]:
    count = rng.choice((3, 4, 5))
    order = rng.sample(range(1, count + 1), count)
    plain = [str(n) for n in order]
    forms = {
        "order: arrows": " -> ".join(plain),
        "order: dashes": "-".join(plain),
        "order: segments": "The correct order is: " + " \u2192 ".join(f"Segment {n}" for n in order) + ".",
        "order: JSON": f'{{"order": [{", ".join(plain)}]}}',
        "order: list": "\n".join(f"{n}. Segment {place}" for n, place in enumerate(order, 1)),
        "order: reasoned": f"Segment {order[0]} shows raw food, so it starts.\n\nAnswer: {'->'.join(plain)}",
        "order: boxed": "\\boxed{" + " \\rightarrow ".join(plain) + "}",
    }
    style = rng.choice(list(forms))
    return style, forms[style], "->".join(plain), count


def _choices(rng: random.Random) -> tuple[str, str, tuple[str, ...], list[str]]:
    options = tuple(rng.sample([f"{who} {what}" for who in PEOPLE for what in ACTIONS], 4))
    chosen = sorted(rng.sample("ABCD", rng.randint(1, 4)))
    verdicts = "\n".join(
        f"{letter}. {options['ABCD'.index(letter)]}: {'yes' if letter in chosen else 'no'}" for letter in "ABCD"
    )
    forms = {
        "choices: commas": ", ".join(chosen),
        "choices: words": "The correct options are " + " and ".join(chosen) + ".",
        "choices: list": str(chosen).replace("'", '"'),
        "choices: bullets": "\n".join(f"- {letter}. {options['ABCD'.index(letter)]}" for letter in chosen),
        "choices: verdicts": verdicts,
        "choices: JSON": f'{{"answer": "{",".join(chosen)}"}}',
        "choices: joined": "**Answer:** " + "".join(chosen),
    }
    style = rng.choice(list(forms))
    return style, forms[style], options, chosen


def _number(rng: random.Random) -> tuple[str, str, float]:
    count = rng.randint(0, 5000)
    forms = {
        "number: digits": str(count),
        "number: sentence": f"There are {count} people in total.",
        "number: thousands": f"{count:,}",
        "number: marker": f"In video 1 I count 2, in video 2 the rest.\n\nAnswer: {count}",
        "number: boxed": f"\\boxed{{{count}}}",
    }
    style = rng.choice(list(forms))
    return style, forms[style], float(count)


def written_replies(count: int, seed: int = 0) -> Iterator[Written]:
    """Yield replies: two thirds to questions with options, the rest to questions of the other kinds."""
    rng = random.Random(seed)
    styles = list(CHOICE_STYLES)
    for number in range(count):
        if number % 3:
            style, draw = styles[number % len(styles)], _draw(rng)
            yield Written(style, "choice", draw.options, 4, CHOICE_STYLES[style](draw), draw.letter)
            continue
        kind = rng.choice(("interval", "order", "choices", "number"))
        if kind == "interval":
            style, reply, span = _interval(rng)
            yield Written(style, kind, (), 2, reply, span)
        elif kind == "order":
            style, reply, order, items = _order(rng)
            yield Written(style, kind, (), items, reply, order)
        elif kind == "choices":
            style, reply, options, chosen = _choices(rng)
            yield Written(style, kind, options, 4, reply, chosen)
        else:
            style, reply, number_ = _number(rng)
            yield Written(style, kind, (), 2, reply, number_)


YES_NO_OPTIONS = ("Yes.", "No.")
YES_NO_REPLIES = (
    "{0}",
    "{0}.",
    "{0}, the clips agree on this.",
    "Answer: {0}",
    "The answer is {0}.",
    "**{0}**",
    "{1}",
    "{1}. {0}.",
)
YES_NO_COUNT = 137


def yes_no_replies() -> Iterator[tuple[str, str]]:
    """Yield (reply, letter) for as many yes/no questions as CVBench has."""
    for number in range(YES_NO_COUNT):
        said, letter = ("Yes", "A") if number % 2 else ("No", "B")
        yield YES_NO_REPLIES[number % len(YES_NO_REPLIES)].format(said, letter), letter
