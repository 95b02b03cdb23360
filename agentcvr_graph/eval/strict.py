"""Scores by the letter of a benchmark's own script, beside ours.

Our scorers read an answer leniently ("B.", "(b)", the option's text); most scripts of benchmarks compare strings. With
`--strict` every row gets a second score by the rule of its benchmark, and the report shows both:

| benchmark | rule |
|---|---|
| crossvid, own questions, scripts | the string equals the key: one letter, letters joined ("AC"), "2->1->3" |
| crossvid: FSA | two numbers with one comma between them, scored by IoU |
| crossvid: CCQA | the judge's score; questions whose judgement could not be read are left out |
| cvbench | the letter, or the word of a yes/no question, without regard to case and final full stop |
| mvu-eval | the first character is the letter |

What is compared is what the model wrote as its answer: the value of the `answer` call, or of a reply without a call
what stands behind "Answer:" in its last line, where the prompt of a single pass asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import ascii_uppercase
from typing import cast

from agentcvr_graph.answers import score_answer
from agentcvr_graph.eval.rows import Row
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import AnswerValue, Question

StrictRule = Callable[[Question, str], float]
"""(question, answer as written) -> score."""


def exact(question: Question, written: str) -> float:
    """Score 1 for the string of the key, else 0; the IoU of an interval that is written as "12,20.5"."""
    if question.kind == "interval":
        return _interval(question, written)
    return float(written == text_of(question.key))


def letter_or_word(question: Question, written: str) -> float:
    """Score 1 for the letter, or for the word of a yes/no question, without regard to case and final full stop."""
    given = written.strip().removesuffix(".").casefold()
    word = question.options[ascii_uppercase.index(str(question.key))].strip().removesuffix(".").casefold()
    return float(given == str(question.key).casefold() or (word in ("yes", "no") and given == word))


def first_letter(question: Question, written: str) -> float:
    """Score 1 if the first character is the letter of the key."""
    return float(written.strip()[:1].upper() == question.key)


STRICT_RULES: dict[str, StrictRule] = {
    "exact": exact,
    "crossvid": exact,
    "cvbench": letter_or_word,
    "mvu-eval": first_letter,
}
"""Name of a benchmark -> its rule; `exact` for others."""


def rule_name(benchmark: str) -> str:
    """Return the name of the rule of a benchmark."""
    return benchmark if benchmark in STRICT_RULES else "exact"


def with_strict_score(row: Row, question: Question, trajectory: Trajectory | None, rule: str) -> Row:
    """Return a row with its score by a rule; the row itself where the name of the rule is empty."""
    return row.model_copy(update={"strict": _score(row, question, trajectory, rule)}) if rule else row


def written_answer(trajectory: Trajectory) -> str:
    """Return the answer as the model wrote it; empty if it never gave one."""
    actions = [action for turn in trajectory.turns for action in turn.actions if action.ends]
    if not actions:
        return ""
    written = text_of(actions[-1].arguments.get("value"))
    return stated(written) if actions[-1].prose else written


def stated(reply: str) -> str:
    """Return what a reply states as its answer: what stands behind "Answer:" in its last line, else all of it."""
    last = (reply.strip().splitlines() or [""])[-1]
    return last.removeprefix("Answer:").strip() if last.startswith("Answer:") else reply


def text_of(value: object) -> str:
    """Return a value as the scripts write it: letters joined, an interval with a comma, 3 for 3.0."""
    if isinstance(value, list | tuple):
        parts = [text_of(part) for part in cast(Sequence[object], value)]
        return ("," if all(isinstance(part, int | float) for part in cast(Sequence[object], value)) else "").join(parts)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def _score(row: Row, question: Question, trajectory: Trajectory | None, rule: str) -> float | None:
    """Return the strict score; None where the benchmark's script leaves the question out."""
    if trajectory is None or trajectory.answer is None or trajectory.answer.abstained:
        return 0.0
    if row.kind == "text":
        return None if row.outcome == "infrastructure error" else row.score  # its judge could not be read
    return STRICT_RULES[rule](question, written_answer(trajectory))


def _interval(question: Question, written: str) -> float:
    try:
        start_s, end_s = map(float, written.split(","))
    except ValueError:
        return 0.0
    return score_answer("interval", (start_s, end_s), cast(AnswerValue, question.key))
