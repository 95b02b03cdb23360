"""The contract of adapters: ids and log probabilities in, the rows of the ledger out, with the reward of the engine."""

from __future__ import annotations

import math
import re

import pytest
from agentcvr_training.adapters.contract import EpisodeSource
from agentcvr_training.adapters.dataset import row_of, write_rows
from agentcvr_training.config.settings import load_settings
from agentcvr_training.inference.base import Sampled
from agentcvr_training.inference.factory import training_sampling
from agentcvr_training.measures.evaluation import simulator_of
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.episodes import RolloutRunner, RolloutTask
from agentcvr_training.rollout.policy import PolicyChatModel, seed_of
from datasets import Dataset

from agentcvr_graph.errors import InfrastructureError, InputError, SetupError
from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.scripts.budgets import drawn_share
from agentcvr_graph.scripts.schema import Script
from tests.support.adapter_episodes import CONFIG, RandomTurns, parent_graph, plain, planning_graph, scripts
from tests.support.tiny_models import tokenizer

SCRIPTS = scripts(24)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    path = tmp_path_factory.mktemp("adapter") / "run.yaml"
    path.write_text(CONFIG.format(model="none"))
    return load_settings(path)


async def through_runner(settings, form, make_graph):
    policy = PolicyChatModel(
        engine=RandomTurns(form), form=form, sampling=training_sampling(settings.rollout), max_length=60_000
    )
    runner = RolloutRunner(
        policy, simulator_of(SCRIPTS, settings), settings.context, tools=settings.load_tools(), make_graph=make_graph
    )
    shares = [drawn_share((0.15, 1.0), seed_of(0, 0, script.id)) for script in SCRIPTS]
    return await runner.run(
        [
            RolloutTask(script, n, budget_share=share)
            for n, (script, share) in enumerate(zip(SCRIPTS, shares, strict=True))
        ]
    )


@pytest.mark.parametrize("make_graph", [create_cvr_graph, parent_graph])
async def test_an_adapted_episode_has_the_rows_and_the_reward_of_the_engines_own(settings, make_graph):
    form = ChatFormat(tokenizer())
    source, sampler = EpisodeSource(settings, form, make_graph), RandomTurns(form)
    weights = settings.reward.resolve()
    turns = set()
    for n, own in enumerate(await through_runner(settings, form, make_graph)):
        adapted = await source.run(SCRIPTS[n], sampler.sample, seed=n)
        assert list(map(plain, adapted.rows)) == list(map(plain, own.rows))
        assert adapted.rewards == own.reward
        assert adapted.reward == pytest.approx(sum(weights[name] * value for name, value in own.reward.items()))
        turns.add(adapted.turns)
    assert len(turns) > 2


async def test_a_failure_of_the_infrastructure_is_raised_not_scored(settings):
    async def down(call):
        raise InfrastructureError("The server is down.")

    source = EpisodeSource(settings, ChatFormat(tokenizer()))
    with pytest.raises(InfrastructureError, match="The server is down"):
        await source.run(SCRIPTS[0], down)


FAULTS = {
    "10 tokens with 3 log probabilities": Sampled([5] * 10, [-1.0] * 3),
    "20000 tokens, where `call.sampling.max_new_tokens` allows 400": Sampled([5] * 20_000, [-1.0] * 20_000),
    "the token id -1": Sampled([5, -1], [-1.0, -1.0]),
    "the log probability nan": Sampled([5, 5], [-1.0, math.nan]),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("make_graph", [create_cvr_graph, planning_graph])
async def test_a_turn_that_was_not_sampled_so_is_refused(settings, make_graph, fault):
    async def wrong(call):
        return FAULTS[fault]

    source = EpisodeSource(settings, ChatFormat(tokenizer()), make_graph)
    with pytest.raises(SetupError, match=re.escape(f"`sample` returned {fault}.")):
        await source.run(SCRIPTS[0], wrong)


@pytest.mark.parametrize("make_graph", [create_cvr_graph, parent_graph, planning_graph])
async def test_an_exception_of_sample_is_one_of_the_infrastructure_wherever_the_policy_is_called(settings, make_graph):
    async def broken(call):
        raise ValueError("no such block")

    source = EpisodeSource(settings, ChatFormat(tokenizer()), make_graph)
    with pytest.raises(InfrastructureError, match="`sample` failed: ValueError: no such block"):
        await source.run(SCRIPTS[0], broken)


async def test_a_conversation_stays_within_the_length_that_the_engine_allows(settings):
    seen = []

    async def talk(call):
        seen.append(len(call.prompt_ids) + call.sampling.max_new_tokens)
        return Sampled([5] * call.sampling.max_new_tokens, [0.0] * call.sampling.max_new_tokens)

    source = EpisodeSource(settings, ChatFormat(tokenizer()))
    opening = len((await source.run(SCRIPTS[0], talk)).rows[0].prompt_ids)
    seen.clear()
    (row,) = (await source.run(SCRIPTS[0], talk, max_length=opening + 100)).rows
    assert max(seen) == opening + 100 == len(row.ids)


async def test_a_prompt_that_leaves_no_room_is_an_error_not_an_episode_without_rows(settings):
    async def never(call):
        raise AssertionError

    source = EpisodeSource(settings, ChatFormat(tokenizer()))
    with pytest.raises(InputError, match=rf"No turn of {SCRIPTS[0].id} was sampled: its prompt fills max_length=16,"):
        await source.run(SCRIPTS[0], never, max_length=16)


def test_rows_of_scripts_are_read_back_from_parquet(tmp_path):
    write_rows(SCRIPTS[:3], tmp_path / "data" / "train.parquet")
    rows = list(Dataset.from_parquet(str(tmp_path / "data" / "train.parquet")))
    assert [Script.model_validate_json(row["script"]) for row in rows] == SCRIPTS[:3]
    assert rows[1] == row_of(SCRIPTS[1], 1)
    assert "A" not in str(rows[0]["reward_model"])  # no key stands beside the question
