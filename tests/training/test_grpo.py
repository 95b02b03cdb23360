"""GRPO end to end with a real graph, a real trainer, real files, and a policy that samples one of six actions."""

from __future__ import annotations

import io
import json
from collections import Counter

import pytest
import torch
from agentcvr_training import grpo
from agentcvr_training.config.settings import load_settings
from agentcvr_training.rewards import REWARDS, RewardTerm
from agentcvr_training.rollout.episode_log import read_episodes
from agentcvr_training.rollout.policy import seed_of
from agentcvr_training.trainer.curves import panels
from langchain_core.messages import HumanMessage
from rich.console import Console
from transformers import AutoModelForCausalLM

from agentcvr_graph.errors import InputError
from agentcvr_graph.models.providers.in_process import trained_turns
from agentcvr_graph.models.registry import resolve_chat_model
from tests.support.command_line import agentcvr
from tests.support.tiny_models import FORGETS_THOUGHTS
from tests.support.tiny_runs import ACTIONS, command, tokenizer_of, weights_of, write_settings

HELD_OUT = {"tasks": ["BU", "CC"], "each": 3, "seed": 900}


@pytest.fixture(scope="module")
def run(speaker, tmp_path_factory):
    """Run four steps with every option enabled; return the output folder and the printed text."""
    output, printed = tmp_path_factory.mktemp("run") / "out", io.StringIO()
    path = write_settings(
        speaker,
        output,
        held_out=HELD_OUT,
        grpo__trainer__eval_steps=2,
        grpo__trainer__report_to=["tensorboard"],
        grpo__trainer__learning_rate="1e-2",  # YAML reads 1e-2 as a string
        grpo__steps_between_reports=2,
        grpo__trajectories_reported=1,
    )
    grpo.train(load_settings(path), Console(file=printed, width=200))
    return output, printed.getvalue()


def history(output, step=4):
    """Return the trainer's logged metrics by step."""
    found: dict[int, dict[str, float]] = {}
    state = json.loads((output / "grpo" / f"checkpoint-{step}" / "trainer_state.json").read_text())
    for entry in state["log_history"]:
        found.setdefault(entry["step"], {}).update(entry)
    return found


def test_training_changes_the_weights(speaker, run):
    before, after = weights_of(speaker), weights_of(run[0] / "policy")
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert len(changed) > 20
    assert all(bool(torch.isfinite(weight).all()) for weight in after.values())


def test_every_episode_is_logged_as_one_line(run):
    rows = [row for row in read_episodes(run[0] / "episodes.jsonl") if not row["held_out"]]
    assert [row["step"] for row in rows] == [n for n in (1, 2, 3, 4) for _ in range(8)]
    # Each step has eight rollouts: two groups of four.
    assert all(rows[n]["script"] == rows[n - n % 4]["script"] for n in range(32))
    # Four steps of two scripts use eight of the ten scripts, none of them twice.
    assert set(Counter(row["script"] for row in rows).values()) == {4}
    assert [row["seed"] for row in rows] == [
        seed_of(0, row["step"] - 1, row["script"], n % 8) for n, row in enumerate(rows)
    ]


def test_episode_lines_agree_with_the_logged_metrics(run):
    logged = history(run[0])
    for step in (1, 2, 3, 4):
        rows = [row for row in read_episodes(run[0] / "episodes.jsonl") if row["step"] == step and not row["held_out"]]
        answer = sum(row["reward"]["answer"] for row in rows) / 8
        assert logged[step]["rewards/answer/mean"] == pytest.approx(answer, abs=1e-6)
        assert logged[step]["turns"] == pytest.approx(sum(row["turns"] for row in rows) / 8)


def test_each_held_out_script_runs_once_per_evaluation(run):
    rows = [row for row in read_episodes(run[0] / "episodes.jsonl") if row["held_out"]]
    assert Counter(row["step"] for row in rows) == {2: 6, 4: 6}
    assert len({(row["script"], row["seed"]) for row in rows}) == 6  # the same at both evaluations
    logged = history(run[0])
    for step in (2, 4):
        rewards = [row["reward"] for row in rows if row["step"] == step]
        means = {part: sum(reward[part] for reward in rewards) / 6 for part in rewards[0]}
        assert logged[step]["eval_rewards/answer/mean"] == pytest.approx(means["answer"])
        total = means["answer"] + 0.1 * means["format"] + 0.2 * means["grounding"] + 0.1 * means["economy"]
        assert logged[step]["eval_reward"] == pytest.approx(total, abs=1e-6)


def test_console_curves_and_reports_are_written(run):
    output, printed = run
    lines = printed.splitlines()
    assert sum("held out: reward" in line for line in lines) == 2
    assert [line.split()[1] for line in lines if "loss" in line] == ["1/4", "2/4", "3/4", "4/4"]
    assert (output / "grpo.png").read_bytes().startswith(b"\x89PNG")
    pages = sorted(path.relative_to(output / "trajectories") for path in (output / "trajectories").rglob("*.html"))
    assert [page.parts[0] for page in pages] == ["step-00000", "step-00002"]
    first = next(read_episodes(output / "episodes.jsonl"))
    assert pages[0].stem == first["script"]


def test_metrics_are_written_to_tensorboard(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (events,) = (run[0] / "grpo").rglob("events.out.*")
    read = EventAccumulator(str(events)).Reload()
    assert [point.step for point in read.Scalars("train/reward")] == [1, 2, 3, 4]
    assert [point.step for point in read.Scalars("eval/rewards/answer/mean")] == [2, 4]


def brevity(trajectory, script, context):
    """Return a toy reward: 1 for one turn, 1/2 for two."""
    return 1 / len(trajectory.turns)


def test_one_registry_entry_adds_a_reward(speaker, tmp_path, monkeypatch):
    """A reward is one function and one registry entry; weights, metrics, console, curves, log and plan include it."""
    monkeypatch.setitem(REWARDS, "brevity", RewardTerm(brevity, 0.5))
    output, printed = tmp_path / "run", io.StringIO()
    settings = load_settings(write_settings(speaker, output, grpo__trainer__max_steps=2))
    assert settings.reward.resolve()["brevity"] == 0.5
    assert "brevity" in panels().values()
    grpo.train(settings, Console(file=printed, width=200))
    for step, logged in history(output, step=2).items():
        rows = [row for row in read_episodes(output / "episodes.jsonl") if row["step"] == step and not row["held_out"]]
        assert all(row["reward"]["brevity"] == 1 / row["turns"] for row in rows)
        mean = sum(row["reward"]["brevity"] for row in rows) / len(rows)
        assert logged["rewards/brevity/mean"] == pytest.approx(mean, abs=1e-6)
        weights = settings.reward.resolve()
        assert logged["reward"] == pytest.approx(
            sum(weights[name] * logged[f"rewards/{name}/mean"] for name in weights), abs=1e-6
        )
    assert sum(" brevity " in line for line in printed.getvalue().splitlines()) == 2
    with pytest.raises(
        InputError, match="Input should be 'answer', 'format', 'grounding', 'economy', 'brier' or 'brevity'"
    ):
        load_settings(write_settings(speaker, output, reward={"weights": {"beauty": 1}}))


def test_the_saved_policy_loads_and_contains_no_pickle(run):
    folder = run[0] / "policy"
    assert not list(folder.rglob("*.bin"))
    net, own = AutoModelForCausalLM.from_pretrained(folder), tokenizer_of(folder)
    encoded = own.apply_chat_template(
        [{"role": "user", "content": "?"}], add_generation_prompt=True, return_tensors="pt"
    )
    ids = net.generate(encoded["input_ids"], max_new_tokens=3, do_sample=False)[0, encoded["input_ids"].shape[1] :]
    assert own.decode(ids[0]) in ACTIONS
    assert ids[1] == own.eos_token_id


@pytest.mark.parametrize("part", ["policy", "grpo/checkpoint-2"])
def test_what_training_saves_states_its_turns(run, part):
    """The configuration has `graph: {max_turns: 3}`."""
    stated = json.loads((run[0] / part / "config.json").read_text())["agentcvr"]
    assert stated == {"max_turns": 3}
    done = agentcvr(
        "ask", "--swap", "cc-000000", "--master", f"transformers:{run[0] / part}", "--dialect", "json", "-v"
    )
    assert "left: 2 turns," in done.stderr, "after the first of three"


async def test_only_the_adapter_is_trained_and_it_is_merged_for_serving(speaker, tmp_path):
    path = write_settings(
        speaker,
        tmp_path / "lora",
        model__lora={"rank": 2, "alpha": 6, "targets": ["q_proj", "down_proj"]},
        grpo__trainer__max_steps=2,
    )
    folder = grpo.train(load_settings(path), Console(file=io.StringIO()))
    from safetensors.torch import load_file

    before, after = weights_of(speaker), weights_of(folder)
    adapter = load_file(folder / "adapter" / "adapter_model.safetensors")
    moved = 0
    for name, weight in after.items():
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{stem}.lora_A.weight" in adapter:
            # By hand: W + alpha / rank * B A.
            added = 6 / 2 * adapter[f"{stem}.lora_B.weight"] @ adapter[f"{stem}.lora_A.weight"]
            torch.testing.assert_close(weight, before[name] + added)
            moved += bool(added.abs().max() > 1e-4)
        else:
            assert torch.equal(weight, before[name]), name
    assert moved == 4
    assert trained_turns(folder) == 3
    said = await resolve_chat_model(f"transformers:{folder}").ainvoke([HumanMessage("?")])
    assert said.text in ACTIONS


BAD = {
    "a batch without whole groups": (
        {"grpo__trainer__num_generations": 3},
        "A batch of 8 rollouts (8 a device x 1 processes x 1 parts) does not hold whole groups of 3.",
    ),
    "no such model": ({"model__path": "./nowhere"}, "There is no model folder ./nowhere."),
    "an adapter for nothing": ({"model__lora": {"targets": ["q_prj"]}}, "targets=['q_prj'] names no modules"),
    "no such library": ({"scripts": {"library": "nowhere.jsonl"}}, "nowhere.jsonl: no such file or folder."),
    "two places of scripts": ({"scripts__library": "some.jsonl"}, "names a library (some.jsonl) and tasks."),
    "shared scripts": (
        {"held_out": {"tasks": ["CC"], "each": 2, "seed": 4}},
        "1 held-out scripts are trained on, cc-000004 among them. Give held_out another seed",
    ),
    "unknown noise": ({"rollout__noise": "loud"}, "There is no noise 'loud'. Use off, clear, mild, fitted"),
    "a node that is not asked": (
        {"rollout__train_on": ["mastr"]},
        "rollout.train_on: nothing was sampled at mastr. The policy is asked at: master.",
    ),
    "no room for a batch": (
        {"grpo__trainer__max_steps": -1, "scripts__each": 1, "grpo__trainer__num_train_epochs": 0.5},
        "2 scripts do not fill a batch of 2 groups.",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_invalid_input_prints_one_line_and_exits_with_status_2(name, speaker, tmp_path, monkeypatch, capsys):
    changes, complaint = BAD[name]
    assert command(["grpo", write_settings(speaker, tmp_path / "bad", **changes)], monkeypatch) == 2
    reported = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(reported) == 1
    assert complaint in reported[0]
    assert not list((tmp_path / "bad").rglob("checkpoint-*"))


def test_a_chat_template_that_changes_turns_is_refused(speaker, tmp_path, monkeypatch, capsys):
    template = tmp_path / "forgets.jinja"
    template.write_text(FORGETS_THOUGHTS)
    path = write_settings(speaker, tmp_path / "bad", model__chat_template=str(template))
    assert command(["grpo", path], monkeypatch) == 2
    reported = capsys.readouterr().err
    assert f"The chat template of {speaker} cannot be trained on turn by turn: it changes a turn when" in reported
    assert "Give one that keeps every turn as it was with --set model.chat_template=FILE" in reported


@pytest.mark.parametrize("content", [None, "{oops\n"])
def test_a_script_folder_without_a_valid_script_is_an_error(content, speaker, tmp_path, monkeypatch, capsys):
    library = tmp_path / "scripts"
    library.mkdir()
    if content:
        (library / "bad.jsonl").write_text(content)
    path = write_settings(speaker, tmp_path / "bad", scripts={"library": str(library)})
    assert command(["grpo", path], monkeypatch) == 2
    reported = capsys.readouterr().err
    assert reported.count("error:") == 1
    assert f"There is no script in {library}" in reported
