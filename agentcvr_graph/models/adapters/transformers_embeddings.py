"""A sentence-transformers model of the `transformers` library in this process: texts to vectors.

The vector of a text is the mean over its tokens, as most sentence-transformers models want it. Weights are loaded once,
at the first call. Calls run one after another in the thread of the caller; the asynchronous ones in a thread.
"""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Any, cast

import torch
from langchain_core.embeddings import Embeddings
from transformers import AutoModel, AutoTokenizer

from agentcvr_graph.errors import SetupError
from agentcvr_graph.models.clients.errors import one_line

MOST_TOKENS = 256
"""Longest text in tokens; the rest is cut off."""
TEXTS_AT_ONCE = 32


class TransformersEmbeddings(Embeddings):
    """A model from a folder or a repository.

    Args:
        source: a folder that `save_pretrained` wrote, or the name of a repository on the Hub.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._lock = threading.Lock()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text.

        Raises:
            SetupError: the model cannot be loaded.
        """
        with self._lock:
            # Texts of about one length are encoded together, so that little is padding.
            order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
            made: dict[int, list[float]] = {}
            for start in range(0, len(order), TEXTS_AT_ONCE):
                places = order[start : start + TEXTS_AT_ONCE]
                made |= zip(places, self._encoded([texts[place] for place in places]), strict=True)
        return [made[place] for place in range(len(texts))]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of one text."""
        return self.embed_documents([text])[0]

    def _encoded(self, texts: list[str]) -> list[list[float]]:
        tokenizer, model = self._loaded
        tokens = tokenizer(texts, padding=True, truncation=True, max_length=MOST_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**tokens).last_hidden_state  # (texts, tokens, dimensions)
            weight = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)  # (texts, tokens, 1)
            mean = (hidden * weight).sum(1) / weight.sum(1)
        return cast(Any, torch.nn.functional.normalize(mean.float(), dim=1)).tolist()

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        try:
            model = cast(Any, AutoModel).from_pretrained(self._source)
            return cast(Any, AutoTokenizer).from_pretrained(self._source), model.eval()
        except (OSError, ValueError, ImportError) as error:
            raise SetupError(
                f"The model {self._source!r} cannot be loaded: {one_line(str(error))}",
                fix="Give a folder or a repository with a sentence-transformers model.",
            ) from error
