"""The chat model of the offline master: messages in, one turn out. It is deterministic."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage

from agentcvr_graph.models.chat_base import ChatModelBase, ChatRequest
from agentcvr_graph.models.offline.master.answering import MAX_CITATIONS, NOT_SAID, Verdict, answer
from agentcvr_graph.models.offline.master.language import content_words
from agentcvr_graph.models.offline.master.matching import Matcher
from agentcvr_graph.models.offline.master.planning import look_again, survey, zoom
from agentcvr_graph.models.offline.master.reading import Reading, Statement, read
from agentcvr_graph.models.offline.master.reporting import report_of
from agentcvr_graph.models.offline.master.searching import best_videos, find_calls, relevant, searches
from agentcvr_graph.models.offline.master.small_text import magnify
from agentcvr_graph.models.offline.master.support import support_of
from agentcvr_graph.models.self_report import SelfReport, with_report
from agentcvr_graph.render import window_label

Call = dict[str, Any]
GUESSED = "This is a guess: the offline master only matches words, and no statement has the words that decide it."
UNMATCHED = "The offline master only matches words, and no statement has the words of the question."


class OfflineMaster(ChatModelBase):
    """The default master. It writes tool calls if tools are bound, else JSON actions."""

    def _reply(self, request: ChatRequest) -> AIMessage:
        messages = request.messages
        features = {"claims": wants(request, "claim"), "confidences": wants(request, "confidence")}
        move = decide(replace(read(messages), **features))
        count = sum(isinstance(message, AIMessage) for message in messages)
        message = as_turn(move.thought, move.calls, count, as_tools=bool(request.tools))
        if move.report is not None:
            message = with_report(message, move.report)
        read_words = sum(len(message.text.split()) for message in messages)
        written = len((move.thought + json.dumps(move.calls)).split())
        # There is no tokenizer, so words are counted as tokens: token budgets and reports need a number.
        message.usage_metadata = {
            "input_tokens": read_words,
            "output_tokens": written,
            "total_tokens": read_words + written,
        }
        return message


class Move(NamedTuple):
    """A turn of the master."""

    thought: str
    calls: list[Call]
    report: SelfReport | None = None
    """Of an answer: how well the evidence supports it."""


def decide(reading: Reading) -> Move:
    """Return the next turn: survey first, then look closer, then answer."""
    if reading.uncited and reading.looked:
        return _citing_move(reading)
    if reading.answered and not reading.missing and not reading.uncited:
        call = _answer_call(reading, _safe(reading), 0.0)
        return Move("The answer did not fit; this one does.", [call], report_of(reading, 0.0))
    if not reading.closing:
        if reading.missing:
            calls = look_again(reading)
            if calls:
                return Move("Some videos have not been looked at yet.", calls)
        elif searches(reading) and reading.turn <= 1:
            return Move(*_search(reading))
        elif not _surveyed(reading):
            calls = survey(reading) if reading.turn == 0 else []
            if calls:
                return Move("First an overview of every video: frames and sound.", calls)
        elif reading.turn <= 1 + searches(reading) and (calls := closer(reading)):
            return Move("A closer look at the windows that match the question best.", calls)
    verdict = answer(reading)
    support = support_of(reading, verdict)
    checked = f"A second look did not confirm {reading.refuted} of my citations. " if reading.refuted else ""
    thought = checked + _because(verdict, support)
    return Move(thought, [_answer_call(reading, verdict, support)], report_of(reading, support))


def closer(reading: Reading) -> list[Call]:
    """Return looks at text that could not be read, and at the windows that match the question best."""
    return [*magnify(reading), *zoom(relevant(reading))]


def wants(request: ChatRequest, field: str) -> bool:
    """Return whether a feature gave the tools of this graph a field, such as `claim` of `verify`, in either dialect."""
    schemas = json.dumps(request.tools) if request.tools else request.messages[0].text
    return f'"{field}"' in schemas


def _search(reading: Reading) -> tuple[str, list[Call]]:
    """Return the searches, and in the next turn what to look at: the best videos, or the first if nothing is found."""
    if reading.turn == 0 and (calls := find_calls(reading)):
        return "There are many videos: first a search for the words of the question.", calls
    calls = survey(reading, best_videos(reading) or None)
    return "A look at the videos that fit the question best.", calls


def _surveyed(reading: Reading) -> bool:
    seen = {statement.window.video for statement in reading.statements}
    return reading.turn > 0 or seen >= {clip.number for clip in reading.readable}


def _because(verdict: Verdict, support: float) -> str:
    if not support:
        return UNMATCHED if verdict.value == NOT_SAID else GUESSED
    return "; ".join(f"{window_label(s.window)}: {s.text}" for s in verdict.support[:MAX_CITATIONS])


def _answer_call(reading: Reading, verdict: Verdict, support: float) -> Call:
    """Return the call of `answer`. A guess cites nothing."""
    cited = [*dict.fromkeys(verdict.support)][:MAX_CITATIONS] if support else []
    citations = [_citation(statement, claims=reading.claims) for statement in cited]
    arguments = {"value": verdict.value, "rationale": _because(verdict, support), "citations": citations}
    arguments |= {"confidence": round(min(1.0, support), 2)} if reading.confidences else {}
    return {"name": "answer", "args": arguments}


def _citing_move(reading: Reading) -> Move:
    """Return the answer with a citation also where nothing supports it: the statement closest to the question."""
    verdict = answer(reading)
    support = support_of(reading, verdict)
    call = _answer_call(reading, verdict, support)
    ranked = Matcher(reading.statements).ranked(content_words(reading.question))
    closest = [match.statement for match in ranked] or reading.statements or reading.looked
    call["args"]["citations"] = call["args"]["citations"] or [_citation(closest[0], claims=reading.claims)]
    thought = "An answer about many videos must cite what was looked at."
    return Move(thought, [call], report_of(reading, support))


def _citation(statement: Statement, *, claims: bool) -> Call:
    claim = {"claim": statement.text} if claims else {}
    return {**statement.window.model_dump(), "modality": statement.modality, **claim}


def _safe(reading: Reading) -> Verdict:
    """Return a value that always fits a kind of this library; a kind from elsewhere gets the one of `text`."""
    count = len(reading.options or reading.videos)
    fallback: dict[str, Any] = {
        "choice": "A",
        "choices": ["A"],
        "order": "->".join(str(n) for n in range(1, count + 1)),
        "interval": [0.0, max([clip.duration_s for clip in reading.videos] + [1.0])],
        "number": 0,
        "text": NOT_SAID,
    }
    return Verdict(fallback.get(reading.kind, fallback["text"]))


def as_turn(thought: str, calls: list[Call], count: int, *, as_tools: bool) -> AIMessage:
    """Return a thought and its calls as a message, with tool calls or JSON actions.

    Args:
        count: number of turns before this one.
    """
    if as_tools:
        tool_calls = [{**call, "id": f"offline_{count}_{n}", "type": "tool_call"} for n, call in enumerate(calls)]
        return AIMessage(thought, tool_calls=tool_calls)
    actions = [{"action": call["name"], "arguments": call["args"]} for call in calls]
    return AIMessage(f"{thought}\n{json.dumps(actions)}")
