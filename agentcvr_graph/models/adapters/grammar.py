"""Constrain what a model in this process samples to a JSON schema.

In: a tokenizer and a schema. Out: a processor for `generate`, which forbids every token with which no text of the
schema can go on, and all but the end of the turn once the text is complete. The library `llguidance` keeps the state of
the grammar. The mask changes the distribution that is sampled from, so rollouts of training never use it: their log
probabilities are those of the model without a mask.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast

import torch
from transformers import LogitsProcessor

from agentcvr_graph.errors import SetupError
from agentcvr_graph.models.clients.extras import naming_extra

EXTRA = "grammar"
FORM = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""JSON in one line, as the demonstrations and the replies of the graph write it."""


class Grammars:
    """The grammars of one tokenizer.

    Args:
        tokenizer: a fast tokenizer.
        vocabulary: how many logits the model returns; at least as many as the tokenizer has tokens.
    """

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary

    @cached_property
    def _tokens(self) -> Any:
        """The tokenizer in the library's form, which takes a second to make.

        Raises:
            SetupError: the library is not installed, or the tokenizer is not a fast one.
        """
        with naming_extra(EXTRA):
            from llguidance import hf
        try:
            return cast(Any, hf).from_tokenizer(self._tokenizer, n_vocab=self._vocabulary)
        except ValueError as error:
            raise SetupError(
                f"The tokenizer cannot be constrained to a schema: {error}",
                fix="Choose the dialect auto, tools or json.",
            ) from error

    def processor(self, schema: Mapping[str, Any], prompt_tokens: int) -> SchemaProcessor:
        """Return a processor for one call of `generate` with one row.

        Raises:
            SetupError: as `tokens`, or the library does not know a keyword of the schema.
        """
        with naming_extra(EXTRA):
            from llguidance import LLMatcher
        matcher = LLMatcher(self._tokens, LLMatcher.grammar_from_json_schema(dict(schema), overrides=cast(Any, FORM)))
        if matcher.is_error():
            raise SetupError(f"The schema cannot be used: {matcher.get_error()}")
        return SchemaProcessor(matcher, prompt_tokens)


class SchemaProcessor(LogitsProcessor):
    """The mask of one completion.

    Args:
        matcher: the state of the grammar before the completion.
        prompt_tokens: tokens before the completion.
    """

    def __init__(self, matcher: Any, prompt_tokens: int) -> None:
        self._matcher = matcher
        self._read = prompt_tokens

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.FloatTensor:
        """Return the scores (1, vocabulary) in which tokens that do not fit are impossible."""
        new = cast(list[int], input_ids[0, self._read :].tolist())  # pyright: ignore[reportUnknownMemberType]
        self._read += len(new)
        self._matcher.consume_tokens(new)
        allowed = torch.frombuffer(bytearray(self._matcher.compute_logit_bias()), dtype=torch.uint8)
        masked = scores.masked_fill((allowed == 0).to(scores.device)[None], float("-inf"))
        return cast(torch.FloatTensor, masked)
