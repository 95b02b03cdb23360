"""Models behind a provider's own interface, through LangChain's `init_chat_model`.

LangChain reports a missing package, a missing key and an unknown name each in its own way, and every provider adds
some; here they become one `SetupError` of one line each.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, cast

from langchain_core.language_models import BaseChatModel

from agentcvr_graph.errors import SetupError, missing_extra
from agentcvr_graph.models.providers.keys import missing_key, without_keys
from agentcvr_graph.models.providers.servers import unpooled_client
from agentcvr_graph.models.strings import Hosted, unknown


def hosted_chat(hosted: Hosted, timeout_s: float) -> BaseChatModel:
    """The chat model of a provider; its client does not retry, the graph does.

    Raises:
        SetupError: unknown provider, its package or its key missing, or settings that it refuses.
    """
    require("langchain", "langchain", "openai")
    from langchain.chat_models import init_chat_model

    key = missing_key(hosted.provider)
    options: dict[str, Any] = {"timeout": timeout_s, "max_retries": 0}
    if hosted.provider == "openai":
        options["http_async_client"] = unpooled_client(timeout_s)
    try:
        model: BaseChatModel = cast(Any, init_chat_model)(
            hosted.spec, **options
        )  # its overloads do not match a mapping
    except ImportError as error:
        raise _missing_provider(hosted, error) from error
    except Exception as error:
        # Each provider has its own exception for "no key", raised from its constructor.
        raise _unusable(hosted, error, key or _guessed_key(error)) from error
    # Some constructors do not look for a key, and the provider may have been guessed: look again.
    if key := missing_key(type(model).__module__.partition(".")[0].removeprefix("langchain_")):
        raise no_key(hosted.spec, key)
    return model


def require(module: str, package: str, extra: str) -> None:
    """Import `module`, or say which extra brings it.

    Raises:
        SetupError: it is not installed.
    """
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise missing_extra(package, extra) from error


def _missing_provider(hosted: Hosted, error: ImportError) -> SetupError:
    package = "langchain-" + hosted.provider.replace("_", "-")
    named = [word.strip("`'\".,") for word in str(error).split() if "langchain-" in word]
    package = named[0] if named else package
    if package == "langchain-openai":
        return missing_extra(package, "openai")
    return SetupError(
        f"The model {hosted.spec!r} needs the package {package!r}.",
        fix=f"Install it with: pip install {package}",
    )


def _unusable(hosted: Hosted, error: Exception, key: str) -> SetupError:
    if key:
        return no_key(hosted.spec, key)
    if isinstance(error, ValueError) and "model_provider" in str(error) or "Unsupported" in str(error):
        return unknown(hosted.spec)
    reason = without_keys(str(error)).strip().partition("\n")[0] or type(error).__name__
    return SetupError(f"The model {hosted.spec!r} cannot be set up: {reason}")


def _guessed_key(error: Exception) -> str:
    """The variable that a constructor's message names, for a provider that `init_chat_model` guessed."""
    words = (word.strip("`'\".,()") for word in str(error).split())
    return next((word for word in words if word.endswith("_API_KEY") and not os.environ.get(word)), "")


def no_key(spec: str, variable: str) -> SetupError:
    """The one wording for a key that is not set."""
    return SetupError(f"The model {spec!r} needs an API key.", fix=f"Set the environment variable {variable}.")
