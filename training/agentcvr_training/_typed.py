"""Typed wrappers for functions of transformers, datasets, peft, accelerate and torch that are only partly typed.

The rest of the package calls these wrappers, so pyright can check it strictly. Models, tokenizers and configurations of
transformers stay `Any`, because their attributes differ between architectures.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from torch.multiprocessing.spawn import spawn
from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM, AutoTokenizer

from agentcvr_graph.utils.worker_processes import hidden_from_ctrl_c

Item = TypeVar("Item")


def dataset_of_columns(columns: Mapping[str, Sequence[Any]]) -> Dataset:
    """Return a dataset with the given columns."""
    return Dataset.from_dict(dict(columns))


def dataset_of_rows(rows: Sequence[Mapping[str, Any]]) -> Dataset:
    """Return a dataset with the given rows."""
    return Dataset.from_list([dict(row) for row in rows])


def gather(items: Sequence[Item]) -> list[Item]:
    """Return the items of all processes, in the order of the processes."""
    return list(gather_object(list(items)))


def read_model_config(source: str) -> Any:
    """Return the configuration of a model, from a folder or the Hub."""
    return AutoConfig.from_pretrained(source)


def read_model(source: str, dtype: torch.dtype) -> Any:
    """Return a causal language model with its weights, from a folder or the Hub."""
    return AutoModelForCausalLM.from_pretrained(source, dtype=dtype)


def model_of(config: Any) -> Any:
    """Return a causal language model of a configuration, with untrained weights."""
    return AutoModelForCausalLM.from_config(config)


def read_tokenizer(source: str) -> Any:
    """Return a tokenizer, from a folder or the Hub."""
    return AutoTokenizer.from_pretrained(source)


def read_adapted_model(model: Any, folder: str) -> Any:
    """Return a model with the peft adapter from a folder."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, folder)


def adapt_model(model: Any, adapter: Any) -> Any:
    """Return a model with a new peft adapter."""
    from peft import get_peft_model

    return get_peft_model(model, adapter)


def adapter_targets(adapter: Any, module: str) -> bool:
    """Return whether a peft adapter applies to the module of that name."""
    from peft.tuners.tuners_utils import check_target_module_exists

    return bool(check_target_module_exists(adapter, module))


def register_attention(name: str, function: Callable[..., tuple[torch.Tensor, None]]) -> None:
    """Register an attention function with transformers under a name."""
    AttentionInterface.register(name, function)


def run_in_processes(function: Callable[..., None], arguments: tuple[Any, ...], count: int) -> None:
    """Run `function(rank, *arguments)` in new processes and wait for them; end them if waiting is interrupted.

    SIGINT is blocked in them. torch lets the kernel send it when this process ends, so the function has to unblock it.
    """
    with hidden_from_ctrl_c():
        running = spawn(function, arguments, nprocs=count, join=False)
    assert running is not None
    processes: list[Any] = running.processes
    try:
        while not running.join():
            pass
    finally:
        for process in processes:
            process.kill()


def rows_of_tensor(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return views of the rows of a tensor, each with its leading dimension kept."""
    return tuple(tensor.split(1))


def integers(tensor: torch.Tensor) -> list[int]:
    """Return the values of a one-dimensional tensor of integers."""
    return [int(value) for value in tensor.tolist()]


def floats(tensor: torch.Tensor) -> list[float]:
    """Return the values of a one-dimensional tensor of floats."""
    return [float(value) for value in tensor.tolist()]
