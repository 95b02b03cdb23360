"""A run goes on only as what it was: the settings it was begun with lie beside its checkpoints.

Without this, a command with another seed or another batch would silently go on from the weights of the run before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from accelerate import PartialState

from agentcvr_graph.errors import InputError
from agentcvr_training.trainer.callbacks import last_checkpoint

FREE = frozenset({"held_out", "rollout.live_graphs", "rollout.engine", "rollout.held_out_temperature"}) | {
    f"grpo.{name}" for name in ("steps_between_galleries", "trajectories_shown")
}
FREE_OF_TRAINERS = frozenset({"max_steps", "num_train_epochs", "report_to", "run_name", "save_total_limit"}) | {
    "eval_steps",
    "eval_strategy",
    "logging_steps",
    "per_device_eval_batch_size",
    "save_steps",
}
"""What may change from one command to the next: where a run ends, and what is told of it on the way."""


def check_resume(folder: Path, settings: Mapping[str, Any]) -> None:
    """Compare with the settings that the checkpoints in a folder were made with; keep them where there are none yet.

    Args:
        settings: nested, of JSON values.

    Raises:
        InputError: something differs; names it.
    """
    path = folder / "settings.json"
    now = dict(_flat(settings))
    if last_checkpoint(folder) is not None and path.exists():
        before = cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                raise InputError(
                    f"The run in {folder} was begun with {name}={before.get(name)!r}, and now it is {now.get(name)!r}.",
                    fix="Give another `output`, remove that folder, or set it back.",
                )
    elif PartialState().is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        draft.write_text(json.dumps(now, indent=1), encoding="utf-8")
        draft.replace(path)


def _flat(values: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """The settings that may not change, by dotted name."""
    for name, value in values.items():
        dotted = f"{place}{name}"
        if dotted in FREE or (place.endswith("trainer.") and name in FREE_OF_TRAINERS):
            continue
        if isinstance(value, Mapping):
            yield from _flat(cast(Mapping[str, Any], value), f"{dotted}.")
        else:
            yield dotted, value
