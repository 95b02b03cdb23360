"""Muon and AdamW as one optimizer: the weights that each updates, their common schedule, and the saved state."""

from __future__ import annotations

import copy

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainingArguments

from tests.support.tiny_models import model
from training.recipes.tiny.muon import MuonAndAdamW, muon_and_adamw


def opened(tmp_path, net):
    arguments = TrainingArguments(output_dir=str(tmp_path), learning_rate=0.01, weight_decay=0.1, use_cpu=True)
    factory, kwargs = muon_and_adamw(arguments)
    return factory()(net, **kwargs)


def stepped(net, optimizer, times=1):
    for n in range(times):
        torch.manual_seed(n)
        ids = torch.randint(3, 250, (2, 12))
        net(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def test_muon_updates_layer_matrices_and_adamw_all_other_weights(tmp_path):
    net = model()
    optimizer = opened(tmp_path, net)
    assert isinstance(optimizer, MuonAndAdamW)
    muon, others = ([id(w) for w in group["params"]] for group in optimizer.param_groups)
    names = {id(weight): name for name, weight in net.named_parameters()}
    assert all(names[n].endswith("proj.weight") for n in muon)
    assert {names[n].rpartition(".")[0].rpartition(".")[2] for n in others} >= {"embed_tokens", "norm"}
    assert len(muon) + len(others) == len(names)


def test_both_optimizers_follow_the_schedule(tmp_path):
    net = model()
    optimizer = opened(tmp_path, net)
    schedule = LambdaLR(optimizer, lambda step: 0.0 if step else 1.0)
    before = copy.deepcopy(net.state_dict())
    stepped(net, optimizer)
    moved = [name for name, value in net.state_dict().items() if not torch.equal(value, before[name])]
    assert "model.embed_tokens.weight" in moved and "model.layers.0.self_attn.q_proj.weight" in moved
    schedule.step()
    before = copy.deepcopy(net.state_dict())
    stepped(net, optimizer)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_training_resumes_exactly_from_a_saved_optimizer_state(tmp_path):
    net = model()
    optimizer = opened(tmp_path, net)
    stepped(net, optimizer, 3)
    other = copy.deepcopy(net)
    resumed = opened(tmp_path, other)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for group in resumed.param_groups:
        group["lr"] *= 1.0  # fails if the groups are no longer those that the optimizers use
    stepped(net, optimizer, 2)
    stepped(other, resumed, 2)
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
