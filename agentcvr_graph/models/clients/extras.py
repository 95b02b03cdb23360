"""Import optional packages, or raise an error that names the extra to install."""

from __future__ import annotations

import importlib
from collections.abc import Generator
from contextlib import contextmanager

from agentcvr_graph.errors import missing_extra

OWN_PACKAGES = ("agentcvr_graph", "agentcvr_training")


def require(module: str, package: str, extra: str) -> None:
    """Import `module`.

    Raises:
        SetupError: it is not installed; the message names the extra that installs it.
    """
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise missing_extra(package, extra) from error


@contextmanager
def naming_extra(extra: str) -> Generator[None]:
    """Raise the import of a package that is not installed as an error that names the extra.

    Raises:
        SetupError: a package is not installed. An import that fails in this library itself passes unchanged.
    """
    try:
        yield
    except ImportError as error:
        if is_own(error):
            raise
        raise missing_extra(error.name or "a library", extra) from error


def is_own(error: ImportError) -> bool:
    """Return whether a module of this library is what could not be imported, which is a bug."""
    return (error.name or "").partition(".")[0] in OWN_PACKAGES
