"""The answer kinds: read what a master wrote, validate it, put it in words and score it.

Each kind is one module; `registry.py` names them and has the functions that everybody else calls.
"""

from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.answers.interval import temporal_iou
from agentcvr_graph.answers.keys import named_option
from agentcvr_graph.answers.letters import MAX_OPTIONS, UnclearError
from agentcvr_graph.answers.reading import stated_answer
from agentcvr_graph.answers.registry import (
    KINDS,
    KnownKind,
    KnownQuestionKind,
    abstention,
    answer_text,
    check_options,
    option_labels,
    parse_answer,
    parse_reply,
    read_key,
    read_reply,
    repeated_options,
    resolve_kind,
    score_answer,
    score_of,
)
from agentcvr_graph.answers.standing import GUESS, confidence_text, headline, standing
from agentcvr_graph.answers.text import token_f1

__all__ = [
    "GUESS",
    "KINDS",
    "MAX_OPTIONS",
    "AnswerSpec",
    "KnownKind",
    "KnownQuestionKind",
    "UnclearError",
    "abstention",
    "answer_text",
    "check_options",
    "confidence_text",
    "headline",
    "named_option",
    "option_labels",
    "parse_answer",
    "parse_reply",
    "read_key",
    "read_reply",
    "repeated_options",
    "resolve_kind",
    "score_answer",
    "score_of",
    "standing",
    "stated_answer",
    "temporal_iou",
    "token_f1",
]
