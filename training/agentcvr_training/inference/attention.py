"""Set a model's attention implementation for a block of code, and list its kinds of layers.

transformers reads the name of the attention implementation from the model's configuration at every forward pass.
`use_attention` replaces the name, for example for the KV-cache slots, and restores it afterwards.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

FULL = "full_attention"
"""transformers' name for layers that attend to all earlier positions."""


@contextmanager
def use_attention(model: Any, name: str | None) -> Generator[None]:
    """Run the block with another attention implementation of transformers; None keeps the model's own."""
    config: Any = model.config.get_text_config()
    before = config._attn_implementation
    config._attn_implementation = name or before
    try:
        yield
    finally:
        config._attn_implementation = before


def layer_kinds(config: Any) -> set[str]:
    """Return the kinds of layers of a model, as transformers names them."""
    return set(getattr(config.get_text_config(), "layer_types", None) or [FULL])
