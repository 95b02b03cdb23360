"""How an answer stands, in words: whether it is a value, a guess or an abstention, and how sure the master is.

Command line, reports, notebooks, tools of other agents and MCP clients show the same words.
"""

from __future__ import annotations

from agentcvr_graph.types import Answer

ABSTAINED = "abstained"
GUESS = "a guess: no evidence supports it"


def headline(answer: Answer) -> str:
    """Return an answer in words, with its letter if it is a choice.

    >>> headline(Answer(kind="choice", value="B", text="the second"))
    'B. the second'
    """
    lettered = answer.kind == "choice" and not answer.abstained
    return f"{answer.value}. {answer.text}" if lettered else answer.text


def standing(answer: Answer) -> str:
    """Return what qualifies an answer; empty for a cited value without a stated confidence.

    >>> standing(Answer(kind="text", value="red", text="red", confidence=0.0))
    'a guess: no evidence supports it; confidence 0 %'
    """
    if answer.abstained:
        return ABSTAINED
    support = GUESS if answer.is_guess else "" if answer.citations else "no citations"
    return "; ".join(part for part in (support, confidence_text(answer)) if part)


def confidence_text(answer: Answer) -> str:
    """Return the stated confidence as `confidence 85 %`; empty if none was stated."""
    return "" if answer.confidence is None else f"confidence {100 * answer.confidence:.0f} %"
