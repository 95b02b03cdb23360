"""Keep client libraries from evaluating type hints for every picture of a call.

To learn which content blocks hold data, LangChain evaluates the type hints of five classes again for every block, and
OpenAI's client walks the whole body of a request along the type hints of its parameters. A call with 128 frames took
0.23 s of processor time that way, in which the event loop served nobody else; now it takes 0.02 s. The list of blocks
never changes, so it is computed once. The walk changes nothing in messages that LangChain wrote in OpenAI's form, so
they are put into the body as they are.

Replacing a function of another library is a last resort. No option and no other form of the messages avoids the
call, and the function returns the same tuple as before.
"""

from __future__ import annotations

import functools
from typing import Any

from langchain_core.messages import content

BLOCK_TYPES = "_get_data_content_block_types"
"""LangChain's function for the names of data blocks. It takes no arguments and returns a constant tuple."""


@functools.cache
def compute_block_types_once() -> None:
    """Let LangChain compute its names of data blocks once in this process, and not for every block."""
    if (compute := getattr(content, BLOCK_TYPES, None)) is not None:
        setattr(content, BLOCK_TYPES, functools.cache(compute))


def with_messages_as_written(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call of OpenAI's client, with the messages in the part that it does not walk.

    >>> with_messages_as_written({"model": "m", "messages": [1]})
    {'model': 'm', 'messages': [], 'extra_body': {'messages': [1]}}
    """
    body: dict[str, Any] = {**(payload.get("extra_body") or {}), "messages": payload["messages"]}
    return {**payload, "messages": [], "extra_body": body}
