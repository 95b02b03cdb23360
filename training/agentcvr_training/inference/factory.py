"""Make the engine that a configuration names, over the current weights of a trainer's model.

`cached` reads the trainer's own weights. `vllm` samples with a copy that TRL keeps, in this process or in a server;
this module updates the copy if it is out of date.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from agentcvr_graph.errors import SetupError
from agentcvr_training.config.settings import Rollout
from agentcvr_training.config.vllm_settings import check_installed
from agentcvr_training.inference.base import Engine, Sampling
from agentcvr_training.inference.cached import CachedEngine
from agentcvr_training.rollout.trl_rollout import EngineFactory

SHARDED = "The weights are sharded over the processes (FSDP or ZeRO-3), so none of them can sample with them."
SHARDED_FIX = (
    "Set rollout.engine: vllm with grpo.trainer.vllm_mode: colocate, or shard only gradients and optimizer "
    "(configs/accelerate/deepspeed_zero2.yaml)."
)


def training_sampling(rollout: Rollout) -> Sampling:
    """Return how turns are sampled in training. There is no repetition penalty: its effect is not in the loss."""
    return Sampling(
        rollout.temperature, rollout.top_p, rollout.max_new_tokens, top_k=rollout.top_k or 0, min_p=rollout.min_p or 0.0
    )


def held_out_sampling(rollout: Rollout, temperature: float | None = None) -> Sampling:
    """Return how turns are sampled at evaluation.

    Args:
        temperature: None for the configured one.
    """
    return replace(
        training_sampling(rollout),
        temperature=rollout.held_out_temperature if temperature is None else temperature,
        repetition_penalty=rollout.held_out_repetition_penalty or 1.0,
    )


def make_engine_factory(rollout: Rollout, stop_ids: Sequence[int]) -> EngineFactory:
    """Return a function that makes the configured engine over a trainer, for one batch.

    That function raises SetupError for a trainer that the engine cannot sample for.

    Raises:
        SetupError: a package that the engine needs is not installed.
    """
    check_installed(rollout.engine)
    engines = {"cached": _cached, "vllm": _vllm}
    return partial(engines[rollout.engine], rollout, stop_ids)


def _cached(rollout: Rollout, stop_ids: Sequence[int], trainer: Any) -> AbstractContextManager[Engine]:
    return CachedEngine(_whole_model(trainer), stop_ids, slots=rollout.live_graphs, max_length=rollout.max_length)


def _vllm(rollout: Rollout, stop_ids: Sequence[int], trainer: Any) -> AbstractContextManager[Engine]:
    generation = trainer.vllm_generation
    _update_weights(generation, trainer)
    if generation.mode == "server":
        from agentcvr_training.inference.served import ServedEngine

        url = generation.server_base_url or f"http://{generation.server_host}:{generation.server_port}"
        return ServedEngine(url, stop_ids, concurrent=rollout.live_graphs, max_length=rollout.max_length)
    return _colocated(generation, stop_ids, rollout.max_length)


@contextlib.contextmanager
def _colocated(generation: Any, stop_ids: Sequence[int], max_length: int) -> Generator[Engine]:
    """Use vLLM in this process; if TRL lets it sleep during training, wake it for the block."""
    from agentcvr_training.inference.colocated import ColocatedEngine

    if generation.enable_sleep_mode:
        generation.llm.wake_up(tags=["kv_cache"])
    try:
        with ColocatedEngine(
            generation.llm.llm_engine, stop_ids, max_length=max_length, on_thread=_same_device()
        ) as engine:
            yield engine
    finally:
        if generation.enable_sleep_mode:
            # TRL's own `generate` ends the same way: vLLM drops its weights, and gets them again later.
            generation.llm.sleep(level=2)
            generation._llm_weights_sleeping = True


def _update_weights(generation: Any, trainer: Any) -> None:
    """Send the weights of this step to vLLM if TRL has not yet; every process takes part."""
    asleep = generation.mode == "colocate" and generation.enable_sleep_mode and generation._llm_weights_sleeping
    if asleep or trainer._last_loaded_step != trainer.state.global_step:
        generation.sync_weights()
        trainer._last_loaded_step = trainer.state.global_step
    # The main process finishes last; until then a server would sample with partly updated weights.
    trainer.accelerator.wait_for_everyone()


def _same_device() -> partial[None] | None:
    """Return a function that selects this thread's GPU in another thread, which by default uses the first GPU."""
    return partial(torch.cuda.set_device, torch.cuda.current_device()) if torch.cuda.is_available() else None


def _whole_model(trainer: Any) -> Any:
    """Return the trainer's model, with all its weights in this process.

    Raises:
        SetupError: the weights are sharded over processes.
    """
    sharded = trainer.is_fsdp_enabled or (
        trainer.is_deepspeed_enabled and trainer.accelerator.state.deepspeed_plugin.zero_stage == 3
    )
    if sharded:
        raise SetupError(SHARDED, fix=SHARDED_FIX)
    return trainer.accelerator.unwrap_model(trainer.model)
