"""Running one of TRL's trainers to its end, and keeping what came of it."""

# TRL and peft leave much open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import errno
import gc
import shutil
import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import datasets
from rich.console import Console
from safetensors import SafetensorError
from transformers import PrinterCallback
from transformers.utils import logging

from agentcvr_graph.utils.files import explain_disk_error
from agentcvr_training.config.loading import load_model
from agentcvr_training.config.settings import Model
from agentcvr_training.trainer.callbacks import Bar, last_checkpoint
from agentcvr_training.trainer.trainers import GO_ON

ADAPTER = "adapter"
"""The folder beside the merged weights that holds the adapter alone."""
DISK = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
    | {errno.EEXIST, errno.ENOTDIR, errno.EISDIR}
)
TORCH_WRITES = ("PytorchStreamWriter", "inline_container")
"""What torch's messages hold when a file cannot be written: it raises RuntimeError for that too."""


def quiet() -> None:
    """Leave the terminal to our own lines: no progress bars of libraries for every file that is read or written."""
    logging.disable_progress_bar()
    datasets.disable_progress_bars()
    # TRL 1.16 asks transformers under the names that it had before 5.18.
    warnings.filterwarnings("ignore", ".*gradient_checkpointing.*", FutureWarning)


def open_folder(folder: Path) -> Path:
    """The folder of a run, made where there is none.

    Raises:
        SetupError: it cannot be.
    """
    with explain_write_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def run_trainer(trainer: Any, console: Console) -> None:
    """Train to the end, from the last whole checkpoint where there is one.

    Raises:
        CVRError: a checkpoint could not be written, or training had to stop.
    """
    checkpoint = last_checkpoint(Path(trainer.args.output_dir))
    if checkpoint is not None and trainer.is_world_process_zero():
        console.print(f"going on from {checkpoint}")
    trainer.remove_callback(PrinterCallback)  # prints every metric as a dictionary
    bar = Bar(console)
    trainer.add_callback(bar)
    gc.freeze()  # scripts by the thousand stay to the end: the collector need not look at them again and again
    try:
        with explain_write_error(Path(trainer.args.output_dir)):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        gc.unfreeze()
        bar.close()


def explain_write_error(folder: Path) -> AbstractContextManager[None]:
    """Return a context in which a write that the disk refuses becomes one line.

    Raises:
        SetupError: something inside could not write.
    """
    return explain_disk_error(folder, f"Make room for them. {GO_ON}", _refused)


def _refused(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in DISK
    return isinstance(error, SafetensorError) or any(part in str(error) for part in TORCH_WRITES)


def save(trainer: Any, tokenizer: Any, folder: Path, settings: Model, console: Console) -> Path:
    """Write weights and tokenizer for serving, as `transformers:FOLDER` or by any server; the folder.

    It is there whole or not at all. An adapter is merged into the model that it was trained on and kept beside it.

    Raises:
        SetupError: the disk refuses it.
    """
    draft = folder.with_name(f"{folder.name}.part")
    with explain_write_error(folder):
        if trainer.is_world_process_zero():
            shutil.rmtree(draft, ignore_errors=True)
        trainer.accelerator.wait_for_everyone()
        # Every process has a part in gathering weights that are sharded.
        trainer.save_model(str(draft / ADAPTER if settings.lora else draft))
        trainer.accelerator.wait_for_everyone()
        if trainer.is_world_process_zero():
            if settings.lora:
                _merge(settings, draft)
            tokenizer.save_pretrained(str(draft))
            # Pickles with paths of this machine, of no use to whoever serves the policy.
            for path in draft.rglob("training_args.bin"):
                path.unlink()
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)
            console.print(f"saved to {folder}")
        trainer.accelerator.wait_for_everyone()
    return folder


def _merge(settings: Model, folder: Path) -> None:
    from peft import PeftModel

    adapted: Any = PeftModel.from_pretrained(load_model(settings), str(folder / ADAPTER))
    adapted.merge_and_unload().save_pretrained(str(folder))
