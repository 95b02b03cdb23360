"""Load librosa once: threads that import it for the first time at the same time fail, because scipy imports itself."""

from __future__ import annotations

import importlib
import threading

_loading = threading.Lock()


def load_librosa() -> None:
    """Import the parts of librosa that this package uses; other threads wait until they are complete."""
    with _loading:
        for name in ("core", "effects", "feature"):
            importlib.import_module(f"librosa.{name}")
