"""Connect to OpenAI-compatible servers, and list the models that they serve.

Listing the models is one cheap, blocking request, made while models are set up.
"""

from __future__ import annotations

from typing import Any, cast

import httpx

from agentcvr_graph.errors import CVRError, SetupError
from agentcvr_graph.models.clients.errors import as_infrastructure_error, refused
from agentcvr_graph.models.clients.keys import server_key

LISTING_TIMEOUT_S = 10.0


def unpooled_client(timeout_s: float) -> httpx.AsyncClient:
    """Return a client that closes each connection after its call.

    A model object is often used from several event loops (`asyncio.run` twice, a notebook), and a pooled connection
    that belongs to a closed loop breaks the next call. The extra handshake takes little time compared with a model's
    reply. The constructor reads certificates from disk, so call it where the model is created, not in a coroutine.
    """
    return httpx.AsyncClient(timeout=timeout_s, limits=httpx.Limits(max_keepalive_connections=0))


def served_models(base_url: str) -> list[str]:
    """Return the names of the models at `GET /models`.

    Raises:
        SetupError: no server answers, it refuses the key, or it is not an OpenAI-compatible server.
    """
    try:
        headers = {"Authorization": f"Bearer {server_key()}"}
        reply = httpx.get(f"{base_url}/models", headers=headers, timeout=LISTING_TIMEOUT_S)
    except httpx.HTTPError as error:
        raise _as_setup_error(as_infrastructure_error(error, f"The server {base_url}")) from error
    if reply.is_error:
        raise _as_setup_error(refused(reply.status_code, "", f"The server {base_url}"))
    try:
        body = cast(dict[str, Any], reply.json())
        return [str(entry["id"]) for entry in body["data"]]
    except (ValueError, KeyError, TypeError) as error:
        raise SetupError(
            f"{base_url} is not an OpenAI-compatible server: its /models is not a list of models.",
            fix="Give the address that ends in /v1.",
        ) from error


def check_served(base_url: str, model: str = "") -> str:
    """Return which models a server serves, as words.

    Raises:
        SetupError: no server answers, or it does not serve the model, or the model is not named and there are several.
    """
    served = served_models(base_url)
    if model in served or not model and len(served) == 1:
        return f"reachable, serves {', '.join(served)}"
    choices = " or ".join(f"{base_url}#{one}" for one in served)
    raise SetupError(
        f"The server {base_url} serves {', '.join(served) or 'nothing'}.", fix=f"Use {choices or 'another server'}."
    )


def only_model(base_url: str, model: str = "") -> str:
    """Return the given model, or else the only model that the server serves.

    Raises:
        SetupError: no model is given, and the server serves none or several; the message lists them.
    """
    if model:
        return model
    models = served_models(base_url)
    if len(models) == 1:
        return models[0]
    choices = ", ".join(f"{base_url}#{served}" for served in models) or "none"
    raise SetupError(
        f"The server {base_url} serves {len(models)} models, so one must be named.",
        fix=f"Use one of: {choices}",
    )


def _as_setup_error(error: CVRError) -> SetupError:
    fix = error.fix or "Start the server (for example: vllm serve MODEL), or correct the address."
    return SetupError(error.message, fix=fix)
