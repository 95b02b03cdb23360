"""In a real step of GRPO the trained tokens and log probabilities equal the sampled ones.

`make bench-training` runs the same check over 256 trajectories of the tiny policy.
"""

from __future__ import annotations

import pytest
import torch
from agentcvr_training.inference.base import Sampling
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.ledger import Drift
from agentcvr_training.rollout.trl_rollout import GraphRollout
from agentcvr_training.trainer.trainers import positions_as_sampled
from transformers import AutoModelForCausalLM

from agentcvr_graph import CVRContext
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from tests.support.exactness import train_one_step
from tests.support.tiny_models import model, tokenizer
from tests.support.tiny_runs import tokenizer_of

SCRIPTS = list(make_scripts({"CC": 2, "NC": 2}))
COUNT = 16


def rollout_of(form, context, max_new_tokens, **options):
    return GraphRollout(
        scripts={script.id: script for script in SCRIPTS},
        perception=ScriptedPerception(ScriptLibrary.of(SCRIPTS)),
        form=form,
        context=context,
        sampling=Sampling(temperature=0.8, max_new_tokens=max_new_tokens),
        engine_factory=lambda trainer: None,
        live_graphs=8,
        **options,
    )


def test_a_trained_policy_learns_from_exactly_its_sampled_tokens(speaker, tmp_path):
    net = AutoModelForCausalLM.from_pretrained(speaker, dtype=torch.float32)
    context = CVRContext(dialect="json", min_evidence=1, max_turns=4)
    rollout = rollout_of(ChatFormat(tokenizer_of(speaker)), context, 3, max_length=900)
    trainer, found = train_one_step(tmp_path, net, rollout, [script.id for script in SCRIPTS], COUNT, group=4, batch=8)
    assert (found.trajectories, found.unmatched) == (COUNT, 0)
    assert found.trained == found.sampled > 5 * COUNT  # two tokens per turn, several turns
    assert found.worst < 1e-4
    assert found.old_gap == 0.0
    assert set(found.drifts) == {Drift.CLEAN}
    assert len(trainer.losses) == 2


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"bf16": True}, 4),
        ({"bf16": True, "loss_type": "bnpo"}, 4),  # not sorted
        ({"bf16": True, "gradient_accumulation_steps": 2, "steps_per_generation": 4, "beta": 0.1}, 2),
        ({"bf16": True, "gradient_checkpointing": True}, 4),
    ],
    ids=["sorted", "unsorted", "several steps", "checkpointing"],
)
def test_a_policy_that_has_not_changed_has_its_old_log_probabilities(changes, parts, speaker, tmp_path):
    """Also in 16 bits, where padding and neighbours change the last digits of a row."""
    net = AutoModelForCausalLM.from_pretrained(speaker, dtype=torch.float32)
    context = CVRContext(dialect="json", min_evidence=1, max_turns=4)
    rollout = rollout_of(ChatFormat(tokenizer_of(speaker)), context, 3, max_length=900)
    prompts = [script.id for script in SCRIPTS]
    trainer, found = train_one_step(tmp_path, net, rollout, prompts, COUNT, group=4, batch=4, **changes)
    assert len(trainer.losses) == parts and found.unmatched == 0
    assert found.old_gap == 0.0
    if "beta" in changes:  # the reference is the same policy, over the same parts
        assert all(torch.equal(i["ref_per_token_logps"], i["old_per_token_logps"]) for i, _ in trainer.losses)


def test_an_untrained_policy_learns_from_exactly_its_sampled_tokens(tmp_path):
    """No turn of a random model is a valid action: its ids are arbitrary, decode to no text, and stop at the limit."""
    context = CVRContext(min_evidence=0, max_turns=4)
    rollout = rollout_of(ChatFormat(tokenizer()), context, 24, max_length=8000)
    _, found = train_one_step(tmp_path, model(), rollout, [script.id for script in SCRIPTS], COUNT, group=4, batch=8)
    assert (found.trajectories, found.unmatched) == (COUNT, 0)
    assert found.trained == found.sampled > 24 * COUNT
    assert found.worst < 1e-4
    assert set(found.drifts) == {Drift.CLEAN}


class Placed(torch.nn.Module):
    """A model that returns the position ids of its call."""

    def forward(self, input_ids, attention_mask=None, position_ids=None):
        return position_ids


def test_left_padding_does_not_shift_position_ids():
    net, ids = Placed(), torch.zeros(2, 4, dtype=torch.long)
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 0]])
    with positions_as_sampled(net):
        assert net(input_ids=ids, attention_mask=mask).tolist() == [[0, 0, 0, 1], [0, 1, 2, 2]]
        assert net(input_ids=ids, attention_mask=mask, position_ids=ids) is ids, "who says where has the last word"
        assert net(input_ids=ids) is None
    assert net(input_ids=ids, attention_mask=mask) is None, "the model is left as it was"
