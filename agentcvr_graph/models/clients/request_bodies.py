"""Keep OpenAI's client from walking the pictures of a call.

The client walks the whole body of a request along the type hints of its parameters. A call with 128 frames takes a
tenth of a second of processor time that way, in which the event loop serves nobody else. The walk changes nothing in
messages that LangChain wrote in OpenAI's form, so they are put into the body as they are.
"""

from __future__ import annotations

from typing import Any


def with_messages_as_written(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call of OpenAI's client, with the messages in the part that it does not walk.

    >>> with_messages_as_written({"model": "m", "messages": [1]})
    {'model': 'm', 'messages': [], 'extra_body': {'messages': [1]}}
    """
    body: dict[str, Any] = {**(payload.get("extra_body") or {}), "messages": payload["messages"]}
    return {**payload, "messages": [], "extra_body": body}
