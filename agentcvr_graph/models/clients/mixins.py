"""Add behaviour to a chat model that another library made: a copy whose class also inherits from a mixin."""

from __future__ import annotations

import functools
from typing import Any, cast

from langchain_core.language_models import BaseChatModel


def with_mixin(model: BaseChatModel, mixin: type, **update: Any) -> BaseChatModel:
    """Return a copy of a model with the methods of a mixin before its own.

    Args:
        update: fields that the copy has another value of.
    """
    copy = model.model_copy(update=update)
    object.__setattr__(copy, "__class__", _mixed(mixin, type(model)))
    return copy


@functools.cache
def _mixed(mixin: type, kind: type[BaseChatModel]) -> type[BaseChatModel]:
    made = type(kind.__name__, (mixin, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})
    return cast(type[BaseChatModel], made)
