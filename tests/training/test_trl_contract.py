"""Pin the behaviour of TRL's `rollout_func` that `rollout/trl_rollout.py` relies on, with a real trainer."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest
import torch
from agentcvr_training.inference.base import Sampling
from agentcvr_training.rewards import REWARDS, preset_weights
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.episodes import Episode
from agentcvr_training.rollout.ledger import Drift, Ledger, Row
from agentcvr_training.rollout.trl_rollout import GraphRollout, reward_functions
from agentcvr_training.trainer.curves import panels
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from agentcvr_graph import CVRContext
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from tests.support.tiny_models import model, tokenizer
from tests.training.test_policy import ANSWER, LOOK, WORDS, Spoken, sampled_runs

SCRIPTS = list(make_scripts({"CC": 6}))
BY_ID = {script.id: script for script in SCRIPTS}


class FixedRollout:
    """A rollout function that returns hand-written rows and records the prompts that it receives."""

    def __init__(self, rows):
        self.rows, self.prompts = rows, []

    def __call__(self, prompts, trainer):
        self.prompts.append((list(prompts), trainer.model.training))
        rows = [self.rows[n % len(self.rows)] for n in range(len(prompts))]
        return {
            "prompt_ids": [row.prompt_ids for row in rows],
            "completion_ids": [row.completion_ids for row in rows],
            "logprobs": [row.logprobs for row in rows],
            "env_mask": [row.mask for row in rows],
            "worth": [next(iter(row.logprobs), 0.0) for row in rows],
        }


def row(prompt, *stretches, worth=0.0):
    made = Row(list(prompt))
    for own, ids in stretches:
        made.add_policy(ids, [worth] * len(ids), "master") if own else made.add_environment(ids)
    return made


def trainer_of(tmp_path, rollout, rewards, **settings):
    arguments = {
        "output_dir": str(tmp_path),
        "per_device_train_batch_size": 4,
        "num_generations": 2,
        "max_steps": 1,
        "report_to": [],
        "use_cpu": True,
        "bf16": False,
        "activation_checkpointing": False,
        "save_strategy": "no",
        "disable_tqdm": True,
        "beta": 0.0,
        "learning_rate": 1e-3,
        **settings,
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using 'rollout_func'")
        return GRPOTrainer(
            model=model(),
            args=GRPOConfig(**arguments),
            reward_funcs=rewards,
            rollout_func=rollout,
            train_dataset=Dataset.from_dict({"prompt": sorted(BY_ID), "other": list(range(len(BY_ID)))}),
            eval_dataset=Dataset.from_dict({"prompt": sorted(BY_ID)[:2]}),
            processing_class=tokenizer(),
        )


ROWS = [
    row([5, 6], (1, [7, 8]), (0, [9, 9, 9]), (1, [10, 1]), worth=1.0),
    row([5], (1, [11, 1]), worth=-1.0),
]


def test_rollout_func_receives_each_prompt_once_per_generation(tmp_path):
    rollout = FixedRollout(ROWS)
    trainer = trainer_of(tmp_path, rollout, lambda worth, **_: list(worth), num_generations_eval=1, eval_strategy="no")
    trainer.train()
    trainer.evaluate()
    (train, training), *held_out = rollout.prompts
    assert training and len(train) == 4
    assert train[0] == train[1] != train[2] == train[3]
    assert all(prompt in BY_ID for prompt in train)
    assert [prompt for prompts, mode in held_out for prompt in prompts if not mode] == sorted(BY_ID)[:2] or {
        prompt for prompts, _ in held_out for prompt in prompts
    } == set(sorted(BY_ID)[:2])


def test_only_tokens_in_the_mask_are_trained_on(tmp_path, monkeypatch):
    trainer = trainer_of(tmp_path, FixedRollout(ROWS), lambda worth, **_: list(worth))
    seen = {}
    compute = trainer._compute_loss
    monkeypatch.setattr(trainer, "_compute_loss", lambda m, inputs: seen.update(inputs) or compute(m, inputs))
    trainer.train()
    for ids, mask, own in zip(seen["completion_ids"], seen["completion_mask"], seen["tool_mask"], strict=True):
        length = int(mask.sum())
        wanted = next(r for r in ROWS if r.completion_ids == ids[:length].tolist())
        assert own[:length].tolist() == wanted.mask
    assert int(seen["num_items_in_batch"]) == sum(r.sampled for r in ROWS) * 2
    logged = {k: v for entry in trainer.state.log_history for k, v in entry.items()}
    assert logged["completions/mean_length"] == (4 + 2) / 2  # the policy's tokens, not the environment's


def test_the_loss_equals_the_hand_calculation(tmp_path, monkeypatch):
    """On the first pass the DAPO loss is minus the mean advantage over the policy's tokens; no other tokens count."""
    trainer = trainer_of(tmp_path, FixedRollout(ROWS), lambda worth, **_: list(worth), loss_type="dapo")
    seen = []
    compute = trainer._compute_loss
    monkeypatch.setattr(trainer, "_compute_loss", lambda m, i: seen.append((i, compute(m, i))) or seen[-1][1])
    trainer.train()
    inputs, loss = seen[0]
    mask = inputs["completion_mask"] * inputs["tool_mask"]
    # Rewards +1 and -1 in a group of two give the advantages +1 / sqrt(2) and -1 / sqrt(2).
    assert sorted(inputs["advantages"].tolist()) == pytest.approx([-(0.5**0.5)] * 2 + [0.5**0.5] * 2, abs=1e-3)
    by_hand = -(inputs["advantages"][:, None] * mask).sum() / mask.sum()
    assert loss.item() == pytest.approx(by_hand.item(), abs=1e-6)


def test_rewards_receive_extra_fields_and_a_none_reward_is_excluded_from_the_group(tmp_path, monkeypatch):
    rows = [row([5], (1, [7, 1]), worth=w) for w in (1.0, 3.0, 0.0, 9.0)]
    trainer = trainer_of(
        tmp_path, FixedRollout(rows), lambda worth, **_: [None if w == 9.0 else w for w in worth], num_generations=4
    )
    seen = {}
    compute = trainer._compute_loss
    monkeypatch.setattr(trainer, "_compute_loss", lambda m, inputs: seen.update(inputs) or compute(m, inputs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.train()
    found = sorted(seen["advantages"].tolist())
    # The mean (4/3) and the standard deviation are those of 1, 3 and 0; the fourth row has advantage 0.
    deviation = torch.tensor([1.0, 3.0, 0.0]).std().item()
    wanted = sorted([0.0, *((w - 4 / 3) / (deviation + 1e-4) for w in (1.0, 3.0, 0.0))])
    assert found == pytest.approx(wanted, abs=1e-3)


def test_a_rollout_without_logprobs_or_tokens_raises(tmp_path):
    def without_logprobs(prompts, trainer):
        out = FixedRollout(ROWS)(prompts, trainer)
        del out["logprobs"]
        return out

    with pytest.raises(ValueError, match="logprobs"):
        trainer_of(tmp_path, without_logprobs, lambda worth, **_: list(worth)).train()
    empty = [row([5]), row([5], (1, [7, 1]))]
    empty[0].logprobs = []
    with pytest.raises(IndexError):
        trainer_of(tmp_path, FixedRollout(empty), lambda completions, **_: [0.0] * len(completions)).train()


class Room:
    """Context manager that opens a `Spoken` engine; every second conversation starts with a turn without an action."""

    def __init__(self, form):
        self.engine = Spoken(form, [LOOK, ANSWER])
        sample = self.engine.sample

        async def by_turns(call):
            number = [*self.engine.said, call.session].index(call.session)
            self.engine.texts = [WORDS if number % 2 else LOOK, ANSWER]
            return await sample(call)

        self.engine.sample = by_turns

    def __enter__(self):
        return self.engine

    def __exit__(self, *error):
        return None


def test_graph_trajectories_become_trl_rows(tmp_path, monkeypatch):
    form = ChatFormat(tokenizer())
    batches = []
    rollout = GraphRollout(
        scripts=BY_ID,
        perception=ScriptedPerception(ScriptLibrary.of(SCRIPTS)),
        form=form,
        context=CVRContext(min_evidence=0, max_turns=4),
        sampling=Sampling(),
        engine_factory=lambda trainer: Room(form),
        max_length=100_000,
        on_batch=[lambda episodes, training, trainer: batches.append((list(episodes), training))],
    )
    rewards, weights = reward_functions(preset_weights())
    trainer = trainer_of(tmp_path, rollout, rewards, reward_weights=weights)
    seen = {}
    compute = trainer._compute_loss
    monkeypatch.setattr(trainer, "_compute_loss", lambda m, inputs: seen.update(inputs) or compute(m, inputs))
    before = {name: weight.clone() for name, weight in trainer.model.named_parameters()}
    trainer.train()
    ((episodes, training),) = batches
    assert training and len(episodes) == 4
    rows = {tuple(e.rows[0].ids): e for e in episodes}
    for n in range(4):
        prompt = seen["prompt_ids"][n][seen["prompt_mask"][n].bool()].tolist()
        completion = seen["completion_ids"][n][seen["completion_mask"][n].bool()].tolist()
        mask = seen["tool_mask"][n][: len(completion)].tolist()
        episode = rows[(*prompt, *completion)]
        assert mask == episode.rows[0].mask
        assert len(sampled_runs(episode.rows[0])) == len(episode.trajectory.turns)
    logged = {k: v for entry in trainer.state.log_history for k, v in entry.items()}
    for name in REWARDS:
        mean = sum(e.reward[name] for e in episodes) / 4
        assert logged[f"rewards/{name}/mean"] == pytest.approx(mean, abs=1e-5)
    assert logged["left_out"] == 0.0
    assert logged["turns"] == pytest.approx(sum(len(e.trajectory.turns) for e in episodes) / 4)
    assert any(not torch.equal(before[name], weight) for name, weight in trainer.model.named_parameters())


def test_an_episode_without_a_row_becomes_one_token_without_loss():
    form = ChatFormat(tokenizer())
    rollout = GraphRollout(BY_ID, None, form, CVRContext(), Sampling(), lambda trainer: Room(form), 1000)

    class Nothing:
        rows = ()

    out = rollout.columns([Nothing()])
    assert out["completion_ids"] == [form.end_of_turn[:1]]
    assert out["env_mask"] == [[0]]


def test_only_the_selected_nodes_carry_loss():
    form = ChatFormat(tokenizer())
    made = row([5], (1, [7, 8]), (0, [9]))
    made.add_policy([10], [0.0], "critic")

    class One:
        rows = (made,)

    for nodes, mask in [(None, [1, 1, 0, 1]), (("critic",), [0, 0, 0, 1]), (("master",), [1, 1, 0, 0])]:
        rollout = GraphRollout(BY_ID, None, form, CVRContext(), Sampling(), lambda t: Room(form), 1000, train_on=nodes)
        assert rollout.columns([One()])["env_mask"] == [mask]


def test_tokens_of_rows_that_are_not_trained_on_are_counted_and_logged():
    """One episode forked, one has a second conversation in a subgraph; TRL gets the longer row of each."""
    forked, second = Ledger(), Ledger()
    for ledger, prompt, ids in [(forked, [5, 6], [7, 8]), (forked, [9], [7, 8, 1]), (second, [5], [7, 8, 8, 1])]:
        ledger.open_call(prompt)
        ledger.close_call(ids, [0.0] * len(ids))
    inner = Ledger()
    inner.open_call([6])
    inner.close_call([1], [0.0])
    rewards = dict.fromkeys(REWARDS, 0.0)
    trajectory = SimpleNamespace(turns=[], failure=None, usage=SimpleNamespace(frames=0, audio_s=0.0))
    episodes = [
        Episode(SCRIPTS[0], trajectory, SimpleNamespace(ledgers=ledgers, drifts={Drift.FORK: 0}, seed=0), rewards)
        for ledgers in ([forked], [second, inner])
    ]
    assert [episode.summary["left_out"] for episode in episodes] == [2, 1]
    form = ChatFormat(tokenizer())
    rollout = GraphRollout(BY_ID, None, form, CVRContext(), Sampling(), lambda trainer: Room(form), 1000)
    assert rollout.columns(episodes)["completion_ids"] == [[7, 8, 1], [7, 8, 8, 1]]
    logged = {}
    reward_functions(preset_weights())[0][0](episode=episodes, log_metric=logged.__setitem__)
    assert logged["left_out"] == pytest.approx(3 / 10)
    assert "left_out" in panels()
