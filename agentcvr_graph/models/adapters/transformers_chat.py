"""A chat model of the `transformers` library in this process: a text model as master, or a vision model.

In: LangChain messages, pictures as base64 blocks, tools as schemas, and maybe a schema that constrains the reply. Out:
one AI message with its tool calls and its token counts. The model's chat template renders the input. Weights are loaded
once, at the first call. One worker thread loads and generates, so calls run one after another and never block the event
loop.

It does not stream, batch or return log probabilities. For speed, serve the model and give the server's address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from pydantic import PrivateAttr
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

from agentcvr_graph.errors import SetupError
from agentcvr_graph.models.adapters.grammar import Grammars
from agentcvr_graph.models.chat_base import ChatModelBase, ChatRequest
from agentcvr_graph.models.chat_format.read_turn import read_turn
from agentcvr_graph.models.chat_format.template_messages import template_messages
from agentcvr_graph.models.clients.errors import one_line
from agentcvr_graph.models.strings import GGUF

MAX_NEW_TOKENS = 1024
MAX_TIME_S = 120.0


@dataclass(frozen=True)
class Loaded:
    """A model with the tokenizer or processor that turns messages into its input."""

    model: Any
    template: Any
    """The processor of a vision model, the tokenizer of a text model: both have `apply_chat_template`."""
    sees: bool

    @property
    def tokenizer(self) -> Any:
        return self.template.tokenizer if self.sees else self.template

    @cached_property
    def grammars(self) -> Grammars:
        """The grammars that replies can be constrained to."""
        return Grammars(self.tokenizer, int(self.model.get_output_embeddings().weight.shape[0]))

    @property
    def knows_tools(self) -> bool:
        """Return whether the chat template itself renders tools."""
        return "tools" in str(self.template.chat_template or "")


class TransformersChat(ChatModelBase):
    """A model from a folder or a repository.

    A reply ends at `max_new_tokens` or after `max_time_s`, whichever comes first, because the worker thread cannot be
    stopped from outside. Decoding is greedy unless `temperature` is positive. The first call raises `SetupError` if
    the model cannot be loaded.
    """

    source: str
    max_new_tokens: int = MAX_NEW_TOKENS
    max_time_s: float = MAX_TIME_S
    temperature: float = 0.0
    trained_turns: int | None = None
    """Turns that the model was trained with as a master; a graph's runs have as many unless they state `max_turns`."""
    _loaded: Loaded | None = PrivateAttr(default=None)
    _worker: ThreadPoolExecutor = PrivateAttr(
        default_factory=lambda: ThreadPoolExecutor(max_workers=1, thread_name_prefix="transformers-chat")
    )

    def _reply(self, request: ChatRequest) -> AIMessage:
        return self._worker.submit(self._turn, request).result()

    async def _areply(self, request: ChatRequest) -> AIMessage:
        return await asyncio.wrap_future(self._worker.submit(self._turn, request))

    def _turn(self, request: ChatRequest) -> AIMessage:
        if self._loaded is None:
            self._loaded = load(self.source)
        inputs = encode(self._loaded, request.messages, list(request.tools) or None)
        prompt_tokens = int(inputs["input_ids"].shape[1])
        completion = self._sample(self._loaded, inputs, request.json_schema)[prompt_tokens:]
        tokens = cast(list[int], completion.tolist())  # pyright: ignore[reportUnknownMemberType]
        prompt = cast(list[int], inputs["input_ids"][0].tolist())
        message = read_turn(self._loaded.tokenizer, tokens, request.stop, prompt=prompt, tools=request.tools)
        message.usage_metadata = UsageMetadata(
            input_tokens=prompt_tokens, output_tokens=len(tokens), total_tokens=prompt_tokens + len(tokens)
        )
        return message

    def _sample(self, loaded: Loaded, inputs: Mapping[str, Any], schema: Mapping[str, Any] | None) -> torch.Tensor:
        """Return the ids of the prompt and the completion of one row. (n,)"""
        options: dict[str, Any] = {"do_sample": False}
        if self.temperature > 0:
            options = {"do_sample": True, "temperature": self.temperature}
        if schema is not None:
            options["logits_processor"] = [loaded.grammars.processor(schema, int(inputs["input_ids"].shape[1]))]
        pad = loaded.tokenizer.pad_token_id
        with torch.inference_mode():
            return loaded.model.generate(
                **inputs,
                **options,
                max_new_tokens=self.max_new_tokens,
                max_time=self.max_time_s,
                pad_token_id=loaded.tokenizer.eos_token_id if pad is None else pad,
            )[0]


def load(source: str) -> Loaded:
    """Load a model and its tokenizer or processor.

    Raises:
        SetupError: there is no such model, or it is not a chat model.
    """
    try:
        # transformers types its auto classes loosely; `Any` says so.
        place, options = _place_of(source)
        config = cast(Any, AutoConfig).from_pretrained(place, **options)
        sees = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
        family = cast(Any, AutoModelForImageTextToText if sees else AutoModelForCausalLM)
        device_map = "auto" if torch.cuda.is_available() else None
        model = family.from_pretrained(place, dtype="auto", device_map=device_map, **options)
        template = cast(Any, AutoProcessor if sees else AutoTokenizer).from_pretrained(place, **options)
    except (OSError, ValueError, ImportError) as error:
        raise SetupError(
            f"The model {source!r} cannot be loaded: {one_line(str(error))}",
            fix=_fix_for(error),
        ) from error
    if not template.chat_template:
        raise SetupError(f"The model {source!r} has no chat template.", fix="Use an instruction-tuned model.")
    return Loaded(model.eval(), template, sees)


def _place_of(source: str) -> tuple[str, dict[str, str]]:
    """Return where a model is, and the options that name its file there if it is a GGUF file."""
    path = Path(source)
    return (str(path.parent), {"gguf_file": path.name}) if path.suffix == GGUF else (source, {})


def _fix_for(error: Exception) -> str:
    if isinstance(error, ImportError) and "gguf" in str(error).lower():
        return "Install the package that reads GGUF files: pip install gguf"
    if "torchvision" in str(error).lower():  # the processors of some families (Qwen-VL) need it
        return "Install the torchvision that goes with your torch: pip install torchvision"
    return "Give a folder or a repository with a chat model that this version of transformers knows."


def encode(loaded: Loaded, messages: Sequence[BaseMessage], tools: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Return the model's input, rendered by its chat template, on its device."""
    native = loaded.knows_tools
    rows = template_messages(messages, tools=None if native else tools, sees=loaded.sees, native_tools=native)
    encoded = loaded.template.apply_chat_template(
        rows,
        tools=tools if native else None,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    return cast(dict[str, Any], dict(encoded.to(loaded.model.device)))
