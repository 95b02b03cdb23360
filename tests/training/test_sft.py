"""The warm start trains on the policy's own tokens only, checked by hand calculation on a real trainer."""

from __future__ import annotations

import io

import pytest
import torch
from agentcvr_training import sft
from agentcvr_training.config.settings import load_settings
from agentcvr_training.demonstrations import demonstrate, read_demonstrations
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.ledger import Row
from agentcvr_training.sft import IGNORED, labelled, rows_of
from rich.console import Console
from transformers import AutoModelForCausalLM

from agentcvr_graph import CVRContext
from agentcvr_graph.errors import InputError
from agentcvr_graph.models.providers.in_process import trained_turns
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from tests.support.tiny_runs import command, tokenizer_of, weights_of, write_settings

SCRIPTS = list(make_scripts({"CC": 2, "FSA": 2}))
CONTEXT = CVRContext(dialect="json", max_turns=3)


async def recorded(context):
    perception = ScriptedPerception(ScriptLibrary.of(SCRIPTS))
    return [one async for one in demonstrate(resolve_chat_model("offline"), perception, SCRIPTS, context)]


@pytest.fixture
async def demonstrations(tmp_path):
    """Return a file of the offline master's demonstrations in JSON. The last two have the scores 0.5 and 0."""
    found = sorted(await recorded(CONTEXT), key=lambda one: one.script_id)
    scores = (1.0, 1.0, 0.5, 0.0)
    path = tmp_path / "demonstrations.jsonl"
    lines = [
        one.model_copy(update={"score": score}).model_dump_json() for one, score in zip(found, scores, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def configured(speaker, output, path, **trainer):
    settings = {"max_steps": 1, "per_device_train_batch_size": 4, "report_to": [], **trainer}
    return write_settings(
        speaker,
        output,
        sft={"demonstrations": str(path), "trainer": settings},
        rollout__max_length=3000,
        graph={"dialect": "json", "max_turns": 3},
    )


def test_only_policy_tokens_have_labels():
    row = Row([5, 6])
    row.add_policy([7, 8], [0.0, 0.0], "master")
    row.add_environment([9, 9])
    row.add_policy([10], [0.0], "master")
    assert labelled(row) == {
        "input_ids": [5, 6, 7, 8, 9, 9, 10],
        "labels": [IGNORED, IGNORED, 7, 8, IGNORED, IGNORED, 10],
    }


async def test_turns_before_imitated_from_carry_no_loss(speaker, demonstrations):
    one, form = next(read_demonstrations(demonstrations)), ChatFormat(tokenizer_of(speaker))
    (whole,) = rows_of([one], form, CONTEXT)
    turns = sum(message["type"] == "ai" for message in one.messages)
    (last,) = rows_of([one.model_copy(update={"imitated_from": turns - 1})], form, CONTEXT)
    assert last.ids == whole.ids
    assert last.sampled == whole.last_turn < whole.sampled
    assert last.mask[-last.sampled :] == [1] * last.sampled


def by_hand(net, rows):
    """Return the mean negative log probability of the policy's tokens over all rows."""
    losses = []
    for row in rows:
        logprobs = net(torch.tensor([row.ids])).logits[0].log_softmax(-1)
        for n, own in enumerate(row.mask, start=len(row.prompt_ids)):
            if own:
                losses.append(-logprobs[n - 1, row.ids[n]])
    return torch.stack(losses).mean()


async def test_loss_and_gradient_equal_the_hand_calculation(speaker, demonstrations, tmp_path):
    """In one step of SGD with learning rate 1, the change of a weight equals its gradient."""
    path = configured(
        speaker,
        tmp_path / "run",
        demonstrations,
        optim="sgd",
        learning_rate=1.0,
        max_grad_norm=0.0,
        lr_scheduler_type="constant",
    )
    printed = io.StringIO()
    folder = sft.warm_start(load_settings(path), Console(file=printed, width=200))
    form = ChatFormat(tokenizer_of(speaker))
    rows = list(rows_of(read_demonstrations(demonstrations), form, CONTEXT))
    assert len(rows) == 4
    net = AutoModelForCausalLM.from_pretrained(speaker)
    loss = by_hand(net, rows)
    loss.backward()
    reported = float(printed.getvalue().partition("loss ")[2].split()[0])
    assert reported == pytest.approx(loss.item(), rel=5e-3)  # printed with three digits
    assert trained_turns(folder) == 3
    before, after = weights_of(speaker), weights_of(folder)
    for name, weight in net.named_parameters():
        if name in after:
            torch.testing.assert_close(before[name] - after[name], weight.grad, atol=2e-5, rtol=1e-3)


async def test_a_resumed_warm_start_gives_the_same_weights(speaker, demonstrations, tmp_path):
    from tests.training.test_grpo_resume import interrupted

    settings = {"max_steps": 4, "save_steps": 2, "per_device_train_batch_size": 1, "learning_rate": 1e-3}
    quiet = Console(file=io.StringIO())
    whole = tmp_path / "whole"
    first = sft.warm_start(load_settings(configured(speaker, whole, demonstrations, **settings)), quiet)
    again = interrupted(whole, tmp_path / "again", 2, kind="sft", product="warm")
    second = sft.warm_start(load_settings(configured(speaker, again, demonstrations, **settings)), quiet)
    one, other = weights_of(first), weights_of(second)
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("least", "kept"), [(0.0, 4), (0.5, 3), (1.0, 2)])
async def test_demonstrations_with_a_low_score_are_skipped(least, kept, demonstrations):
    assert len(list(read_demonstrations(demonstrations, least))) == kept


async def test_invalid_input_prints_one_line(speaker, demonstrations, tmp_path, monkeypatch, capsys):
    path = configured(speaker, tmp_path / "run", demonstrations)
    broken = tmp_path / "broken.jsonl"
    broken.write_text(demonstrations.read_text() + '{"script_id": 3}\n')
    low = tmp_path / "low.jsonl"
    low.write_text(demonstrations.read_text().splitlines()[-1])
    cases = [
        (["--set", "sft=null"], "The configuration has no part 'sft'. Name `sft: {demonstrations: FILE}` in it."),
        (
            ["--set", "sft.demonstrations=nowhere.jsonl"],
            "The demonstrations nowhere.jsonl cannot be read: No such",
        ),
        (["--set", f"sft.demonstrations={broken}"], f"{broken}:5: "),
        (["--set", f"sft.demonstrations={low}", "--set", "sft.least_score=1"], "None of the 1 demonstrations in"),
        (["--set", "rollout.max_length=50"], "None of the 4 demonstrations fits into 50 tokens. Raise rollout.max"),
        (
            ["--set", "graph.dialect=tools"],
            "in the dialect 'json', the policy acts in 'tools'. Set graph.dialect",
        ),
        (["--set", "sft.trainer.packing=true"], "sft.trainer.packing=True cannot be set here"),
    ]
    for arguments, complaint in cases:
        assert command(["sft", path, *arguments], monkeypatch) == 2
        reported = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
        assert len(reported) == 1 and complaint in reported[0], reported


async def test_demonstrations_in_the_tools_dialect_are_converted(speaker):
    context = CVRContext(max_turns=3)
    found = await recorded(context)
    assert {one.dialect for one in found} == {"tools"}
    form = ChatFormat(tokenizer_of(speaker))
    rows = list(rows_of(found, form, context))
    assert len(rows) == 4
    text = form.tokenizer.decode(
        [token for token, own in zip(rows[0].completion_ids, rows[0].mask, strict=True) if own]
    )
    assert text.count("<tool_call>") == text.count("</tool_call>") >= 2
    with pytest.raises(InputError, match="was demonstrated in the dialect 'tools', the policy acts in 'json'"):
        list(rows_of(found, form, CONTEXT))
