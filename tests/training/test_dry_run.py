"""The dry run reports every error that a run would raise, estimates the memory, and reads no weights."""

from __future__ import annotations

import io
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import trl
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from agentcvr_training.commands import app
from agentcvr_training.config import checks
from agentcvr_training.config.checks import check
from agentcvr_training.config.dry_run import needed_memory, show_plan
from agentcvr_training.config.loading import ModelUnavailableError
from agentcvr_training.config.memory import (
    GIB,
    Load,
    Sizes,
    all_gathered_here,
    estimate,
    optimizer_shards_here,
    shards_here,
    sizes_of,
)
from agentcvr_training.config.settings import Lora, Rollout, load_settings
from agentcvr_training.config.trainer_settings import grpo_config
from agentcvr_training.inference.factory import make_engine_factory
from agentcvr_training.trainer.run import quiet
from huggingface_hub import logging as hub_logging
from huggingface_hub.errors import LocalEntryNotFoundError
from rich.console import Console
from transformers import Qwen3Config
from typer.testing import CliRunner

from agentcvr_graph.errors import CVRError, InputError, SetupError
from tests.support.tiny_models import FORGETS_THOUGHTS, PLAIN, model, tokenizer

CONFIGS = Path(__file__).parents[2] / "training" / "agentcvr_training" / "configs"
HYBRID = {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "FSDP_SHARDING_STRATEGY": "HYBRID_SHARD"}
QWEN = sorted(CONFIGS.glob("qwen3_*.yaml"))
SHIPPED = [*sorted(CONFIGS.glob("*.yaml")), *sorted(CONFIGS.parents[1].glob("recipes/*/configs/*.yaml"))]
VOCABULARY = len(tokenizer())
# Parameters of one layer of tests/support/tiny_models.py: query, key, value and output projections; two head norms;
# three feed-forward matrices; two layer norms. Hidden size 32, feed-forward 64, 4 heads of size 8, 2 key-value heads.
LAYER = 32 * 32 + 2 * 32 * 16 + 32 * 32 + 2 * 8 + 3 * 32 * 64 + 2 * 32
WEIGHTS = 2 * VOCABULARY * 32 + 2 * LAYER + 32


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return the folder of a released model without its weights."""
    folder = tmp_path_factory.mktemp("model")
    model().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    return folder


@pytest.fixture
def write(saved, tmp_path):
    """Return a function that writes and loads a valid configuration, with changes by dotted name (`__` for the dot)."""

    def written(**changes):
        values = {
            "output": str(tmp_path / "run"),
            "model": {"path": str(saved), "dtype": "float32"},
            "scripts": {"tasks": ["CC", "FSA"], "each": 8},
            "rollout": {"max_length": 16384, "live_graphs": 4},
            "grpo": {
                "trainer": {
                    "per_device_train_batch_size": 4,
                    "gradient_accumulation_steps": 2,
                    "num_generations": 4,
                    "use_cpu": True,
                }
            },
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(values))
        return load_settings(path, {name.replace("__", "."): value for name, value in changes.items()})

    return written


def printed(settings):
    console = Console(width=160, file=io.StringIO())
    show_plan(settings, console)
    return console.file.getvalue()


def test_weights_are_counted_without_loading_the_model(saved):
    assert not list(saved.glob("*.safetensors"))
    config = model().config
    assert sizes_of(config, None) == Sizes(WEIGHTS, WEIGHTS)
    # Rank 4 on the seven linear modules of two layers: rank times the sum of inputs and outputs.
    adapter = 2 * 4 * ((32 + 32) + 2 * (32 + 16) + (32 + 32) + 3 * (32 + 64))
    assert sizes_of(config, Lora(rank=4)) == Sizes(WEIGHTS, adapter)
    assert sizes_of(config, Lora(rank=4, targets=["q_proj"])) == Sizes(WEIGHTS, 2 * 4 * (32 + 32))


def test_the_weight_count_of_a_released_model_equals_the_published_number():
    shape = Qwen3Config(
        vocab_size=151936,
        hidden_size=2560,
        intermediate_size=9728,
        num_hidden_layers=36,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=128,
        tie_word_embeddings=True,
    )
    assert sizes_of(shape, None).all == 4_022_468_096


def test_the_memory_estimate_equals_the_hand_calculation():
    config, load = model().config, Load("float32", "float32", 2, 100, 3, True, False, False, False)
    # One token in one layer. In full precision: inputs and scaled inputs of two norms (32), inputs of the norms of
    # queries (32) and keys (16). In that of the pass: outputs of two norms (32); queries 3 times, keys twice, values
    # once; four vectors of the feed-forward part (64).
    exact, computed = 4 * 32 + 32 + 16, 2 * 32 + 3 * 32 + 3 * 16 + 4 * 64
    # One tile of 200 positions, the tiles of torch, the last states and their gradient, the gradient of the head.
    tile, head = 200 * 32768, 200 * VOCABULARY * 4 * 7.25 + 200 * 32 * 8
    assert estimate(config, Sizes(WEIGHTS, WEIGHTS), load) == {
        "weights": WEIGHTS * 4,
        "gradients": WEIGHTS * 4,
        "optimizer": WEIGHTS * 8,
        "activations": 200 * 2 * (exact + computed) * 4,
        "head": tile * 4 + head + VOCABULARY * 32 * 4,
        "keys and values": 3 * 100 * 2 * 2 * 16 * 4,
    }
    spare = Load("bfloat16", "float32", 2, 100, 3, False, True, True, True, shards=4, optimizer_shards=4, triton=True)
    assert estimate(config, Sizes(WEIGHTS, 1000), spare) == {
        "weights": WEIGHTS * 2 / 4,
        "gradients": 1000 * 4 / 4,  # peft holds an adapter in full precision
        "optimizer": 1000 * 8 / 4,
        "activations": 200 * (2 * 32 * 2 + exact * 4 + computed * 2),
        "head": tile * 2 + 200 * 32 * (2 + 4),
        "gathered weights": (2 * VOCABULARY * 32 + 2 * LAYER + 32) * 2,  # embeddings and two of two layers
        "adapter": 1000 * 4 / 4,
        "weights in vLLM": WEIGHTS * 2,
    }


def test_autocast_keeps_copies_of_whole_weights():
    config, load = model().config, Load("float32", "float32", 1, 10, 0, False, False, True, False)
    layers = 2 * LAYER + 32
    assert estimate(config, Sizes(WEIGHTS, WEIGHTS), load)["weights in 16 bits"] == layers * 2
    # Frozen weights are copied for one layer at a time, if the backward pass makes the copies again.
    again = replace(load, checkpointing=True)
    assert "weights in 16 bits" not in estimate(config, Sizes(WEIGHTS, 1000), again)
    kept = replace(load, shards=2, optimizer_shards=2, all_gathered=True)
    assert estimate(config, Sizes(WEIGHTS, WEIGHTS), kept)["gathered weights"] == 2 * WEIGHTS * 2


@pytest.mark.parametrize(
    ("environment", "shards"),
    [
        ({}, 1),
        ({"WORLD_SIZE": "4"}, 1),
        ({"WORLD_SIZE": "4", "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}, 4),
        ({"WORLD_SIZE": "4", "ACCELERATE_USE_FSDP": "true", "FSDP_SHARDING_STRATEGY": "NO_SHARD"}, 1),
        ({"WORLD_SIZE": "4", "ACCELERATE_USE_FSDP": "true", "FSDP_SHARDING_STRATEGY": "SHARD_GRAD_OP"}, 4),
        ({"WORLD_SIZE": "4", "ACCELERATE_USE_FSDP": "true", "FSDP_SHARDING_STRATEGY": "2"}, 4),
        ({**HYBRID, "ACCELERATE_USE_FSDP": "true"}, 2),
        ({"WORLD_SIZE": "4", "ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}, 4),
        ({"WORLD_SIZE": "4", "ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "2"}, 1),
    ],
)
def test_sharded_weights_are_detected_from_accelerates_variables(environment, shards):
    assert shards_here(environment) == shards
    zero2 = environment.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") == "2"
    assert optimizer_shards_here(environment) == (4 if zero2 else shards)
    kept = environment.get("FSDP_SHARDING_STRATEGY") in ("SHARD_GRAD_OP", "2")
    assert all_gathered_here(environment) is kept


def test_gathered_weights_are_kept_where_fsdp2_does_not_reshard():
    assert not all_gathered_here({"FSDP_VERSION": "2"})
    assert all_gathered_here({"FSDP_VERSION": "2", "FSDP_RESHARD_AFTER_FORWARD": "false"})


def test_the_plan_shows_scripts_batches_and_steps(write):
    settings = write()
    plan = printed(settings)
    assert f"{WEIGHTS / 1e6:,.1f} million weights" in plan
    assert "16 (CC 8, FSA 8)" in plan
    assert "2 scripts x 4 rollouts = 8 trajectories" in plan
    assert "24, 3.00 passes over the scripts" in plan  # three epochs of 16 scripts, two per step
    checked = check(settings)
    total = sum(needed_memory(settings, checked)["GRPO"].values())
    assert f"{total / GIB:,.2f}" in plan


def test_the_command_prints_the_plan_and_creates_no_folder(write, tmp_path):
    settings = write()
    done = CliRunner().invoke(app, ["grpo", str(tmp_path / "config.yaml"), "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "memory of one process" in done.output
    assert not Path(settings.output).exists()


REFUSED = [
    ({"rollout__engin": "cached"}, InputError, "did you mean 'engine'"),
    ({"grpo__trainer__learning_rat": 1e-5}, InputError, "did you mean 'learning_rate'"),
    ({"graph": {"max_turn": 3}}, InputError, "did you mean 'max_turns'"),
    ({"grpo__trainer__num_generations": 3}, InputError, "whole groups of 3"),
    ({"scripts": {"tasks": [], "each": 0}}, InputError, "names no scripts"),
    ({"held_out": {"tasks": ["CC"], "each": 2}}, InputError, "held-out scripts are trained on, cc-000000"),
    ({"rollout__noise": "loud"}, CVRError, "loud"),
    ({"rollout__max_length": 65536}, InputError, "more than the 32768 positions"),
    ({"rollout__max_length": 64}, InputError, "leaves no room for a turn"),
    ({"rollout__engine": "vllm"}, SetupError, r"'vllm' is not installed.*agentcvr-graph\[vllm\]"),
    ({"model__lora": {"targets": ["q_prj"]}}, InputError, "names no modules.*down_proj"),
    ({"model__path": "/no/such/folder"}, SetupError, "/no/such/folder"),
    ({"model__chat_template": "/no/such/file"}, InputError, "/no/such/file"),
    ({"sft": {"demonstrations": "x", "trainer": {"max_step": 1}}}, InputError, "did you mean 'max_steps'"),
    ({"output": "/dev/null/run"}, InputError, "/dev/null is a file"),
]


@pytest.mark.parametrize(("changes", "kind", "reported"), REFUSED, ids=[reported[:30] for _, _, reported in REFUSED])
def test_the_dry_run_reports_what_a_run_would_refuse(write, changes, kind, reported):
    with pytest.raises(kind, match=reported) as caught:
        check(write(**changes))
    assert "\n" not in str(caught.value)


def test_an_empty_script_library_is_reported(write, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CVRError, match="empty"):
        check(write(scripts={"library": str(tmp_path / "empty")}))


def test_a_template_that_drops_reasoning_is_refused_with_a_fix(write, saved, tmp_path):
    template = tmp_path / "template.jinja"
    template.write_text(FORGETS_THOUGHTS)
    with pytest.raises(SetupError, match=r"changes a turn when others follow it.*model.chat_template=FILE"):
        check(write(model__chat_template=str(template)))
    template.write_text(PLAIN)
    assert check(write(model__chat_template=str(template))).first_prompt_tokens > 100


def with_shape(saved, tmp_path, **changes):
    folder = tmp_path / "other"
    shutil.copytree(saved, folder)
    model(**changes).config.save_pretrained(folder)
    return str(folder)


def test_layers_that_the_engine_does_not_support_are_reported(write, saved, tmp_path):
    path = with_shape(saved, tmp_path, use_sliding_window=True, sliding_window=8, max_window_layers=1)
    with pytest.raises(SetupError, match="sliding_attention"):
        check(write(model__path=path))


def test_a_tokenizer_that_does_not_match_the_model_is_reported(write, saved, tmp_path):
    with pytest.raises(SetupError, match=f"has {VOCABULARY} tokens, its model 64"):
        check(write(model__path=with_shape(saved, tmp_path, vocab_size=64)))


def test_an_offline_dry_run_reports_which_checks_need_the_model(write, monkeypatch):
    def unreachable(source):
        raise OSError("We couldn't connect.") from LocalEntryNotFoundError("not in the cache")

    monkeypatch.setattr("agentcvr_training.config.loading.read_tokenizer", unreachable)
    settings = write(model__path="owner/name")
    shown = printed(settings)
    assert "= 8 trajectories" in shown and "model, chat template, length of prompts" in shown
    assert "The tokenizer of 'owner/name' cannot be loaded: We couldn't connect." in shown
    with pytest.raises(ModelUnavailableError):
        check(settings)
    with pytest.raises(InputError, match="noise"):
        printed(write(model__path="owner/name", rollout__noise="loud"))


def test_retries_of_the_hub_are_not_printed():
    verbosity = hub_logging.get_verbosity()
    try:
        quiet()
        assert not logging.getLogger("huggingface_hub.utils._http").isEnabledFor(logging.WARNING)
    finally:
        hub_logging.set_verbosity(verbosity)


def test_sharded_weights_need_vllm(write, monkeypatch):
    monkeypatch.setattr("agentcvr_training.config.checks.shards_here", lambda: 2)
    with pytest.raises(SetupError, match="sharded over the processes"):
        check(write())


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"rollout__top_p": 0.9}, "rollout.top_p=0.9.*sequence_mask.*token_truncate"),
        ({"grpo__trainer__vllm_tensor_parallel_size": 2}, "vllm_tensor_parallel_size=2.*vllm_mode: server"),
    ],
)
def test_unsupported_vllm_settings_are_refused(write, changes, reported):
    with pytest.raises(InputError, match=reported):
        grpo_config(write(rollout__engine="vllm", **changes))


def test_vllm_receives_the_maximum_conversation_length(write):
    arguments = grpo_config(write(rollout__engine="vllm"))
    assert arguments.use_vllm and arguments.vllm_max_model_length == 16384
    with pytest.raises(SetupError, match="pip install"):
        make_engine_factory(Rollout(engine="vllm"), [2])


@pytest.mark.parametrize("path", QWEN, ids=[path.stem for path in QWEN])
def test_shipped_configs_have_the_settings_of_the_paper(path):
    settings = load_settings(path, {"grpo.trainer.use_cpu": True})
    arguments = grpo_config(settings)
    small = "4b" in path.stem
    assert settings.model.path == ("Qwen/Qwen3-4B" if small else "Qwen/Qwen3-8B")
    assert arguments.learning_rate == (1e-7 if small else 5e-7)
    assert arguments.num_train_epochs in (2, 3)
    assert arguments.num_generations == 8 and arguments.generation_batch_size == 32 * 8
    assert (arguments.temperature, settings.rollout.top_p) == (0.8, 0.9)
    assert settings.rollout.max_length == 4096 + 4096
    assert settings.context.max_turns == 15


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_every_shipped_config_can_be_checked_by_itself(path, tmp_path, monkeypatch):
    """A model that an earlier step writes, or that only the Hub has, is named as not checked."""
    monkeypatch.chdir(tmp_path)
    # No test reaches the Hub.
    monkeypatch.setattr(checks, "load_format", unreachable)
    done = CliRunner().invoke(app, ["dry-run", str(path)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert "not checked: model" in done.output and "trajectories" in done.output
    assert ("an earlier step writes it" in done.output) is not path.stem.startswith("qwen3")


def unreachable(settings):
    raise ModelUnavailableError(f"The tokenizer of {settings.path!r} cannot be loaded: no connection")


@pytest.mark.parametrize("path", QWEN, ids=[path.stem for path in QWEN])
def test_shipped_configs_work_with_the_chat_template_of_their_model(path, saved, tmp_path):
    """TRL recognizes the model's own template by its text and has a version of it that keeps every turn."""
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    (folder / "chat_template.jinja").write_text((Path(trl.__file__).parent / "chat_templates/qwen3.jinja").read_text())
    changes = {
        "model.path": str(folder),
        "output": str(tmp_path / "run"),
        "rollout.engine": "cached",
        "rollout.max_length": 16384,  # the test tokenizer has about one token per byte
        "scripts.each": 8,
        "held_out.each": 2,
        "grpo.trainer.use_cpu": True,
    }
    checked = check(load_settings(path, changes))
    assert checked.form.tokenizer.decode(checked.form.end_of_turn) == "<|im_end|>\n"
    assert len(checked.scripts) == 9 * 8 and len(checked.held_out) == 9 * 2


@pytest.mark.parametrize(
    ("name", "kind", "processes"),
    [("fsdp", "FSDP", 8), ("deepspeed_zero2", "DEEPSPEED", 4), ("two_cpu_processes", "MULTI_GPU", 2)],
)
def test_accelerate_loads_the_shipped_configs(name, kind, processes):
    config = load_config_from_file(str(CONFIGS / "accelerate" / f"{name}.yaml"))
    assert config.distributed_type == kind
    assert config.num_processes == processes
    assert not torch.distributed.is_initialized()
