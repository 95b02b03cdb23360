"""Translate our settings to TRL's: check names, derive values from ours, reject what cannot work."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from pydantic import TypeAdapter, ValidationError
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.sft_config import SFTConfig

from agentcvr_graph.errors import InputError
from agentcvr_training.config.settings import Settings, misfit, unknown_key
from agentcvr_training.config.vllm_settings import vllm_settings
from agentcvr_training.trainer.data_order import steps_a_batch

REPORTERS = ("tensorboard", "trackio", "wandb")
OURS = {
    "output_dir": "output",
    "seed": "seed",
    "temperature": "rollout.temperature",
    "top_p": "rollout.top_p",
    "top_k": "rollout.top_k",
    "min_p": "rollout.min_p",
    "repetition_penalty": "rollout.held_out_repetition_penalty",
    "chat_template_kwargs": "model.chat_template_kwargs",
    "max_completion_length": "rollout.max_length",
    "reward_weights": "reward.weights",
    "use_vllm": "rollout.engine",
    "model_init_kwargs": "model.dtype",
}
"""TRL's settings that are derived from other keys of the file."""
WITHOUT_EFFECT = frozenset({"generation_kwargs", "cache_implementation"}) | {
    "max_tool_calling_iterations",
    "num_generations_eval",
    "packing",
    "resume_from_checkpoint",
    "use_transformers_continuous_batching",
}
"""TRL's settings that have no effect, because this package does the same in another way."""
FIXED: dict[str, Any] = {
    "remove_unused_columns": False,
    "ignore_data_skip": False,
    "save_only_model": False,
    "load_best_model_at_end": False,
    "logging_nan_inf_filter": False,
}
"""Fixed settings: other values would prevent an exact resume, or hide invalid losses."""
DEFAULTS: dict[str, Any] = {
    "logging_steps": 1,
    "save_steps": 50,
    "eval_steps": 50,
    "save_total_limit": 3,
    "disable_tqdm": True,
    "gradient_checkpointing": False,
    "use_cpu": not torch.accelerator.is_available(),
    "dataloader_pin_memory": torch.accelerator.is_available(),
    "ddp_find_unused_parameters": False,
}
NUMBERS = (int, float, bool)


def grpo_config(settings: Settings) -> GRPOConfig:
    """Return TRL's configuration of the reinforcement learning.

    Raises:
        InputError: an unknown key, a value of another type, a key that is set elsewhere, or inconsistent numbers.
    """
    given = _checked(settings.grpo.trainer, GRPOConfig, "grpo.trainer")
    _check_groups(given)
    filled = {
        **DEFAULTS,
        "report_to": reporters(),
        "loss_type": "dapo",
        "beta": 0.0,
        "bf16": settings.model.dtype == "bfloat16",
        "shuffle_dataset": True,
        "eval_strategy": "steps" if settings.held_out else "no",
        **vllm_settings(settings, given),
        **given,
        **FIXED,
        "num_generations_eval": 1,
        "output_dir": str(Path(settings.output) / "grpo"),
        "seed": settings.seed,
        "temperature": settings.rollout.temperature,
        "max_completion_length": settings.rollout.max_length,
        "use_vllm": settings.rollout.engine == "vllm",
    }
    arguments: GRPOConfig = _built(GRPOConfig, filled, "grpo.trainer")
    _check_checkpoints(arguments, "grpo.trainer")
    _check_steps(arguments)
    return arguments


def sft_config(settings: Settings) -> SFTConfig:
    """Return TRL's configuration of the warm start.

    Raises:
        InputError: as in `grpo_config`.
    """
    filled = {
        **DEFAULTS,
        "report_to": reporters(),
        "bf16": settings.model.dtype == "bfloat16",
        "max_length": settings.rollout.max_length,
        **_checked(settings.sft.trainer if settings.sft else {}, SFTConfig, "sft.trainer"),
        **FIXED,
        "output_dir": str(Path(settings.output) / "sft"),
        "seed": settings.seed,
        "packing": False,
    }
    arguments: SFTConfig = _built(SFTConfig, filled, "sft.trainer")
    _check_checkpoints(arguments, "sft.trainer")
    return arguments


def reporters() -> list[str]:
    """Return the installed metric trackers; W&B only if a key is set."""
    found = [name for name in REPORTERS if importlib.util.find_spec(name) is not None]
    return [name for name in found if name != "wandb" or os.environ.get("WANDB_API_KEY")]


def _checked(given: dict[str, Any], config: Any, place: str) -> dict[str, Any]:
    """Return the given settings after checking names and parsing numbers: YAML reads `1e-5` as a string."""
    known = [field.name for field in fields(config)]
    types = get_type_hints(config)
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise InputError(unknown_key(name, known, f"{place}.{name}"))
        if name in OURS:
            raise InputError(f"{place}.{name} does not belong here.", fix=f"Set {OURS[name]!r} instead.")
        if name in WITHOUT_EFFECT or value != FIXED.get(name, value):
            raise InputError(f"{place}.{name}={value!r} cannot be set here: the trainer sets it.", fix="Leave it out.")
        found[name] = _number(value, types[name], f"{place}.{name}")
    return found


def _number(value: Any, annotation: Any, place: str) -> Any:
    allowed = set(get_args(annotation) or [annotation]) - {type(None)}
    if not allowed <= set(NUMBERS):
        return value
    try:
        return TypeAdapter(annotation).validate_python(value)
    except ValidationError as error:
        raise InputError(misfit(error.errors()[0], place)) from None


def _check_groups(given: dict[str, Any]) -> None:
    """Check that a batch holds whole groups."""
    size = given.get("num_generations") or 8
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    device, parts = given.get("per_device_train_batch_size", 8), given.get("gradient_accumulation_steps", 1)
    parts = given.get("steps_per_generation") or parts
    batch = given.get("generation_batch_size") or device * processes * parts
    if batch % size:
        raise InputError(
            f"A batch of {batch} rollouts ({device} a device x {processes} processes x {parts} parts) does not hold "
            f"whole groups of {size}.",
            fix=f"Set grpo.trainer.num_generations to {' or '.join(map(str, _divisors(batch)))}, or change the batch "
            "with per_device_train_batch_size or gradient_accumulation_steps.",
        )


def _divisors(batch: int) -> list[int]:
    """Return the sizes of a group, which has at least two rollouts, that divide a batch; at most 8 of them."""
    return [size for size in range(2, batch + 1) if batch % size == 0][:8] or [2]


def _check_checkpoints(arguments: Any, place: str) -> None:
    if arguments.save_total_limit is not None and arguments.save_total_limit < 2:
        raise InputError(
            f"{place}.save_total_limit={arguments.save_total_limit} would remove the last checkpoint before the next "
            "one is known to be whole.",
            fix="Set 2 or more.",
        )
    if arguments.save_strategy.value not in ("steps", "no"):
        raise InputError(
            f"{place}.save_strategy={arguments.save_strategy.value} is not supported.",
            fix=f"Set it to steps, with {place}.save_steps, or to 'no'.",
        )


def _check_steps(arguments: GRPOConfig) -> None:
    """Check that no checkpoint falls between two steps that learn from the same batch, which would be lost."""
    if int(arguments.steps_per_generation or 1) % arguments.gradient_accumulation_steps:
        raise InputError(
            f"grpo.trainer.steps_per_generation={arguments.steps_per_generation} does not hold whole steps of "
            f"{arguments.gradient_accumulation_steps} parts.",
            fix="Set a multiple of gradient_accumulation_steps.",
        )
    together = steps_a_batch(arguments)
    for name, value in (("save_steps", arguments.save_steps), ("max_steps", max(0, arguments.max_steps))):
        if value % together:
            raise InputError(
                f"grpo.trainer.{name}={value:g} falls between {together} steps that learn from one batch of rollouts.",
                fix=f"Set a multiple of {together}.",
            )


def _built(config: Any, filled: dict[str, Any], place: str) -> Any:
    try:
        return config(**filled)
    except (ValueError, TypeError, ImportError) as error:
        raise InputError(f"{place}: {' '.join(str(error).split())}") from error
