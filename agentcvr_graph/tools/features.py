"""The features of a master that can be off: what it may do besides observing, listening and answering.

A feature changes the tools of a graph and nothing else of what a policy reads, so a policy that was trained without a
feature reads the same text, byte for byte, while the feature is off. A feature is one field of `Features`, which
programs set, and one line in `BY_NAME`, by which the command line, a server and a training configuration turn it on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from pydantic import create_model

from agentcvr_graph.errors import InputError
from agentcvr_graph.index.finder import Finder
from agentcvr_graph.index.meaning import Meaning
from agentcvr_graph.models.claims import OFFLINE, ClaimJudge, resolve_claim_judge
from agentcvr_graph.models.embeddings import resolve_embeddings
from agentcvr_graph.tools.answer import (
    ANSWER,
    NO_VALUE,
    VALUE_TYPES,
    AbstainingAnswerArgs,
    AnswerArgs,
    ClaimedAnswerArgs,
    ConfidentAnswerArgs,
)
from agentcvr_graph.tools.find import FIND, find_tool
from agentcvr_graph.tools.observe import OBSERVE
from agentcvr_graph.tools.spec import AnyTool, AnyToolSpec, ToolSpec
from agentcvr_graph.tools.zoom import ZOOM_OBSERVE

STORE = "store"
"""Value of `find` with which the store of the graph holds the index."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """The features of one graph."""

    confidence: bool = False
    """An answer may say how sure the master is."""
    abstain: bool = False
    """An answer may say that the videos do not show it; accepted where the setting `abstain` allows it."""
    find: bool | str | Embeddings = False
    """The master may search the evidence of all videos. The value may be an embeddings model, by which a search
    compares meanings besides words: a string such as `openai:text-embedding-3-small` or `transformers:FOLDER`, or
    an object. With `store` the store of the graph holds the index, and compares meanings if it has an index."""
    zoom: bool = False
    """`observe` may look at a part of the picture, and at higher detail."""
    verify: bool | str | BaseChatModel | ClaimJudge = False
    """Every citation says what it proves, and its window is observed once more before the answer is accepted
    (`graph/nodes/verify.py`). The value is the judge of the claims: a model string, a chat model or an object; True
    for `offline`, which compares words."""

    @cached_property
    def judge(self) -> ClaimJudge | None:
        """The judge of claims; None without the feature `verify`.

        Raises:
            SetupError: as `resolve_claim_judge`.
        """
        if self.verify is False:
            return None
        return resolve_claim_judge(OFFLINE if self.verify is True else self.verify)

    @cached_property
    def finding(self) -> AnyToolSpec:
        """The tool of the feature `find`.

        Raises:
            SetupError: as `resolve_embeddings`.
        """
        if isinstance(self.find, bool):
            return FIND
        if self.find == STORE:
            from agentcvr_graph.index.shared import StoreFinder

            return find_tool(StoreFinder())
        return find_tool(Finder(Meaning(*resolve_embeddings(self.find))))

    def apply(self, tools: Iterable[AnyTool]) -> list[AnyTool]:
        """Return the tools with the features. Tools that are not the library's own stay as they are."""
        listed = [self._with_features(tool) for tool in tools]
        return listed if self.find is False else self._with_find(listed)

    def _with_find(self, tools: list[AnyTool]) -> list[AnyTool]:
        """Return the tools with `find` before the first that ends the question."""
        place = next((n for n, tool in enumerate(tools) if not isinstance(tool, ToolSpec)), len(tools))
        return [*tools[:place], self.finding, *tools[place:]]

    def _with_features(self, tool: AnyTool) -> AnyTool:
        if tool is ANSWER and (parts := self._answer_parts()):
            nothing = [NO_VALUE] if self.abstain else []
            return replace(ANSWER, arguments=_joined(parts), any_of={"value": [*VALUE_TYPES, *nothing]})
        if tool is OBSERVE and self.zoom:
            return ZOOM_OBSERVE
        return tool

    def _answer_parts(self) -> tuple[type[AnswerArgs], ...]:
        """Return what the features add to the arguments of `answer`, in the order in which a policy reads it."""
        wanted = (
            (self.confidence, ConfidentAnswerArgs),
            (self.abstain, AbstainingAnswerArgs),
            (self.verify is not False, ClaimedAnswerArgs),
        )
        return tuple(arguments for on, arguments in wanted if on)


@cache
def _joined(parts: tuple[type[AnswerArgs], ...]) -> type[AnswerArgs]:
    """Return the arguments with the fields of all parts."""
    return parts[0] if len(parts) == 1 else create_model("AnswerArgs", __base__=parts[::-1], __doc__=parts[0].__doc__)


NO_FEATURES = Features()
BY_NAME: Mapping[str, Callable[[], Mapping[str, Any]]] = {
    "abstain": lambda: {"abstain": True},
    "confidence": lambda: {"confidence": True},
    "find": lambda: {"find": True},
    "verify": lambda: {"verify": True},
    "zoom": lambda: {"zoom": True},
}
"""Of each feature that can be turned on by name: a function that returns its field of `Features`."""
WITH_VALUE: Mapping[str, Callable[[str], Mapping[str, Any]]] = {
    "find": lambda embeddings: {"find": embeddings},
    "verify": lambda judge: {"verify": judge},
}
"""The same for names with a value, such as `verify=openai:gpt-4.1`."""


def features_named(names: Iterable[str], field: str) -> Features:
    """Return the features with these names.

    Args:
        names: such as `["confidence", "verify=offline"]`.
        field: where the names were written, for errors.

    Raises:
        InputError: there is no feature of one of the names.
    """
    fields: dict[str, Any] = {}
    for given in names:
        name, _, value = given.partition("=")
        if name not in (WITH_VALUE if value else BY_NAME):
            raise InputError(f"{field}: there is no feature {given!r}.", fix=f"Choose from: {', '.join(BY_NAME)}.")
        fields |= WITH_VALUE[name](value) if value else BY_NAME[name]()
    return Features(**fields)


def read_features(text: str, field: str) -> Features:
    """Return the features of a list such as `confidence,find`; empty for none.

    Raises:
        InputError: as `features_named`.
    """
    return features_named([name for part in text.split(",") if (name := part.strip())], field)
