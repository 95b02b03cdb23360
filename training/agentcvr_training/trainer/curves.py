"""Draw the curves of a run: one picture with a panel for each metric, training and held-out together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agentcvr_graph.utils.figures import new_figure
from agentcvr_graph.utils.files import atomic_write
from agentcvr_training.rewards import REWARDS, reward_metric

METRICS = {
    "turns": "turns",
    "frames": "frames",
    "audio_s": "seconds of sound",
    "entropy": "entropy (nats a token)",
    "completions/mean_length": "tokens sampled",
    "left_out": "share of them not trained on",
    "loss": "loss",
    "grad_norm": "gradient norm",
    "mean_token_accuracy": "token accuracy",
}
"""The title of each metric whose panel follows those of the rewards."""
COLUMNS = 4
HELD_OUT = "eval_"


def draw_curves(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the metrics that a trainer logged; the file is replaced atomically.

    Raises:
        SetupError: matplotlib is not installed.
    """
    drawn = {name: title for name, title in panels().items() if points(history, name)[0]}
    if not drawn:
        return
    rows = math.ceil(len(drawn) / COLUMNS)
    figure, axes = new_figure(rows, COLUMNS, size_in=(3.4 * COLUMNS, 2.5 * rows), dpi=110, extra="training")
    for (name, title), axis in zip(drawn.items(), axes, strict=False):
        steps, values = points(history, name)
        axis.plot(steps, values, color="#9db4d8", linewidth=0.9)
        axis.plot(steps, smoothed(values), color="#1f4e9c", linewidth=1.8, label="training")
        held_steps, held = points(history, f"{HELD_OUT}{name}")
        if held:
            axis.plot(held_steps, held, color="#d1495b", marker="o", markersize=3.5, linewidth=1.5, label="held out")
            axis.legend(fontsize=7, frameon=False)
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.25)
    for axis in axes[len(drawn) :]:
        axis.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, flush_to_disk=False) as draft:
        figure.savefig(draft, format="png")


def panels() -> dict[str, str]:
    """Return the title of each metric that is drawn, in order."""
    return {"reward": "reward", **{reward_metric(name): name for name in REWARDS}, **METRICS}


def points(history: Sequence[Mapping[str, Any]], name: str) -> tuple[list[int], list[float]]:
    """Return steps and values of a metric, without values that are not finite."""
    found = [(entry["step"], entry[name]) for entry in history if name in entry]
    kept = [
        (int(step), float(value)) for step, value in found if isinstance(value, int | float) and math.isfinite(value)
    ]
    return [step for step, _ in kept], [value for _, value in kept]


def smoothed(values: Sequence[float], keep: float = 0.8) -> list[float]:
    """Return the exponential moving average, without a bias towards zero at the start.

    >>> smoothed([1.0, 1.0, 1.0])
    [1.0, 1.0, 1.0]
    """
    out: list[float] = []
    total = weight = 0.0
    for value in values:
        total, weight = keep * total + (1 - keep) * value, keep * weight + (1 - keep)
        out.append(round(total / weight, 12))
    return out
