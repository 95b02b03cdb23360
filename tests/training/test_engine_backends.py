"""The engine that a configuration opens for a trainer. tests/e2e/test_vllm_engine.py tests vLLM."""

from __future__ import annotations

import asyncio

import pytest
import torch
from agentcvr_training.config.settings import Rollout
from agentcvr_training.inference.base import Call
from agentcvr_training.inference.cached import CachedEngine
from agentcvr_training.inference.factory import make_engine_factory

from agentcvr_graph.errors import SetupError
from tests.support.tiny_models import model
from tests.training.test_engine import GREEDY, STOP
from tests.training.test_trl_contract import FixedRollout, row, trainer_of


def written(net, prompt, tokens=12):
    ids = net.generate(
        torch.tensor([prompt]), max_new_tokens=tokens, do_sample=False, eos_token_id=STOP, pad_token_id=0
    )
    return ids[0, len(prompt) :].tolist()


@pytest.fixture
def trainer(tmp_path):
    return trainer_of(tmp_path, FixedRollout([row([5], (1, [7, 1]))]), lambda worth, **_: list(worth))


def test_the_engine_samples_with_the_current_weights_of_the_trainer(trainer):
    opened = make_engine_factory(Rollout(engine="cached", live_graphs=2, max_length=64), STOP)

    async def sampled(engine):
        return (await engine.sample(Call([5, 6, 7], "a", GREEDY, 0))).ids

    for seed in (0, 1):
        trainer.model.load_state_dict(model(seed=seed).state_dict())
        with opened(trainer) as engine:
            assert isinstance(engine, CachedEngine)
            assert asyncio.run(sampled(engine)) == written(model(seed=seed), [5, 6, 7])


def test_a_trainer_with_sharded_weights_is_refused(trainer):
    trainer.is_fsdp_enabled = True
    with pytest.raises(SetupError, match=r"sharded over the processes.*vllm_mode: colocate"):
        make_engine_factory(Rollout(engine="cached"), STOP)(trainer)
