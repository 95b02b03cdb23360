"""The environment variables that hold API keys.

The key of a hosted provider is never sent to a server that the user names by its address. Such a server gets
`AGENTCVR_API_KEY`, or the word `none` if the variable is not set.
"""

from __future__ import annotations

import os
import re
import traceback

SERVER_KEY = "AGENTCVR_API_KEY"
"""Holds the key for OpenAI-compatible servers and transcription endpoints given by address."""

PROVIDER_KEYS: dict[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "cohere": ("COHERE_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "fireworks": ("FIREWORKS_API_KEY",),
    "google_genai": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "mistralai": ("MISTRAL_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "perplexity": ("PPLX_API_KEY",),
    "together": ("TOGETHER_API_KEY",),
    "upstage": ("UPSTAGE_API_KEY",),
    "xai": ("XAI_API_KEY",),
}
"""The variables in which each provider's key may be; providers that are missing here find their credentials
themselves (cloud accounts, local runners)."""


_SECRET_NAME = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD)$", re.I)
SHORTEST_SECRET = 8
"""Length in characters; shorter values are not masked, because they may be ordinary words."""


def without_keys(text: str) -> str:
    """Return the text with the keys of this process masked: a server may repeat the request in its error."""
    secrets = {value for name, value in os.environ.items() if _SECRET_NAME.search(name)}
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


def traceback_without_keys(error: BaseException) -> str:
    """Return the traceback of an exception for a log: with the keys of this process masked, and as text that can be
    written, whatever a model put into the error."""
    from agentcvr_graph.render import with_escapes  # Loads pydantic, which `--help` does without.

    trace = without_keys("".join(traceback.format_exception(error)))
    return with_escapes(trace)


def server_key() -> str:
    """Return the key for a server given by its address."""
    return os.environ.get(SERVER_KEY, "none")


def missing_key(provider: str) -> str:
    """Return the variable that `provider` needs and that is not set; empty if a key is set or none is known."""
    variables = PROVIDER_KEYS.get(provider, ())
    return "" if not variables or any(os.environ.get(variable) for variable in variables) else variables[0]
