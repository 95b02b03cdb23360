"""The features of a master that can be off: what it may do besides observing, listening and answering.

A feature changes the tools of a graph and nothing else of what a policy reads, so a policy that was trained without a
feature reads the same text, byte for byte, while the feature is off. A feature is one field of `Features`, which
programs set, and one line in `BY_NAME`, by which the command line, a server and a training configuration turn it on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agentcvr_graph.errors import InputError
from agentcvr_graph.tools.answer import ANSWER, AbstainingAnswerArgs, AnswerArgs, ConfidentAnswerArgs, answer_with
from agentcvr_graph.tools.spec import AnyTool


@dataclass(frozen=True, kw_only=True)
class Features:
    """The features of one graph."""

    confidence: bool = False
    """An answer may say how sure the master is."""
    abstain: bool = False
    """An answer may say that the videos do not show it; accepted where the setting `abstain` allows it."""

    def apply(self, tools: Iterable[AnyTool]) -> list[AnyTool]:
        """Return the tools with the features. Tools that are not the library's own stay as they are."""
        return [self._with_features(tool) for tool in tools]

    def _with_features(self, tool: AnyTool) -> AnyTool:
        return answer_with(*self._parts_of_answer) if tool is ANSWER else tool

    @property
    def _parts_of_answer(self) -> list[type[AnswerArgs]]:
        parts: list[tuple[bool, type[AnswerArgs]]] = [
            (self.confidence, ConfidentAnswerArgs),
            (self.abstain, AbstainingAnswerArgs),
        ]
        return [part for wanted, part in parts if wanted]


NO_FEATURES = Features()
BY_NAME: Mapping[str, Callable[[], Mapping[str, Any]]] = {
    "abstain": lambda: {"abstain": True},
    "confidence": lambda: {"confidence": True},
}
"""Of each feature that can be turned on by name: a function that returns its field of `Features`."""


def features_named(names: Iterable[str], field: str) -> Features:
    """Return the features with these names.

    Args:
        names: such as `["confidence"]`.
        field: where the names were written, for errors.

    Raises:
        InputError: there is no feature of one of the names.
    """
    fields: dict[str, Any] = {}
    for name in names:
        if name not in BY_NAME:
            raise InputError(f"{field}: there is no feature {name!r}.", fix=f"Choose from: {', '.join(BY_NAME)}.")
        fields |= BY_NAME[name]()
    return Features(**fields)


def read_features(text: str, field: str) -> Features:
    """Return the features of a list such as `confidence,find`; empty for none.

    Raises:
        InputError: as `features_named`.
    """
    return features_named([name for part in text.split(",") if (name := part.strip())], field)
