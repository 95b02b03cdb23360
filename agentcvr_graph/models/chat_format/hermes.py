"""Tool calls as text, in the Hermes form that Qwen and many other open models were trained on.

`<tool_call>{"name": ..., "arguments": {...}}</tool_call>`. A chat template that supports tools renders calls and
replies itself; for one that does not, these functions put them into plain messages. Parsing is the same for both, and
reads the marked forms of other families too (`written_calls.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import InvalidToolCall, ToolCall
from langchain_core.messages.tool import invalid_tool_call

from agentcvr_graph.models.chat_format.signatures import described_signatures
from agentcvr_graph.models.chat_format.written_calls import said, written_calls

INSTRUCTIONS = """\
# Tools

Call one or more tools by writing, for each call, a JSON object within <tool_call></tool_call> tags:
<tool_call>
{{"name": NAME, "arguments": {{...}}}}
</tool_call>
The tools (? marks optional arguments):
{signatures}"""
_LEFT_OVER = re.compile(
    r"</?(?:tool_calls?|function(?:_calls?)?|minimax:tool_call)>|<[|\uff5c][^<>]{1,40}[|\uff5c]>|\[TOOL_CALLS\]"
)
"""Marks around calls, which are no text of the model."""


def instructions(tools: Sequence[Mapping[str, Any]]) -> str:
    """Return the text on tools for the system message if the template has none."""
    return INSTRUCTIONS.format(signatures=described_signatures(tool["function"] for tool in tools))


def call_text(name: str, arguments: Mapping[str, Any]) -> str:
    """Return a tool call as the model writes it."""
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def reply_text(reply: str) -> str:
    """Return a tool's reply as the text of a user message."""
    return f"<tool_response>\n{reply}\n</tool_response>"


def read_calls(text: str) -> tuple[str, list[ToolCall], list[InvalidToolCall]]:
    """Split a model's output into its text, its tool calls and its invalid tool calls.

    Calls are those behind a marker of tool calls, of any family; none in the model's reasoning.
    """
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    reply = said(text)
    words, position = [text.removesuffix(reply)] if text.endswith(reply) else [], 0
    for number, call in enumerate(call for call in written_calls(text, {}) if call.marked):
        call_id = f"call_{number}"
        if call.problem:
            raw = reply[call.start : call.end]
            invalid.append(invalid_tool_call(name=call.name, args=raw, id=call_id, error=call.problem))
        else:
            calls.append(ToolCall(name=call.name, args=call.arguments, id=call_id))
        words.append(reply[position : max(position, call.start)])
        position = max(position, call.end)
    if not calls and not invalid:
        return text.strip(), [], []
    words.append(reply[position:])
    return _LEFT_OVER.sub("", "".join(words)).strip(), calls, invalid
