"""Split a chat template into turns: the prompt before the first turn, and the text between two turns.

A conversation is rendered once, for its first turn. After that only new text is rendered: the end of the sampled turn,
the environment's messages, the header of the next turn. Sampled turns are never rendered again, so their ids stay the
same. To find the new text, the environment's messages are rendered behind a marker that stands for the turn; what
follows the marker is the new text.

This works for every template that writes an assistant's content unchanged and whose later messages do not depend on
earlier ones. With a template that drops or rewrites earlier reasoning, the training rows would differ from the prompts
that the policy read; `check` raises an error for it that names a fix.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agentcvr_graph.errors import SetupError
from agentcvr_graph.models.chat_format.template_messages import template_messages

MARKER = "MARKERTURN"
PROBE_THOUGHT = "<think>\nfirst look\n</think>\n\nthen say"
Tools = list[dict[str, Any]] | None


class ChatFormat:
    """The turns of one tokenizer's chat template.

    Args:
        tokenizer: has a chat template, whose end-of-turn token becomes one of `stop_ids`.
        name: name of the model in errors.

    Raises:
        SetupError: there is no template, or it changes earlier turns.
    """

    def __init__(self, tokenizer: Any, name: str = "") -> None:
        self.tokenizer = tokenizer
        self.name = name or str(getattr(tokenizer, "name_or_path", "")) or "the model"
        if not tokenizer.chat_template:
            raise SetupError(f"{self.name} has no chat template.", fix="Use an instruction-tuned model.")
        self.native_tools = "tools" in str(tokenizer.chat_template)
        self.check()

    @cached_property
    def end_of_turn(self) -> list[int]:
        """Return the ids with which the template closes a turn; a policy samples the first of them to end it."""
        return self._encode(self._after_marker([], prompt=False))

    @property
    def stop_ids(self) -> list[int]:
        """Return the tokens that end a turn."""
        own = self.tokenizer.eos_token_id
        return sorted({self.end_of_turn[0], *([own] if own is not None else [])})

    def prompt_ids(self, messages: Sequence[BaseMessage], tools: Tools) -> list[int]:
        """Return the ids of a whole prompt, for the first turn of a conversation."""
        return self._encode(self._render(messages, tools, prompt=True))

    def environment_ids(self, sampled: Sequence[int], messages: Sequence[BaseMessage]) -> list[int]:
        """Return the ids between a sampled turn and the next: the missing part of the turn's end, then the messages."""
        ids = self._encode(self._after_marker(messages, prompt=True))
        return ids[1:] if sampled and sampled[-1] == ids[0] else ids

    def turn_ids(self, message: AIMessage) -> list[int]:
        """Return the ids of a turn as a policy would have sampled it, with its end token; for demonstrations."""
        question = [HumanMessage("?")]
        before, whole = (
            self._render(question, None, prompt=True),
            self._render([*question, message], None, prompt=False),
        )
        text = whole.removeprefix(before).removesuffix(self._turn_end)
        return [*self._encode(text), self.end_of_turn[0]]

    def check(self) -> None:
        """Check that prompts built turn by turn equal what the template renders at once.

        Raises:
            SetupError: they differ; the message shows where.
        """
        call = {"name": "observe", "args": {"focus": "x"}, "id": "call_1"}
        question: list[BaseMessage] = [HumanMessage("question")]
        seen: list[BaseMessage] = [ToolMessage("seen", tool_call_id="call_1", name="observe"), HumanMessage("go on")]
        # A template whose thinking is turned off opens every turn with a closed thought.
        closed = self._render(question, None, prompt=True).rstrip().endswith("</think>")
        texts = ("",) if closed else ("", PROBE_THOUGHT)
        turns = [AIMessage(text, tool_calls=calls) for text in texts for calls in ([], [call])]
        for turn in turns:
            before = self._render([*question], None, prompt=True)
            alone = self._render([*question, turn], None, prompt=False)
            later = self._render([*question, turn, *seen], None, prompt=True)
            if not alone.startswith(before):
                raise self._unfit("opens a turn otherwise than it writes it afterwards", before, alone)
            if not later.startswith(alone):
                raise self._unfit("changes a turn when others follow it", alone, later)
            if later != alone[: -len(self._turn_end)] + self._after_marker(seen, prompt=True):
                raise self._unfit("writes replies that depend on the turns before", later, alone)

    def _unfit(self, what: str, one: str, other: str) -> SetupError:
        place = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
        return SetupError(
            f"The chat template of {self.name} cannot be trained on turn by turn: it {what} "
            f"({one[place - 20 : place + 20]!r} against {other[place - 20 : place + 20]!r}).",
            fix="Give one that keeps every turn as it was with --set model.chat_template=FILE, or TRL's own version of "
            "it, where there is one, with --set model.chat_template=training.",
        )

    @cached_property
    def _turn_end(self) -> str:
        return self._after_marker([], prompt=False)

    def _after_marker(self, messages: Sequence[BaseMessage], *, prompt: bool) -> str:
        text = self._render([HumanMessage("?"), AIMessage(MARKER), *messages], None, prompt=prompt)
        before, found, after = text.partition(MARKER)
        if not found or not after or MARKER in after or not before:
            raise SetupError(
                f"The chat template of {self.name} does not write an assistant's turn as it is.",
                fix="Give another with --set model.chat_template=FILE.",
            )
        return after

    def _render(self, messages: Sequence[BaseMessage], tools: Tools, *, prompt: bool) -> str:
        native = self.native_tools
        rows = template_messages(messages, tools=None if native else tools, sees=False, native_tools=native)
        return str(
            self.tokenizer.apply_chat_template(
                rows, tools=tools if native else None, add_generation_prompt=prompt, tokenize=False
            )
        )

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))
