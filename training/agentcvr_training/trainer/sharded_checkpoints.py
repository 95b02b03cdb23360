"""Checkpoints of sharded weights (FSDP 2), which hold every weight once.

transformers writes whole weights twice: as `model.safetensors`, which `from_pretrained` and servers read, and as
`pytorch_model_fsdp.bin`, which it resumes from. Here the first file is the only one, and a run resumes from it. It
holds the weights in the precision in which they are trained, so a resume stays exact.

Only whole weights are handled (`fsdp_state_dict_type: FULL_STATE_DICT`). With sharded files, FSDP 1 or DeepSpeed,
transformers writes and reads its own formats.
"""

# transformers leaves its trainer open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import save_fsdp_optimizer
from safetensors.torch import load_file
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.fsdp import StateDictType

from agentcvr_graph.errors import SetupError

ADAPTER_NAME = ".default."
"""The part that peft's names of weights have in a model, and not in a file."""


class WeightsOnce:
    """Mixin for transformers' `Trainer`: a checkpoint of a sharded model holds its weights once."""

    args: Any
    accelerator: Any
    optimizer: Any
    lr_scheduler: Any

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """Write the optimizer and the schedule; `save_model` has written the weights."""
        if not self._gathers_weights():
            super()._save_optimizer_and_scheduler(output_dir)  # type: ignore[misc]
            return
        plugin, wrapped = self.accelerator.state.fsdp_plugin, self.model_wrapped  # type: ignore[attr-defined]
        several = self.accelerator.num_processes > 1
        plugin.state_dict_config.offload_to_cpu = plugin.state_dict_config.rank0_only = several
        save_fsdp_optimizer(plugin, self.accelerator, self.optimizer, wrapped, output_dir)
        if self.args.should_save:
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / "scheduler.pt")

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Read the weights of a checkpoint."""
        if not self._gathers_weights():
            super()._load_from_checkpoint(resume_from_checkpoint, model)  # type: ignore[misc]
            return
        wrapped = self.model_wrapped if model is None else model  # type: ignore[attr-defined]
        self.accelerator.wait_for_everyone()
        found: dict[str, Any] = {}
        if self.accelerator.is_main_process:
            found = dict(read_weights(Path(resume_from_checkpoint), wrapped))
        several = self.accelerator.num_processes > 1
        options = StateDictOptions(
            full_state_dict=True, cpu_offload=several, broadcast_from_rank0=several, strict=False
        )
        set_model_state_dict(wrapped, found, options=options)
        self.accelerator.wait_for_everyone()

    def _gathers_weights(self) -> bool:
        plugin = getattr(self.accelerator.state, "fsdp_plugin", None)
        return (
            plugin is not None and plugin.fsdp_version == 2 and plugin.state_dict_type == StateDictType.FULL_STATE_DICT
        )


def read_weights(folder: Path, model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the trained weights of a checkpoint by their names in the model.

    Raises:
        SetupError: a trained weight is missing.
    """
    read = {name: weight for path in folder.glob("*.safetensors") for name, weight in load_file(path).items()}
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    missing = [name for name in trained if name.replace(ADAPTER_NAME, ".") not in read]
    if missing:
        raise SetupError(
            f"The checkpoint {folder} lacks {_some(missing)} of the model.", fix="Remove it; the one before is used."
        )
    return {name: read[name.replace(ADAPTER_NAME, ".")] for name in trained}


def _some(names: Iterable[str]) -> str:
    first, *others = names
    return f"{first} and {len(others)} more weights" if others else first
