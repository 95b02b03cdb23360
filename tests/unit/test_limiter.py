"""The limit of an endpoint: how many calls run concurrently, and how refused calls change that number."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.models.limiter import AdaptiveLimiter, EndpointLimiters, LimitedChat, busy_for
from agentcvr_graph.models.offline.master import OfflineMaster


class Busy(Exception):
    """The error that a client library raises for HTTP 429."""

    status_code = 429

    def __init__(self, retry_after: str = "") -> None:
        self.response = type("Response", (), {"headers": {"retry-after": retry_after} if retry_after else {}})()


async def test_at_most_the_allowed_number_of_calls_run_concurrently():
    limiter, running, most = AdaptiveLimiter(4), 0, 0

    async def call():
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.002)
        running -= 1
        return 1

    assert sum(await asyncio.gather(*(limiter.call(call) for _ in range(40)))) == 40
    assert most == 4


async def test_a_busy_endpoint_lowers_the_limit_and_no_call_is_lost():
    """The endpoint accepts 3 calls at a time and refuses the others. All 60 calls succeed nevertheless."""
    limiter, running, refused = AdaptiveLimiter(16), 0, 0

    async def call():
        nonlocal running, refused
        if running >= 3:
            refused += 1
            raise Busy("0.01")
        running += 1
        await asyncio.sleep(0.005)
        running -= 1
        return 1

    assert sum(await asyncio.gather(*(limiter.call(call) for _ in range(60)))) == 60
    assert 0 < refused < 150
    assert limiter.limit < 16


async def test_the_limit_halves_once_for_concurrent_refusals_and_grows_back():
    limiter, refuse, refused, all_refused = AdaptiveLimiter(8), True, 0, asyncio.Event()

    async def call():
        nonlocal refused
        await asyncio.sleep(0.005)
        if refuse:
            refused += 1
            if refused == 8:
                all_refused.set()
            raise Busy("0.5")

    calls = [asyncio.ensure_future(limiter.call(call)) for _ in range(8)]
    await all_refused.wait()
    assert limiter.limit == 4
    refuse = False
    await asyncio.gather(*calls)
    for _ in range(40):
        await limiter.call(call)
    assert limiter.limit == 8


async def test_waiting_ends_after_patience_s_and_other_errors_are_raised_directly():
    tries = 0

    async def busy():
        nonlocal tries
        tries += 1
        raise Busy

    with pytest.raises(Busy):
        await AdaptiveLimiter(1, patience_s=0.0).call(busy)
    assert tries == 1

    async def broken():
        nonlocal tries
        tries += 1
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await AdaptiveLimiter(1).call(broken)
    assert tries == 2


def test_busy_errors_are_distinguished_from_quota_and_other_errors():
    quota = Busy()
    quota.body = {"error": {"message": "You exceeded your current quota."}}
    assert busy_for(Busy("1.5")) == 1.5
    assert busy_for(Busy()) == 0.0
    assert busy_for(Busy("Wed, 21 Oct 2026 07:28:00 GMT")) == 0.0
    assert busy_for(quota) is None
    assert busy_for(ValueError()) is None
    assert busy_for(InfrastructureError("busy", status=503)) == 0.0


async def test_a_limited_model_returns_the_reply_of_its_model():
    model = GenericFakeChatModel(messages=iter([AIMessage("hello")]))
    limited = LimitedChat(model=model, limiter=AdaptiveLimiter(1))
    assert (await limited.ainvoke([HumanMessage("hi")])).text == "hello"
    tools = [{"type": "function", "function": {"name": "answer", "parameters": {"type": "object", "properties": {}}}}]
    bound = LimitedChat(model=OfflineMaster(), limiter=AdaptiveLimiter(1)).bind_tools(tools)
    assert bound.kwargs["tools"] == tools


def test_models_of_one_endpoint_share_a_limiter_and_in_process_models_have_none():
    limiters = EndpointLimiters(8)
    assert limiters.of("http://host:1/v1#a") is limiters.of("http://host:1/v1#b")
    assert limiters.of("http://host:1/v1") is not limiters.of("http://host:2/v1")
    assert limiters.of("openai:gpt-4.1") is limiters.of("openai:gpt-4.1-mini")
    assert limiters.of("offline") is None and limiters.of("tiny") is None
    master = OfflineMaster()
    assert limiters.chat("offline", master) is master
