"""Import optional packages, or raise an error that names the extra to install."""

from __future__ import annotations

import importlib

from agentcvr_graph.errors import missing_extra


def require(module: str, package: str, extra: str) -> None:
    """Import `module`.

    Raises:
        SetupError: it is not installed; the message names the extra that installs it.
    """
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise missing_extra(package, extra) from error
