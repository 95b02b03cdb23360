"""The engine over transformers' continuous batching, and which engine a configuration opens over a trainer.

What is sampled is checked against `generate` and against the log probabilities that a trainer computes. vLLM is tested
in tests/e2e/test_vllm_engine.py.
"""

from __future__ import annotations

import asyncio

import pytest
import torch
from agentcvr_training.config.settings import Rollout
from agentcvr_training.inference.base import Call, Sampling
from agentcvr_training.inference.cached import CachedEngine
from agentcvr_training.inference.continuous import ContinuousEngine
from agentcvr_training.inference.factory import engine_opener

from agentcvr_graph.errors import BugError, InfrastructureError, SetupError
from tests.support.tiny_models import model
from tests.training.test_engine import GREEDY, STOP, logprobs_of, prompts, sampled
from tests.training.test_trl_contract import Asking, row, trainer_of

PAGES = 64


def written(net, prompt, tokens=12):
    ids = net.generate(
        torch.tensor([prompt]), max_new_tokens=tokens, do_sample=False, eos_token_id=STOP, pad_token_id=0
    )
    return ids[0, len(prompt) :].tolist()


async def test_continuous_batching_writes_what_generate_writes():
    net, asked = model(), prompts(5, 30)
    with ContinuousEngine(net, STOP, blocks=PAGES) as engine:
        found = await sampled(engine, asked, GREEDY)
    assert [one.ids for one in found] == [written(net, prompt) for prompt in asked]
    for prompt, one in zip(asked, found, strict=True):
        assert one.logprobs == pytest.approx(logprobs_of(net, prompt, one.ids), abs=1e-4)
    assert net.config._attn_implementation == "sdpa", "the model is left as it was"


async def test_continuous_batching_tells_logprobs_at_the_temperature_drawn_with():
    net, asked = model(), prompts(4, 30)
    with ContinuousEngine(net, [], blocks=PAGES) as engine:
        found = await sampled(engine, asked, Sampling(temperature=0.7, max_new_tokens=6))
    for prompt, one in zip(asked, found, strict=True):
        assert len(one.ids) == 6
        assert one.logprobs == pytest.approx(logprobs_of(net, prompt, one.ids, 0.7), abs=1e-4)


async def test_continuous_batching_ends_turns_in_the_order_of_their_lengths():
    ended = []
    with ContinuousEngine(model(), [], blocks=PAGES, max_length=40) as engine:

        async def one(first, tokens):
            found = await engine.sample(Call([first], "s", Sampling(max_new_tokens=tokens), 0))
            ended.append(len(found.ids))

        await asyncio.gather(one(5, 20), one(6, 2), one(7, 8), one(8, 1000))
    assert ended == [2, 8, 20, 39]  # the last was cut where the model is full


async def test_continuous_batching_tells_misuse_and_failures():
    net = model()
    with pytest.raises(BugError, match="not running"):
        await ContinuousEngine(net, STOP).sample(Call([5], "a", GREEDY, 0))
    with ContinuousEngine(net, STOP, blocks=PAGES, max_length=10) as engine:
        with pytest.raises(BugError, match="11 tokens"):
            await engine.sample(Call([5] * 11, "a", GREEDY, 0))
        await engine.sample(Call([5], "a", GREEDY, 0))
        with pytest.raises(BugError, match="samples with"):
            await engine.sample(Call([5], "a", Sampling(temperature=0.5), 0))


async def test_a_model_that_fails_under_continuous_batching_is_told():
    net = model()

    def fail(*args, **kwargs):
        raise RuntimeError("out of memory")

    net.model.layers[0].forward = fail
    with ContinuousEngine(net, STOP, blocks=PAGES) as engine:
        with pytest.raises(InfrastructureError, match="out of memory"):
            await engine.sample(Call([5, 6], "a", GREEDY, 0))
        with pytest.raises(InfrastructureError, match="stopped"):
            await engine.sample(Call([5, 6], "a", GREEDY, 0))


@pytest.fixture
def trainer(tmp_path):
    return trainer_of(tmp_path, Asking([row([5], (1, [7, 1]))]), lambda worth, **_: list(worth))


@pytest.mark.parametrize(("name", "kind"), [("cached", CachedEngine), ("continuous", ContinuousEngine)])
def test_an_engine_samples_with_the_trainers_present_weights(trainer, name, kind):
    opened = engine_opener(Rollout(engine=name, live_graphs=2, max_length=64), STOP)

    async def asked(engine):
        return (await engine.sample(Call([5, 6, 7], "a", GREEDY, 0))).ids

    for seed in (0, 1):
        trainer.model.load_state_dict(model(seed=seed).state_dict())
        with opened(trainer) as engine:
            assert isinstance(engine, kind)
            assert asyncio.run(asked(engine)) == written(model(seed=seed), [5, 6, 7])


@pytest.mark.parametrize("name", ["cached", "continuous"])
def test_a_trainer_with_sharded_weights_is_refused(trainer, name):
    trainer.is_fsdp_enabled = True
    with pytest.raises(SetupError, match=r"sharded over the processes.*vllm_mode: server"):
        engine_opener(Rollout(engine=name), STOP)(trainer)
