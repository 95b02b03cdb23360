"""Number of Hypothesis examples for tests that need another number than the profile's."""

from __future__ import annotations

from hypothesis import settings


def examples(count: int) -> int:
    """Return `count` in the profile `ci`, else a third of it (at least 5)."""
    return count if settings.get_current_profile_name() == "ci" else max(5, count // 3)
