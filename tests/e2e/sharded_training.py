"""Two processes on CPU that train with FSDP2, or with DDP, over gloo.

The processes are forked from a server that has imported everything, so each training starts in a fresh process without
paying for the imports.
"""

from __future__ import annotations

import io
import math
import multiprocessing
import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import accelerate
import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType
from agentcvr_training import grpo, sft
from agentcvr_training.config.settings import load_settings
from agentcvr_training.inference.base import Call, Engine, Sampled
from agentcvr_training.trainer.callbacks import FiniteGradients
from agentcvr_training.trainer.run import quiet
from agentcvr_training.trainer.trainers import TrainingStopped
from rich.console import Console
from torch.distributed.fsdp import fully_shard

from tests.support.tiny_runs import ACTIONS

CONFIG = Path(sft.__file__).parent / "configs" / "accelerate" / "fsdp.yaml"
TRAININGS = {"sft": sft.warm_start, "grpo": grpo.train}
COUNT = 2
SECONDS = 240
ARGUMENTS = SimpleNamespace(output_dir="no/such/folder", learning_rate=0.1)


def train_in_two(kind: str, path: Path, *, sharded: bool) -> None:
    """Train in two processes with a configuration; `sharded` uses the shipped settings of FSDP2, else DDP.

    Raises:
        AssertionError: a process failed, or did not end in time.
    """
    run_in_two(_train, kind, path, sharded=sharded)


def run_in_two(function: Callable[..., None], *arguments: object, sharded: bool) -> None:
    """Run `function(*arguments)` in two processes that are connected over gloo.

    Raises:
        AssertionError: a process failed, or did not end in time.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    children = [
        context.Process(target=_take_part, args=(function, arguments, sharded, rank, port)) for rank in range(COUNT)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(SECONDS)
    states = [child.exitcode for child in children]
    for child in children:
        child.kill()
    assert states == [0] * COUNT


def _take_part(
    function: Callable[..., None], arguments: tuple[object, ...], sharded: bool, rank: int, port: int
) -> None:
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": COUNT, "LOCAL_WORLD_SIZE": COUNT}
    places |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": 1}
    places |= {"CUDA_VISIBLE_DEVICES": ""}
    if sharded:
        settings = load_config_from_file(str(CONFIG)).fsdp_config
        places |= {"ACCELERATE_USE_FSDP": "true", **{name.upper(): value for name, value in settings.items()}}
        _shard_on_cpu()
    os.environ.update({name: str(value) for name, value in places.items()})
    torch.set_num_threads(1)
    function(*arguments)
    torch.distributed.destroy_process_group()


def _train(kind: str, path: Path) -> None:
    quiet()
    grpo.make_engine_factory = _scripted
    TRAININGS[kind](load_settings(path), Console(file=io.StringIO()))


def spoil_one_part() -> None:
    """Make a gradient of sharded weights infinite in the second process only, and check that both processes stop."""
    rank = accelerate.PartialState(cpu=True).process_index
    net = torch.nn.Linear(2, 4, bias=False)
    fully_shard(net)
    net(torch.ones(1, 2)).sum().backward()
    check = partial(FiniteGradients().on_pre_optimizer_step, ARGUMENTS, SimpleNamespace(global_step=0), None, model=net)
    check()
    if rank == 1:
        net.weight.grad.to_local().fill_(math.inf)
    with pytest.raises(TrainingStopped, match=r"Step 1: the gradient of weight \(1 of the weights\)"):
        check()


def _shard_on_cpu() -> None:
    """Make accelerate shard on CPUs, which it does for its distributed types of accelerators only."""
    initialize = accelerate.PartialState.__init__

    def reported(self, *args, **kwargs):
        initialize(self, *args, **kwargs)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_GPU

    accelerate.PartialState.__init__ = reported


class ScriptedEngine:
    """An engine without weights: the seed of a call chooses the action."""

    def __init__(self, actions: list[int], end: int) -> None:
        self._actions = actions
        self._end = end

    async def sample(self, call: Call) -> Sampled:
        return Sampled([self._actions[call.seed % len(self._actions)], self._end], [-1.0, 0.0])

    def release(self, session: str) -> None:
        pass

    def __enter__(self) -> ScriptedEngine:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def _scripted(rollout, stop_ids):
    def engine(trainer) -> AbstractContextManager[Engine]:
        ids = trainer.processing_class.convert_tokens_to_ids(list(ACTIONS))
        return ScriptedEngine(ids, trainer.processing_class.eos_token_id)

    return engine
