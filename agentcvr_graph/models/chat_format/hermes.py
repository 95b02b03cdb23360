"""Tool calls as text, in the Hermes form that Qwen and many other open models were trained on.

`<tool_call>{"name": ..., "arguments": {...}}</tool_call>`. A chat template that supports tools renders calls and
replies itself; for one that does not, these functions put them into plain messages. Parsing is the same for both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import InvalidToolCall, ToolCall
from langchain_core.messages.tool import invalid_tool_call

INSTRUCTIONS = """\
# Tools

You may call one or more functions to assist with the user query. You are provided with function signatures within \
<tools></tools> XML tags:
<tools>
{schemas}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""
_CALL = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|(?=<tool_call>)|\Z)", re.S)


def instructions(tools: Sequence[Mapping[str, Any]]) -> str:
    """Return the text on tools for the system message if the template has none; worded as in Qwen's templates."""
    return INSTRUCTIONS.format(schemas="\n".join(json.dumps(tool) for tool in tools))


def call_text(name: str, arguments: Mapping[str, Any]) -> str:
    """Return a tool call as the model writes it."""
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def reply_text(reply: str) -> str:
    """Return a tool's reply as the text of a user message."""
    return f"<tool_response>\n{reply}\n</tool_response>"


def read_calls(text: str) -> tuple[str, list[ToolCall], list[InvalidToolCall]]:
    """Split a model's output into its text, its tool calls and its invalid tool calls."""
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for number, match in enumerate(_CALL.finditer(text)):
        call = _read_call(match[1], f"call_{number}")
        if call is None:
            problem = "not a JSON object with name and arguments"
            invalid.append(invalid_tool_call(name=None, args=match[1], id=f"call_{number}", error=problem))
        else:
            calls.append(call)
    return _CALL.sub("", text).strip(), calls, invalid


def _read_call(text: str, call_id: str) -> ToolCall | None:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):  # not JSON, a number of thousands of digits, or deep nesting
        return None
    if not isinstance(value, dict):
        return None
    call = cast(dict[str, Any], value)
    name, arguments = call.get("name"), call.get("arguments", call.get("parameters"))
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return None
    return ToolCall(name=name, args=cast(dict[str, Any], arguments), id=call_id)
