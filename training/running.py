"""Running one of TRL's trainers to its end, and keeping what came of it."""

# TRL leaves its trainers open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from pathlib import Path
from typing import Any

from agentcvr_graph.errors import SetupError
from agentcvr_graph.models.failures import one_line


def run_trainer(trainer: Any, checkpoint: Path | None) -> None:
    """Train to the end; what the disk refuses is one clear line.

    Raises:
        SetupError: a checkpoint could not be written.
    """
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except OSError as error:
        raise SetupError(
            f"A checkpoint could not be written to {trainer.args.output_dir}: {one_line(str(error))}",
            fix="Make room and give the same command again; it goes on from the last whole checkpoint.",
        ) from error


def save(trainer: Any, tokenizer: Any, folder: Path) -> Path:
    """Write weights and tokenizer for serving; the folder."""
    trainer.save_model(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder
