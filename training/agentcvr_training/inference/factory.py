"""Which engine a configuration names, over the present weights of a trainer's model.

`cached` and `continuous` read the trainer's own weights. `vllm` samples with a copy that TRL keeps, in this process or
in a server; it is brought up to date here, where it is not yet.
"""

# TRL and accelerate leave their trainers open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch

from agentcvr_graph.errors import SetupError
from agentcvr_training.config.settings import Rollout
from agentcvr_training.config.vllm_settings import check_installed
from agentcvr_training.inference.base import Engine
from agentcvr_training.inference.cached import CachedEngine
from agentcvr_training.rollout.trl_rollout import OpenEngine

FEWEST_PAGES = 64
"""With fewer than these, continuous batching has nothing to spare."""
SHARDED = "The weights are sharded over the processes (FSDP or ZeRO 3), so none of them can sample with them."
SHARDED_FIX = "Set rollout.engine: vllm with grpo.trainer.vllm_mode: server, or shard only the optimizer (ZeRO 2)."


def engine_opener(rollout: Rollout, stop_ids: Sequence[int]) -> OpenEngine:
    """A function that opens the configured engine over a trainer for one batch.

    What it returns raises SetupError for a trainer that the engine cannot sample for.

    Raises:
        SetupError: what the engine needs is not installed.
    """
    check_installed(rollout.engine)
    openers = {"cached": _cached, "continuous": _continuous, "vllm": _vllm}
    return partial(openers[rollout.engine], rollout, stop_ids)


def _cached(rollout: Rollout, stop_ids: Sequence[int], trainer: Any) -> AbstractContextManager[Engine]:
    return CachedEngine(_whole_model(trainer), stop_ids, slots=rollout.live_graphs, max_length=rollout.max_length)


def _continuous(rollout: Rollout, stop_ids: Sequence[int], trainer: Any) -> AbstractContextManager[Engine]:
    from agentcvr_training.inference.continuous import PAGE_TOKENS, ContinuousEngine

    model = _whole_model(trainer)
    # On a GPU the manager takes what memory is left; on a CPU that would be the machine's.
    needed = max(FEWEST_PAGES, rollout.live_graphs * math.ceil(rollout.max_length / PAGE_TOKENS))
    pages = needed if model.device.type == "cpu" else None
    return ContinuousEngine(model, stop_ids, max_length=rollout.max_length, blocks=pages)


def _vllm(rollout: Rollout, stop_ids: Sequence[int], trainer: Any) -> AbstractContextManager[Engine]:
    generation = trainer.vllm_generation
    _bring_up_to_date(generation, trainer)
    if generation.mode == "server":
        from agentcvr_training.inference.served import ServedEngine

        url = generation.server_base_url or f"http://{generation.server_host}:{generation.server_port}"
        return ServedEngine(url, stop_ids, concurrent=rollout.live_graphs, max_length=rollout.max_length)
    return _colocated(generation, stop_ids, rollout.max_length)


@contextlib.contextmanager
def _colocated(generation: Any, stop_ids: Sequence[int], max_length: int) -> Generator[Engine]:
    """The vLLM of this process; one that sleeps while the trainer works is awake inside."""
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
            # As TRL's own `generate` leaves it: without weights, to be sent again.
            generation.llm.sleep(level=2)
            generation._llm_weights_sleeping = True


def _bring_up_to_date(generation: Any, trainer: Any) -> None:
    """Send the weights of this step to vLLM, where TRL has not; a part of it in every process."""
    asleep = generation.mode == "colocate" and generation.enable_sleep_mode and generation._llm_weights_sleeping
    if asleep or trainer._last_loaded_step != trainer.state.global_step:
        generation.sync_weights()
        trainer._last_loaded_step = trainer.state.global_step
    # The main process is the last to be done; before that a server would sample with half of the new weights.
    trainer.accelerator.wait_for_everyone()


def _same_device() -> partial[None] | None:
    """Chooses this thread's GPU in another thread; a new one begins with the first."""
    return partial(torch.cuda.set_device, torch.cuda.current_device()) if torch.cuda.is_available() else None


def _whole_model(trainer: Any) -> Any:
    """The trainer's model, with all its weights in this process.

    Raises:
        SetupError: they are sharded over processes.
    """
    sharded = trainer.is_fsdp_enabled or (
        trainer.is_deepspeed_enabled and trainer.accelerator.state.deepspeed_plugin.zero_stage == 3
    )
    if sharded:
        raise SetupError(SHARDED, fix=SHARDED_FIX)
    return trainer.accelerator.unwrap_model(trainer.model)
