"""Load objects that a configuration names by import path, `package.module:name`.

A project supplies its own optimizer factory (`sft.optimizer`) or context around the loss (`model.forward_context`) this
way, so this package does not depend on any recipe.
"""

from __future__ import annotations

import importlib
from typing import Any

from agentcvr_graph.errors import InputError


def load_object(path: str, key: str) -> Any:
    """Import the object that a configuration names.

    Args:
        path: `package.module:name`.
        key: the dotted key of the configuration, for errors.

    Raises:
        InputError: the path is malformed, or there is no such module or name.
    """
    module, colon, name = path.partition(":")
    if not colon or not module or not name:
        raise InputError(f"{key}={path!r} is no import path.", fix="Write it as package.module:name.")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{key}={path!r}: there is no module {error.name!r}.",
            fix="Install its package, or add the folder that holds it to PYTHONPATH.",
        ) from error
    except AttributeError as error:
        raise InputError(f"{key}={path!r}: {module} has no {name!r}.") from error
