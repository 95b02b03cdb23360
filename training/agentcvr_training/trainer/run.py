"""Run one of TRL's trainers to the end, and save the policy."""

from __future__ import annotations

import errno
import gc
import shutil
import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import datasets
from huggingface_hub import logging as hub_logging
from rich.console import Console
from safetensors import SafetensorError
from transformers import PrinterCallback
from transformers.utils import logging

from agentcvr_graph.utils.files import explain_disk_error
from agentcvr_training._typed import read_adapted_model
from agentcvr_training.config.loading import load_policy
from agentcvr_training.config.settings import Settings
from agentcvr_training.trainer.callbacks import TrainingProgress
from agentcvr_training.trainer.checkpoints import RESUME_HINT, last_checkpoint

ADAPTER = "adapter"
"""The folder beside the merged weights that holds the adapter alone."""
DISK = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
    | {errno.EEXIST, errno.ENOTDIR, errno.EISDIR}
)
FULL = "Make room for them."
ELSEWHERE = "Name another folder, or allow writing to this one."
IN_THE_WAY = "Name another folder, or move what is in the way."
ADVICE = {
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), ELSEWHERE),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR, errno.EISDIR), IN_THE_WAY),
}
"""What to do about a refused write that more room would not help."""
TORCH_WRITES = ("PytorchStreamWriter", "inline_container")
"""Parts of the messages of the RuntimeError that torch raises if a file cannot be written."""


def quiet() -> None:
    """Turn off the libraries' progress bars for files, the Hub's lines about retries, and a warning that TRL causes.

    What the Hub does not deliver is one error in the end.
    """
    hub_logging.set_verbosity_error()
    logging.disable_progress_bar()
    datasets.disable_progress_bars()
    # TRL 1.16 uses names of transformers from before 5.18.
    warnings.filterwarnings("ignore", ".*gradient_checkpointing.*", FutureWarning)


def open_folder(folder: Path) -> Path:
    """Return the folder of a run; create it if there is none.

    Raises:
        SetupError: the folder cannot be created.
    """
    with explain_write_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def run_trainer(trainer: Any, console: Console) -> None:
    """Train to the end, from the last complete checkpoint if there is one.

    Raises:
        CVRError: a checkpoint could not be written, or training had to stop.
    """
    checkpoint = last_checkpoint(Path(trainer.args.output_dir))
    if checkpoint is not None and trainer.is_world_process_zero():
        console.print(f"resuming from {checkpoint}")
    trainer.remove_callback(PrinterCallback)  # prints every metric as a dictionary
    bar = TrainingProgress(console)
    trainer.add_callback(bar)
    gc.freeze()  # thousands of scripts stay alive to the end, so the collector need not scan them
    try:
        with explain_write_error(Path(trainer.args.output_dir)):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        gc.unfreeze()
        bar.close()


def explain_write_error(folder: Path) -> AbstractContextManager[None]:
    """Return a context manager that reports a failed write to disk as a one-line error.

    Raises:
        SetupError: the block could not write.
    """
    return explain_disk_error(folder, _advice, _refused)


def _advice(error: Exception) -> str:
    found = ADVICE.get(error.errno or 0, FULL) if isinstance(error, OSError) else FULL
    return f"{found} {RESUME_HINT}" if found == FULL else found


def _refused(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in DISK
    return isinstance(error, SafetensorError) or any(part in str(error) for part in TORCH_WRITES)


def save(trainer: Any, tokenizer: Any, folder: Path, settings: Settings, console: Console) -> Path:
    """Write weights and tokenizer in the format that `transformers:FOLDER` and servers load; return the folder.

    The folder appears when it is complete. An adapter is merged into its base model, and also stored in `ADAPTER`.

    Raises:
        SetupError: the folder cannot be written.
    """
    draft = folder.with_name(f"{folder.name}.part")
    with explain_write_error(folder):
        if trainer.is_world_process_zero():
            shutil.rmtree(draft, ignore_errors=True)
        trainer.accelerator.wait_for_everyone()
        # Every process takes part in gathering sharded weights.
        trainer.save_model(str(draft / ADAPTER if settings.model.lora else draft))
        trainer.accelerator.wait_for_everyone()
        if trainer.is_world_process_zero():
            if settings.model.lora:
                _merge(settings, draft)
            tokenizer.save_pretrained(str(draft))
            # Pickles with local paths, not needed for serving.
            for path in draft.rglob("training_args.bin"):
                path.unlink()
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)
            console.print(f"saved to {folder}")
        trainer.accelerator.wait_for_everyone()
    return folder


def _merge(settings: Settings, folder: Path) -> None:
    adapted = read_adapted_model(load_policy(settings), str(folder / ADAPTER))
    adapted.merge_and_unload().save_pretrained(str(folder))
