"""The resume check: a run resumes only with the settings it was started with, which are stored beside its checkpoints.

Without it, a command with another seed or another batch would silently resume from the weights of an earlier run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from accelerate import PartialState

from agentcvr_graph.utils.files import atomic_write_text
from agentcvr_graph.utils.resume import flatten_settings, require_same_settings
from agentcvr_training.trainer.checkpoints import last_checkpoint

FREE = frozenset({"held_out", "grpo.steps_between_reports", "grpo.trajectories_reported"}) | {
    f"rollout.{name}" for name in ("live_graphs", "engine", "held_out_temperature", "held_out_repetition_penalty")
}
FREE_OF_TRAINERS = frozenset({"max_steps", "num_train_epochs", "report_to", "run_name", "save_total_limit"}) | {
    "eval_steps",
    "eval_strategy",
    "logging_steps",
    "per_device_eval_batch_size",
    "save_steps",
}
"""Settings that may change between commands: where a run ends, and what it reports."""


def check_resume(folder: Path, settings: Mapping[str, Any]) -> None:
    """Compare the settings with those of the checkpoints in a folder; save them where there are none yet.

    Args:
        settings: nested, of JSON values.

    Raises:
        InputError: a setting differs; the message names it.
    """
    path = folder / "settings.json"
    now = {name: value for name, value in flatten_settings(settings) if not may_change(name)}
    if last_checkpoint(folder) is not None and path.exists():
        before = cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
        fix = "Give another `output`, remove that folder, or set it back."
        require_same_settings(folder, before, now, fix=fix)
    elif PartialState().is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write_text(path, json.dumps(now, indent=1))


def may_change(name: str) -> bool:
    """Return whether a setting, by its dotted name, may differ from one command to the next."""
    parts = name.split(".")
    groups = {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
    of_trainer = {inner for outer, inner in pairwise(parts) if outer == "trainer"}
    return not groups.isdisjoint(FREE) or not of_trainer.isdisjoint(FREE_OF_TRAINERS)
