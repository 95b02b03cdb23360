"""Faults of a soak test: an endpoint that fails and decoders that are killed."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import re
import signal
import time
from collections.abc import AsyncIterator

from tests.support.stub_endpoint import Reply

BROKEN = 0.12
"""Share of the calls to the endpoint that fail."""
SLOW_S, HANGS_S = 1.5, 30.0
KILLED_EACH_S = (3.0, 12.0)
DECODER = "pebble"
"""Prefix of the names of processes that the isolated library starts."""
_NAMED = re.compile(r"[Vv]ideo (\d+)\b")
_WINDOW = re.compile(r"video (\d+), ([\d.]+) s")
_random = random.Random(0)


def unreliable(number: int, body: dict) -> Reply:
    """Reply as a master or as a vision model, depending on the request, or fail in one of eight ways."""
    if _random.random() < BROKEN:
        return _random.choice(
            [
                Reply(status=500, body=b'{"error": {"message": "broken"}}'),
                Reply(status=503, body=b'{"error": {"message": "overloaded"}}'),
                Reply(status=429, headers={"Retry-After": "0.2"}, body=b'{"error": {"message": "slow down"}}'),
                Reply(body=b"<html>garbage</html>"),
                Reply(nothing=True),
                Reply(half=True),
                Reply(text=""),
                Reply(delay_s=HANGS_S),
            ]
        )
    delay_s = _random.uniform(0, SLOW_S)
    return _as_master(body, delay_s) if body.get("tools") else _as_vision(body, delay_s)


def _as_master(body: dict, delay_s: float) -> Reply:
    """Reply as a master that observes every video once, then answers."""
    if any(message["role"] == "tool" for message in body["messages"]):
        return Reply(tool=("answer", {"value": "A", "rationale": "The first, it seems."}), delay_s=delay_s)
    end_s = _random.uniform(5, 30)
    numbers = sorted(set(_NAMED.findall(str(body["messages"]))))
    targets = [{"video": int(number), "start_s": 0.0, "end_s": end_s, "frames": 4} for number in numbers]
    return Reply(tool=("observe", {"targets": targets, "focus": "what is done"}), delay_s=delay_s)


def _as_vision(body: dict, delay_s: float) -> Reply:
    """Reply as a vision model that describes the first frame of the request."""
    found = _WINDOW.search(str(body["messages"])) or _WINDOW.search("video 1, 0.0 s")
    assert found is not None
    return Reply(text=f"[video {found[1]}, {found[2]} s] Somebody cooks.", delay_s=delay_s)


@contextlib.asynccontextmanager
async def dying_decoders(seed: int, until_s: float) -> AsyncIterator[list[int]]:
    """Kill a decoder process repeatedly; yield the list of killed process ids, which grows.

    Args:
        until_s: monotonic time after which no process is killed.
    """
    rng, killed = random.Random(seed), list[int]()

    async def kill() -> None:
        while time.monotonic() < until_s:
            await asyncio.sleep(rng.uniform(*KILLED_EACH_S))
            if decoders := [child for child in multiprocessing.active_children() if child.name.startswith(DECODER)]:
                victim = rng.choice(decoders)
                assert victim.pid is not None
                os.kill(victim.pid, signal.SIGKILL)
                killed.append(victim.pid)

    task = asyncio.create_task(kill())
    try:
        yield killed
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
