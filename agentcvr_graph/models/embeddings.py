"""The embeddings models of the feature `find`: what a string names, and the name under which vectors are kept.

transformers:DIR_OR_REPO      a sentence-transformers model in this process (mean of the tokens, length 1)
openai:text-embedding-3-small anything that LangChain's `init_embeddings` takes
"""

from __future__ import annotations

from typing import Any, cast

from langchain_core.embeddings import Embeddings

from agentcvr_graph.errors import SetupError
from agentcvr_graph.models.clients.extras import require
from agentcvr_graph.models.clients.keys import without_keys
from agentcvr_graph.models.providers.in_process import InProcess

_NAMING = ("model", "model_name", "model_id", "dimensions")
"""Fields of LangChain's clients on which vectors depend."""


def resolve_embeddings(given: str | Embeddings) -> tuple[Embeddings, str]:
    """Return the embeddings model that a string names or that is given, and the name under which vectors are kept.

    Raises:
        SetupError: unknown string, missing package or key, or an object that is no embeddings model.
    """
    if isinstance(given, str):
        return _named(given.strip())
    if isinstance(cast(object, given), Embeddings):
        return given, _name_of(given)
    raise SetupError(
        f"`find` is {given!r}.", fix="Pass True, a string such as 'openai:text-embedding-3-small', or an Embeddings."
    )


def _named(spec: str) -> tuple[Embeddings, str]:
    if (local := InProcess.parse(spec)) is not None:
        source = local.found()
        require("torch", "torch", "transformers")
        require("transformers", "transformers", "transformers")
        from agentcvr_graph.models.adapters.transformers_embeddings import TransformersEmbeddings

        return TransformersEmbeddings(source), local.cache_name()
    require("langchain", "langchain", "openai")
    from langchain.embeddings import init_embeddings

    try:
        return init_embeddings(spec), spec
    except Exception as error:  # each provider has an exception of its own for a missing key or package
        reason = without_keys(str(error)).strip().partition("\n")[0] or type(error).__name__
        raise SetupError(
            f"The embeddings model {spec!r} cannot be set up: {reason}",
            fix="Give PROVIDER:MODEL (such as 'openai:text-embedding-3-small') or 'transformers:FOLDER_OR_REPO'.",
        ) from error


def _name_of(embeddings: Embeddings) -> str:
    """Return the name of a model as its client knows it, with the client's class."""
    given: dict[str, Any] = getattr(embeddings, "__dict__", {})
    return ":".join([type(embeddings).__name__, *(str(given[field]) for field in _NAMING if given.get(field))])
