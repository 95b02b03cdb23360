"""Check TRL's settings against the requirements of the engine `vllm`, before anything is loaded."""

from __future__ import annotations

import importlib.util
from typing import Any

from agentcvr_graph.errors import InputError, missing_extra
from agentcvr_training.config.memory import shards_here
from agentcvr_training.config.settings import Settings


def vllm_settings(settings: Settings, given: dict[str, Any]) -> dict[str, Any]:
    """Return TRL's settings that are derived from ours if vLLM samples; empty otherwise.

    Args:
        given: the settings of `grpo.trainer`.

    Raises:
        InputError: a setting would prevent learning, or the engine does not support it.
    """
    if settings.rollout.engine != "vllm":
        return {}
    _check_correction(settings, given)
    _check_server(given)
    parallel = given.get("vllm_tensor_parallel_size") or 1
    if given.get("vllm_mode", "colocate") == "colocate" and parallel > 1:
        raise InputError(
            f"grpo.trainer.vllm_tensor_parallel_size={parallel} needs the same prompts in every process, and graphs do "
            "not go in step.",
            fix="Set it to 1, or give a server several GPUs with grpo.trainer.vllm_mode: server.",
        )
    return {"vllm_max_model_length": settings.rollout.max_length}


def check_installed(engine: str) -> None:
    """Check that the packages of an engine are installed.

    Raises:
        SetupError: a package is missing.
    """
    if engine == "vllm" and importlib.util.find_spec("vllm") is None:
        raise missing_extra("vllm", "vllm")


def _check_correction(settings: Settings, given: dict[str, Any]) -> None:
    """Reject an importance correction that would remove long rows from the loss.

    vLLM reports probabilities after `top_p`, `top_k` and `min_p`, so the ratio of the trainer's probability to it is
    the mass kept. The product of these ratios over a long row approaches 0 (0.97 to the power of 300 is 0.0001), and so
    does its loss.
    """
    mode = str(given.get("vllm_importance_sampling_mode", "sequence_mask"))
    corrected = given.get("vllm_importance_sampling_correction", True)
    options = settings.rollout
    cut = {"top_p": options.top_p if options.top_p < 1 else None, "top_k": options.top_k, "min_p": options.min_p}
    used = ", ".join(f"rollout.{name}={value:g}" for name, value in cut.items() if value is not None)
    if used and corrected and mode.startswith("sequence"):
        raise InputError(
            f"With {used}, grpo.trainer.vllm_importance_sampling_mode={mode} would "
            "take long rows for ones that the policy would never write, and learn nothing from them.",
            fix="Set it to token_truncate, or leave out top_p, top_k and min_p of rollout.",
        )


def _check_server(given: dict[str, Any]) -> None:
    """Reject a vLLM server if the weights are sharded over processes.

    TRL gathers each weight while it sends the one before: on the main process inside vLLM's sender, which waits for the
    server, on the others in a plain loop, which does not. The main process falls behind, and the gathers time out
    (https://github.com/huggingface/trl/issues/7103).
    """
    if given.get("vllm_mode", "colocate") == "server" and shards_here() > 1:
        raise InputError(
            "grpo.trainer.vllm_mode=server can hang when it sends weights that are sharded over the processes (FSDP or "
            "ZeRO-3).",
            fix="Set vllm_mode: colocate and vllm_enable_sleep_mode: true (configs/accelerate/fsdp.yaml), or shard "
            "only gradients and optimizer (configs/accelerate/deepspeed_zero2.yaml).",
        )
