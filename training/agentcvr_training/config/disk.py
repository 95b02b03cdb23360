"""Predict the bytes that a run leaves on disk: checkpoints, the policy, and what it logs.

Weights are counted on torch's meta device, where they have a shape and a precision but no storage. The optimizer takes
one step there, so its state has the tensors of the real one, whichever optimizer is set. The small files of a folder
(tokenizer, configuration, arguments) are written to a temporary folder by their own writers, and measured. Only what
grows with the steps (trainer state, episodes, curves, reports) is estimated, from sizes that were measured.

DeepSpeed writes formats of its own, which are not predicted.
"""

# transformers and torch leave models, optimizers and their states open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import io
import json
import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

import torch
from torch.optim import Optimizer
from transformers import Trainer

from agentcvr_training._typed import adapt_model, model_of
from agentcvr_training.config.extensions import load_object
from agentcvr_training.config.loading import lora_config
from agentcvr_training.config.memory import trained_dtype
from agentcvr_training.config.settings import Model, Settings
from agentcvr_training.config.trainer_settings import sft_config
from agentcvr_training.trainer.data_order import steps_a_batch
from agentcvr_training.trainer.sharded_checkpoints import ADAPTER_NAME

Step = Literal["grpo", "sft"]
SAFETENSORS = {torch.float32: "F32", torch.bfloat16: "BF16"}
RANDOM_STATE, SCHEDULE = 14_391, 1_465
"""Bytes of `rng_state.pth` of one process, and of `scheduler.pt`."""
STATE, LOGGED = 750, {"grpo": 1_375, "sft": 250}
"""Bytes of `trainer_state.json` without steps, and of one logged step in it."""
CURVES = {"grpo": 212_000, "sft": 65_000}
EPISODE = 300
"""Bytes of a line of `episodes.jsonl`."""
FOLDER = 2_800
"""Bytes of `README.md` and `settings.json`."""


@dataclass(frozen=True)
class Disk:
    """Bytes of the folder of a finished run."""

    checkpoints: tuple[int, ...]
    """Of each checkpoint that is kept, the newest last."""
    policy: int
    logs: int
    """Of logs and curves; reports of trajectories and files of metric trackers come on top."""
    replaced: int = 0
    """Of the checkpoint that is removed once the last one is written; 0 if all are kept."""

    @property
    def all(self) -> int:
        """Return the bytes of the folder at the end."""
        return sum(self.checkpoints) + self.policy + self.logs

    @property
    def peak(self) -> int:
        """Return the most bytes at any time: a checkpoint is removed only after the next one is written."""
        return max(self.all, self.all - self.policy + self.replaced)


def disk_of(step: Step, settings: Settings, config: Any, tokenizer: Any, arguments: Any, steps: int) -> Disk:
    """Predict the folder of a run.

    Args:
        config: transformers' configuration of the model.
        arguments: of the trainer.
        steps: optimizer steps of the whole run.
    """
    plain = hollow_model(config, settings.model.dtype)
    model = trained_model(config, settings.model)
    weights, files = weights_bytes(model), small_files(model, tokenizer)
    optimizer = archive_bytes(optimizer_state(step, settings, model, arguments))
    state = STATE + SCHEDULE + RANDOM_STATE * _processes()
    fixed = weights + files + optimizer + state + archive_bytes(arguments)
    logged = LOGGED[step] / max(1, int(arguments.logging_steps))
    sizes = [round(fixed + logged * at) for at in saved_steps(arguments, steps)]
    kept = int(arguments.save_total_limit or len(sizes))
    merged = weights_bytes(plain) + small_files(plain, tokenizer) if settings.model.lora else 0
    logs = FOLDER + CURVES[step] + _episodes(step, arguments, steps)
    return Disk(tuple(sizes[-kept:]), weights + files + merged, logs, sizes[-kept - 1] if len(sizes) > kept else 0)


def saved_steps(arguments: Any, steps: int) -> list[int]:
    """Return the steps after which a checkpoint is written; the last one always has one."""
    if arguments.save_strategy.value == "no":
        return []
    every = int(arguments.save_steps)
    return sorted({*range(every, steps + 1, every), steps})


def sft_steps(settings: Settings) -> int | None:
    """Return the most steps of the warm start; None if there is none, or its demonstrations are not there yet."""
    if settings.sft is None:
        return None
    arguments = sft_config(settings)
    if arguments.max_steps > 0:
        return arguments.max_steps
    path = Path(settings.sft.demonstrations)
    if not path.is_file():
        return None
    with path.open("rb") as file:
        rows = sum(1 for _ in file)
    each = arguments.train_batch_size * arguments.gradient_accumulation_steps * _processes()
    return math.ceil(math.ceil(rows / each) * arguments.num_train_epochs)


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _episodes(step: Step, arguments: Any, steps: int) -> int:
    if step == "sft":
        return 0
    return EPISODE * steps * int(arguments.generation_batch_size or 0) // steps_a_batch(arguments)


def trained_model(config: Any, settings: Model) -> Any:
    """Return the model of a run on the meta device, in the precision in which its weights are trained.

    Raises:
        InputError: the adapter targets modules that the model does not have.
    """
    if settings.lora is None:
        return hollow_model(config, trained_dtype(settings))
    model = hollow_model(config, settings.dtype)
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return adapt_model(model, lora_config(settings.lora, model))


def hollow_model(config: Any, dtype: str) -> Any:
    """Return a model on the meta device."""
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return model_of(config).to(getattr(torch, dtype))


def weights_bytes(model: torch.nn.Module) -> int:
    """Return the bytes of the safetensors file of the trained weights: its header, and the weights."""
    header, end = dict[str, Any](__metadata__={"format": "pt"}), 0
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            start, end = end, end + weight.nbytes
            shape = {"dtype": SAFETENSORS[weight.dtype], "shape": list(weight.shape), "data_offsets": [start, end]}
            header[name.replace(ADAPTER_NAME, ".")] = shape
    return 8 + 8 * math.ceil(len(json.dumps(header, separators=(",", ":"))) / 8) + end


def optimizer_state(step: Step, settings: Settings, model: torch.nn.Module, arguments: Any) -> dict[str, Any]:
    """Return the state of the optimizer after one step, with tensors on the meta device.

    An optimizer that cannot be made here, such as one that needs a GPU, is counted as AdamW.
    """
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in trained:
        weight.grad = torch.empty_like(weight)
    try:
        optimizer = _optimizer(step, settings, model, trained, arguments)
        optimizer.step()
    except (RuntimeError, ValueError, ImportError):
        optimizer = torch.optim.AdamW(trained)
        optimizer.step()
    return optimizer.state_dict()


def _optimizer(
    step: Step, settings: Settings, model: torch.nn.Module, trained: list[torch.nn.Parameter], arguments: Any
) -> Optimizer:
    named = settings.sft.optimizer if step == "sft" and settings.sft else ""
    if named:
        factory, options = load_object(named, "sft.optimizer")(arguments)
    else:
        factory, options = Trainer.get_optimizer_cls_and_kwargs(arguments)
    if isinstance(factory, type) and issubclass(factory, Optimizer):
        made: Any = factory
        return made(trained, **{name: value for name, value in options.items() if name != "fused"})
    return factory()(model, **options)


def archive_bytes(value: Any) -> int:
    """Return the bytes of the file that `torch.save` writes for a value; tensors on the meta device count in full."""
    left_out = 0

    def hollow(part: Any) -> Any:
        nonlocal left_out
        if isinstance(part, dict):
            return {key: hollow(inner) for key, inner in cast(dict[Any, Any], part).items()}
        if isinstance(part, list):
            return [hollow(inner) for inner in cast(list[Any], part)]
        if isinstance(part, torch.Tensor) and part.is_meta and part.numel():
            left_out += part.nbytes - part.element_size()
            return torch.zeros((), dtype=part.dtype).expand(part.shape)  # one number, in any shape
        return part

    buffer = io.BytesIO()
    torch.save(hollow(value), buffer)
    return buffer.tell() + left_out


def small_files(model: Any, tokenizer: Any) -> int:
    """Return the bytes of everything but the weights in a folder of a model and its tokenizer."""
    # peft asks the Hub about the base model's embeddings unless they are left out.
    options = {"save_embedding_layers": False} if hasattr(model, "peft_config") else {}
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder, state_dict={}, **options)
        tokenizer.save_pretrained(folder)
        return sum(path.stat().st_size for path in Path(folder).iterdir() if path.suffix != ".safetensors")
