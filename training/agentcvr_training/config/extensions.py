"""Load objects that a configuration names by import path, `package.module:name`.

A project supplies its own tools (`tools`), optimizer factory (`sft.optimizer`), context around the loss
(`model.forward_context`) or parent graph (`make_graph` of an adapter) this way, so this package does not depend on any
recipe.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from pydantic import AfterValidator

from agentcvr_graph.errors import InputError
from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.tools import TOOLS, ToolSchema, Toolset
from agentcvr_graph.tools.features import features_named
from agentcvr_graph.tools.spec import AnyTool


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


def load_tools(path: str, key: str) -> Toolset:
    """Import a list of tools.

    Args:
        path: `package.module:name`.
        key: the dotted key of the configuration, for errors.

    Raises:
        InputError: as `load_object`, or the object is no list of tools.
        SetupError: the tools do not fit together.
    """
    found = load_object(path, key)
    tools = list(cast(Iterable[object], found)) if isinstance(found, Iterable) else []
    if not tools or not all(isinstance(tool, ToolSchema) for tool in tools):
        raise InputError(
            f"{key}={path!r} is no list of tools.", fix="Write it as MY_TOOLS = [*agentcvr_graph.tools.TOOLS, MY_TOOL]."
        )
    return Toolset(cast(list[AnyTool], tools))


def load_graph_factory(path: str) -> Callable[..., Any]:
    """Import a function that makes a graph, such as a parent graph; an empty path names the library's graph.

    Raises:
        InputError: as `load_object`.
    """
    return load_object(path, "make_graph") if path else create_cvr_graph


def with_features(names: Sequence[str], tools: Iterable[AnyTool] = TOOLS) -> Toolset:
    """Return tools with features of the library.

    Raises:
        InputError: there is no such feature.
        SetupError: the tools do not fit together.
    """
    features = features_named(names, "features")
    return Toolset(features.apply(tools), features.judge)


def checked(use: Callable[[Any], Any]) -> AfterValidator:
    """Return a validator of a setting that keeps its value and raises the InputError of `use`."""

    def check(value: Any) -> Any:
        use(value)
        return value

    return AfterValidator(check)
