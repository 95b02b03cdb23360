"""How many examples Hypothesis tries, where a test needs another number than its profile."""

from __future__ import annotations

from hypothesis import settings


def examples(count: int) -> int:
    """Return `count` in the profile `ci`, a third of it (at least 5) in `dev`."""
    return count if settings.get_current_profile_name() == "ci" else max(5, count // 3)
