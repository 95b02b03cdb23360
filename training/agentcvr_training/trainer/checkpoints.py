"""Checkpoints of a run: which are complete, and how a user goes on after a run has stopped."""

from __future__ import annotations

from pathlib import Path
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
    changes = (
        f"--set {folder.name}.trainer.learning_rate={arguments.learning_rate / 3:.2g} "
        f"--set output={folder.parent}-restarted"
    )
    hint = f"Start again in another folder, with a lower learning rate (or another seed): {changes}."
    if checkpoint is None or (checkpoint / "adapter_config.json").exists():
        return hint
    return f"{hint} Add --set model.path={checkpoint} to start from the weights of step {checkpoint.name[11:]}."


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint."""
    return next((path for path in reversed(all_checkpoints(folder)) if (path / WHOLE).exists()), None)


def all_checkpoints(folder: Path) -> list[Path]:
    """Return all checkpoints, complete or not, by step."""
    found = [path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))
