"""Which attention a model uses during one pass, and which kinds of layers it has.

transformers reads the name of the attention implementation from the model's configuration at every forward pass. A
caller that needs another one for a while, such as the KV-cache slots, sets the name here and has it put back.
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
