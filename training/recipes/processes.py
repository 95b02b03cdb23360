"""Split a training run among processes of one machine; the result equals that of one process on the same batch.

The matrices of a small model are too small to divide: two threads are hardly faster than one. Two processes that each
learn from half of a batch, and average their gradients over gloo, are nearly twice as fast.

They end with the process that started them, however it ends; the next run takes the unfinished step again.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import torch
from agentcvr_training._typed import run_in_processes
from agentcvr_training.config.settings import Settings
from agentcvr_training.trainer.run import quiet
from torch import distributed, multiprocessing
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from agentcvr_graph.errors import CVRError, InputError

HERE = "127.0.0.1"


def default_processes() -> int:
    """Return 1 on an accelerator; 2 on CPU cores, where batches are small (1 if there is a single core)."""
    return 1 if torch.accelerator.is_available() else min(2, os.cpu_count() or 1)


def train_in_processes(train: Callable[[Settings], object], settings: Settings, count: int) -> None:
    """Train in several processes, each with its part of every batch.

    Args:
        train: `sft.warm_start` or `grpo.train`; must be importable in another process.
        settings: have the batch sizes of a run in one process.

    Raises:
        CVRError: the error of the first process that failed.
        InputError: a batch cannot be divided among so many processes.
    """
    part = divided(settings, count)
    with socket.socket() as free:
        free.bind((HERE, 0))
        port = int(free.getsockname()[1])
    errors: Any = multiprocessing.get_context("spawn").SimpleQueue()
    threads = max(1, torch.get_num_threads() // count)
    try:
        run_in_processes(_take_part, (train, part, count, port, threads, errors), count)
    except (ProcessExitedException, ProcessRaisedException):
        # A process that waits for a failed one loses its connection, and torch may report that error first.
        if errors.empty():
            raise
        raise errors.get() from None


def divided(settings: Settings, count: int) -> Settings:
    """Return the settings of each of `count` processes.

    Raises:
        InputError: a batch cannot be divided among so many processes.
    """
    found = settings.model_copy(deep=True)
    sizes = [("grpo.trainer", found.grpo.trainer, "gradient_accumulation_steps", 1)]
    if found.sft is not None:
        sizes.append(("sft.trainer", found.sft.trainer, "per_device_train_batch_size", 8))
    for place, trainer, name, default in sizes:
        size = int(trainer.get(name, default))
        if size % count:
            raise InputError(
                f"{place}.{name}={size} cannot be divided among {count} processes.",
                fix=f"Set a multiple of {count}.",
            )
        trainer[name] = size // count
    return found


def _take_part(
    rank: int,
    train: Callable[[Settings], object],
    settings: Settings,
    count: int,
    port: int,
    threads: int,
    errors: Any,
) -> None:
    _end_with_parent()
    if count > 1:
        places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
        places |= {"MASTER_ADDR": HERE, "MASTER_PORT": port, "OMP_NUM_THREADS": threads}
        os.environ.update({name: str(value) for name, value in places.items()})
    torch.set_num_threads(threads)
    quiet()
    try:
        train(settings)
    except CVRError as error:
        errors.put(error)
        sys.exit(1)
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _end_with_parent() -> None:
    """Let SIGINT end this process at once, also in C code; it comes from the kernel when the parent has ended."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # it is ignored below a shell that runs a command in the background
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
