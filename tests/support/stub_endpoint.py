"""A local OpenAI-compatible endpoint that replies or fails as a test specifies."""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Reply:
    """Response of the endpoint to one call."""

    text: str = "Answer: A"
    tool: tuple[str, dict[str, Any]] | None = None
    """Name and arguments of a tool call that is sent with the text."""
    finish_reason: str = "stop"
    status: int = 200
    delay_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Sent in place of a chat completion."""
    half: bool = False
    """Send half of the body, then close the connection."""
    nothing: bool = False
    """Close the connection without a reply."""


class StubEndpoint:
    """Context manager that serves `/v1/chat/completions` in a thread.

    Args:
        reply: maps the number of a call (from 0) and its body to the response.
        keep: record the bodies and times of all calls.
    """

    def __init__(
        self, reply: Callable[[int, dict[str, Any]], Reply] = lambda number, body: Reply(), *, keep: bool = True
    ) -> None:
        self._reply, self._keep = reply, keep
        self._number = 0
        self.calls: list[dict[str, Any]] = []
        self.most_concurrent = 0
        self.times_s: list[float] = []
        self._running = 0
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> StubEndpoint:
        started = threading.Event()

        def serve() -> None:
            asyncio.set_event_loop(self._loop)
            self._server = self._loop.run_until_complete(asyncio.start_server(self._connected, "127.0.0.1", 0))
            started.set()
            self._loop.run_forever()
            connections = asyncio.all_tasks(self._loop)
            for task in connections:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*connections, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()
        started.wait()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        # Interrupted calls leave their connections to the garbage collector, whose warning would fail another test.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    def go_down(self) -> None:
        """Refuse further connections, as a server that has died does; to be called by `reply`."""
        self._server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                lengths = [line for line in lines if line.lower().startswith("content-length:")]
                body = await reader.readexactly(int(lengths[0].split(":")[1])) if lengths else b"{}"
                if not await self._answered(json.loads(body), writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answered(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        number, self._number = self._number, self._number + 1
        if self._keep:
            self.calls.append(body)
            self.times_s.append(time.monotonic())
        self._running += 1
        self.most_concurrent = max(self.most_concurrent, self._running)
        try:
            reply = self._reply(number, body)
            await asyncio.sleep(reply.delay_s)
            if reply.nothing:
                return False
            text = _completion(reply) if reply.body is None else reply.body
            headers = {"Content-Type": "application/json", "Content-Length": str(len(text)), **reply.headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            sent = text[: len(text) // 2] if reply.half else text
            writer.write(f"HTTP/1.1 {reply.status} X\r\n{head}\r\n".encode() + sent)
            await writer.drain()
            return not reply.half
        finally:
            self._running -= 1


@contextmanager
def endpoint_process(reply: Callable[[int, dict[str, Any]], Reply]) -> Iterator[str]:
    """Yield the address of an endpoint in its own process, which uses neither CPU time nor memory of this one.

    Args:
        reply: as for `StubEndpoint`; must be a module-level function.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, reply), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()
        ours.close()


def _serve(pipe, reply: Callable[[int, dict[str, Any]], Reply]) -> None:
    with StubEndpoint(reply, keep=False) as endpoint:
        pipe.send(endpoint.url)
        threading.Event().wait()


def _completion(reply: Reply) -> bytes:
    message: dict = {"role": "assistant", "content": reply.text}
    if reply.tool is not None:
        name, arguments = reply.tool
        function = {"name": name, "arguments": json.dumps(arguments)}
        message["tool_calls"] = [{"id": f"call_{time.monotonic_ns()}", "type": "function", "function": function}]
    return json.dumps(
        {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": "stub",
            "choices": [{"index": 0, "message": message, "finish_reason": reply.finish_reason}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105},
        }
    ).encode()
