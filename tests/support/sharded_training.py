"""Train with sharded weights (FSDP 2) in processes on CPU cores: `python -m tests.support.sharded_training sft CONFIG`.

accelerate shards over accelerators only. This module reports that each process has one, which changes neither the
device nor gloo.
"""

from __future__ import annotations

from typing import Any

from accelerate import PartialState
from accelerate.utils import DistributedType
from agentcvr_training.commands import app

ENVIRONMENT = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
}
"""What `accelerate launch` sets for `configs/accelerate/fsdp.yaml`."""


def shard_on_cpu() -> None:
    """Let accelerate shard over processes on CPU cores."""
    original = PartialState.__init__

    def initialize(self: PartialState, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_GPU

    PartialState.__init__ = initialize  # type: ignore[method-assign]


if __name__ == "__main__":
    shard_on_cpu()
    app()
