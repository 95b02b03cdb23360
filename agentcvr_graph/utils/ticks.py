"""Tick marks of a time axis."""

from __future__ import annotations

_TICK_STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_MAX_TICKS = 6


def ticks(duration_s: float) -> list[tuple[float, str]]:
    """Return ticks at round times as (position in percent of the axis, label), with the end if there is room for it."""
    if duration_s <= 0:
        return []
    step_s = next((step for step in _TICK_STEPS_S if duration_s / step <= _MAX_TICKS), duration_s / _MAX_TICKS)
    times_s = [n * step_s for n in range(int(duration_s / step_s) + 1)]
    if duration_s - times_s[-1] > 0.6 * step_s:
        times_s.append(duration_s)
    return [(100 * time_s / duration_s, f"{time_s:.0f} s") for time_s in times_s]
