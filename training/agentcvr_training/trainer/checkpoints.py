"""Checkpoints of a run: which are complete, and how a user goes on after a run has stopped."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Any

WHOLE = "whole"
"""Name of the empty file that marks a checkpoint as completely written."""
RESUME_HINT = "Give the same command again; it resumes from the last complete checkpoint."


def restart_hint(arguments: Any) -> str:
    """Return what to do after a step that failed: the same settings would fail again, and a run resumes with no others.

    Args:
        arguments: of the trainer, whose folder is `OUTPUT/grpo` or `OUTPUT/sft`.
    """
    folder, checkpoint = Path(arguments.output_dir), last_checkpoint(Path(arguments.output_dir))
    changes = {
        f"{folder.name}.trainer.learning_rate": f"{arguments.learning_rate / 3:.2g}",
        "output": f"{folder.parent}-restarted",
    }
    start = ""
    # The folder of an adapter alone is no model.
    if checkpoint is not None and not (checkpoint / "adapter_config.json").exists():
        changes["model.path"] = str(checkpoint)
        start = f", from the weights of step {checkpoint.name[11:]}"
    options = " ".join(f"--set {quote(f'{name}={value}')}" for name, value in changes.items())
    return f"Start again in another folder, with a lower learning rate (or another seed){start}: {options}"


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint."""
    return next((path for path in reversed(all_checkpoints(folder)) if (path / WHOLE).exists()), None)


def all_checkpoints(folder: Path) -> list[Path]:
    """Return all checkpoints, complete or not, by step."""
    found = [path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))
