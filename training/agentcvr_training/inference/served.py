"""The engine over the vLLM server that TRL sends weights to (`vllm_mode: server`).

Every turn is one request to the server's completions endpoint, token ids in and token ids out. Many requests are in
flight concurrently, each in its own thread, and the server batches them continuously. Start it with `--logprobs-mode
processed_logprobs`; `colocated.py` explains this mode.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from agentcvr_graph.errors import BugError, InfrastructureError, SetupError
from agentcvr_training.inference.base import Call, Sampled
from agentcvr_training.inference.colocated import SEEDS

TURN_TIMEOUT_S = 600.0
"""Timeout of a turn, including time in the server's queue."""
START = (
    "VLLM_SERVER_DEV_MODE=1 vllm serve MODEL --logprobs-mode processed_logprobs "
    """--weight-transfer-config '{"backend": "nccl"}'"""
)
"""The command that starts a server to which TRL can send weights."""


class ServedEngine:
    """An `Engine` over a vLLM server.

    Args:
        url: the server's address, as `http://127.0.0.1:8000`.
        stop_ids: the only tokens that end a turn.
        concurrent: maximum number of requests in flight.
        max_length: longest prompt and turn together, in tokens; the server's own limit applies if it is lower.
    """

    def __init__(self, url: str, stop_ids: Sequence[int], *, concurrent: int = 64, max_length: int = 8192) -> None:
        self._url = url.rstrip("/")
        self._stop = list(stop_ids)
        self._concurrent = concurrent
        self._max_length = max_length
        self._model = ""
        self._client: httpx.Client | None = None
        self._threads: ThreadPoolExecutor | None = None

    def __enter__(self) -> ServedEngine:
        """Connect, and read the name of the served model.

        Raises:
            SetupError: no server answers at the address, or it is not a vLLM server.
        """
        limits = httpx.Limits(max_connections=self._concurrent, max_keepalive_connections=self._concurrent)
        client = httpx.Client(base_url=self._url, timeout=TURN_TIMEOUT_S, limits=limits, trust_env=False)
        try:
            served = client.get("/v1/models", timeout=30).raise_for_status().json()["data"][0]
            self._model = str(served["id"])
            self._max_length = min(self._max_length, int(served["max_model_len"]))
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            client.close()
            message = f"There is no vLLM server at {self._url}: {error}"
            raise SetupError(message, fix=f"Start one with: {START}") from error
        self._client, self._threads = client, ThreadPoolExecutor(self._concurrent, "vllm-request")
        return self

    def __exit__(self, *error: object) -> None:
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        if self._client is not None:
            self._client.close()
        self._client = self._threads = None

    async def sample(self, call: Call) -> Sampled:
        """Sample one turn.

        Raises:
            InfrastructureError: the server cannot be reached, or refused the request.
            BugError: the engine is not running, or the prompt fills the model.
        """
        if self._client is None:
            raise BugError("The engine is not running.", fix="Use it as a context manager.")
        if len(call.prompt_ids) >= self._max_length:
            raise BugError(f"A prompt of {len(call.prompt_ids)} tokens does not fit into {self._max_length}.")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._request_turn, self._client, call)

    def release(self, session: str) -> None:
        """Do nothing: the server evicts its cache when it needs the memory."""

    def _request_turn(self, client: httpx.Client, call: Call) -> Sampled:
        try:
            reply = client.post("/v1/completions", json=self._request(call))
        except httpx.HTTPError as error:
            raise InfrastructureError(
                f"The vLLM server at {self._url} cannot be reached: {error}", transient=True
            ) from error
        if not reply.is_success:
            raise InfrastructureError(
                f"The vLLM server refused a turn with status {reply.status_code}: {reply.text[:300]}",
                transient=reply.status_code >= 500,
            )
        choice = reply.json()["choices"][0]
        return Sampled(list(choice["token_ids"]), list(choice["logprobs"]["token_logprobs"]))

    def _request(self, call: Call) -> dict[str, Any]:
        return {
            "model": self._model,
            "prompt": list(call.prompt_ids),
            "temperature": call.sampling.temperature,
            "top_p": call.sampling.top_p,
            "top_k": call.sampling.top_k,
            "min_p": call.sampling.min_p,
            "repetition_penalty": call.sampling.repetition_penalty,
            "max_tokens": min(call.sampling.max_new_tokens, self._max_length - len(call.prompt_ids)),
            "seed": call.seed % SEEDS,
            "logprobs": 0,
            "ignore_eos": True,
            "stop_token_ids": self._stop,
            "return_token_ids": True,
        }
