"""From our settings to TRL's: names checked, what we decide ourselves filled in, what cannot work refused."""

# TRL's configurations are dataclasses of more than a hundred fields, open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import importlib.util
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.sft_config import SFTConfig

from agentcvr_graph.errors import InputError
from training.settings import Settings, unknown_key

REPORTERS = ("tensorboard", "trackio", "wandb")
OURS = {
    "output_dir": "output",
    "seed": "seed",
    "temperature": "rollout.temperature",
    "top_p": "rollout.top_p",
    "max_completion_length": "rollout.max_length",
    "reward_weights": "reward.weights",
    "remove_unused_columns": "",
    "use_vllm": "rollout.engine",
}
"""Settings of TRL's that follow from other keys of the file."""
DEFAULTS: dict[str, Any] = {"logging_steps": 1, "save_steps": 50, "save_total_limit": 3, "disable_tqdm": True}


def grpo_config(settings: Settings) -> GRPOConfig:
    """TRL's configuration of the reinforcement learning.

    Raises:
        InputError: an unknown key, a key that is set elsewhere, or numbers that do not go together.
    """
    given = settings.grpo.trainer
    _check_names(given, GRPOConfig, "grpo.trainer")
    _check_groups(given)
    filled = {
        **DEFAULTS,
        "report_to": reporters(),
        "loss_type": "dapo",
        "beta": 0.0,
        "gradient_checkpointing": False,
        "bf16": settings.model.dtype == "bfloat16",
        "shuffle_dataset": True,
        **given,
        "output_dir": str(Path(settings.output) / "grpo"),
        "seed": settings.seed,
        "temperature": settings.rollout.temperature or 1.0,
        "max_completion_length": settings.rollout.max_length,
        "remove_unused_columns": False,
        "use_vllm": settings.rollout.engine == "vllm",
    }
    if settings.held_out is not None:
        filled = {"eval_strategy": "steps", "num_generations_eval": 1, **filled}
    return _built(GRPOConfig, filled, "grpo.trainer")


def sft_config(settings: Settings) -> SFTConfig:
    """TRL's configuration of the warm start.

    Raises:
        InputError: as `grpo_config`.
    """
    given = settings.sft.trainer if settings.sft else {}
    _check_names(given, SFTConfig, "sft.trainer")
    filled = {
        **DEFAULTS,
        "report_to": reporters(),
        "gradient_checkpointing": False,
        "bf16": settings.model.dtype == "bfloat16",
        "max_length": settings.rollout.max_length,
        **given,
        "output_dir": str(Path(settings.output) / "sft"),
        "seed": settings.seed,
        "packing": False,
    }
    return _built(SFTConfig, filled, "sft.trainer")


def reporters() -> list[str]:
    """Where metrics go besides console and curves: to what is installed. W&B only where a key is set."""
    found = [name for name in REPORTERS if importlib.util.find_spec(name) is not None]
    return [name for name in found if name != "wandb" or os.environ.get("WANDB_API_KEY")]


def _check_names(given: dict[str, Any], config: Any, place: str) -> None:
    known = [field.name for field in fields(config)]
    for name in given:
        if name not in known:
            raise InputError(unknown_key(name, known, f"{place}.{name}"))
        if name in OURS:
            instead = f"Set {OURS[name]!r} instead." if OURS[name] else "It is always off here."
            raise InputError(f"{place}.{name} does not belong here.", fix=instead)


def _check_groups(given: dict[str, Any]) -> None:
    """The batch holds whole groups, and a checkpoint never falls between two uses of one generation."""
    size = int(given.get("num_generations", 8))
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    device, steps = int(given.get("per_device_train_batch_size", 8)), int(given.get("gradient_accumulation_steps", 1))
    steps = int(given.get("steps_per_generation") or steps)
    batch = int(given.get("generation_batch_size") or device * processes * steps)
    if batch % size:
        raise InputError(
            f"A batch of {batch} rollouts ({device} a device x {processes} processes x {steps} steps) does not hold "
            f"whole groups of {size}.",
            fix="Change grpo.trainer.per_device_train_batch_size, gradient_accumulation_steps or num_generations.",
        )


def _built(config: Any, filled: dict[str, Any], place: str) -> Any:
    try:
        return config(**filled)
    except (ValueError, TypeError) as error:
        raise InputError(f"{place}: {' '.join(str(error).split())}") from error
