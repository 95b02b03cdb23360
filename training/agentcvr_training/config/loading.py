"""Load the model, tokenizer and chat template that the settings name. Only this module reads weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from agentcvr_graph.errors import InputError, SetupError
from agentcvr_graph.models.clients.errors import one_line
from agentcvr_graph.models.providers.in_process import TRAINED_WITH, TrainedWith, checked_source
from agentcvr_training._typed import adapter_targets, read_model, read_tokenizer
from agentcvr_training.config.extensions import load_object
from agentcvr_training.config.settings import Lora, Model, Settings
from agentcvr_training.rollout.chat_format import ChatFormat

EVERYWHERE = "all-linear"
"""peft's name for all linear modules but the head."""


def load_model(settings: Model) -> Any:
    """Load the causal language model with its weights.

    Raises:
        SetupError: there is no such model.
    """
    source = checked_source(settings.path)
    try:
        return read_model(source, getattr(torch, settings.dtype))
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise SetupError(f"The model {settings.path!r} cannot be loaded: {one_line(str(error))}") from error


def load_policy(settings: Settings) -> Any:
    """Load the model to train. Its configuration states the turns of the training, and is saved with the weights.

    Raises:
        SetupError: there is no such model.
    """
    model = load_model(settings.model)
    setattr(model.config, TRAINED_WITH, TrainedWith(max_turns=settings.context.max_turns).model_dump())
    return model


class ModelUnavailableError(SetupError):
    """Raised when a model's files are not there yet: an earlier step writes them, or the Hub cannot be reached."""


def explain_load_error(what: str, error: BaseException) -> SetupError:
    """Return the one-line error for files of a model that could not be read; `what` names them."""
    message = f"{what} cannot be loaded: {one_line(str(error))}"
    if _hub_is_unreachable(error):
        return ModelUnavailableError(message, fix="Connect to the Hub once, or name a folder with model.path.")
    return SetupError(message)


def _hub_is_unreachable(error: BaseException | None) -> bool:
    """Whether huggingface_hub's "not in the cache, and no connection" is among the causes of an error."""
    while error is not None:
        if type(error).__name__ == "LocalEntryNotFoundError":
            return True
        error = error.__cause__ or error.__context__
    return False


def load_format(settings: Model) -> ChatFormat:
    """Load the tokenizer with its chat template, checked turn by turn.

    Raises:
        ModelUnavailableError: the tokenizer is not in the cache and the Hub cannot be reached.
        SetupError: there is no such tokenizer, or its template cannot be trained on.
        InputError: the template file is missing.
    """
    source = checked_source(settings.path)
    try:
        tokenizer: Any = read_tokenizer(source)
    except (OSError, ValueError, ImportError) as error:
        raise explain_load_error(f"The tokenizer of {settings.path!r}", error) from error
    return format_of(tokenizer, settings)


def format_of(tokenizer: Any, settings: Model) -> ChatFormat:
    """Return the format of a tokenizer, which gets the chat template and its variables from the settings.

    Raises:
        SetupError: the template cannot be trained on.
        InputError: the template file is missing.
    """
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    variables = _variables(settings.chat_template_kwargs)
    if tokenizer.chat_template:  # a policy that was saved here has them already
        tokenizer.chat_template = str(tokenizer.chat_template).removeprefix(variables)
    if settings.chat_template:
        tokenizer.chat_template = _template(settings.chat_template, tokenizer)
    if tokenizer.chat_template:
        tokenizer.chat_template = f"{variables}{tokenizer.chat_template}"
    return ChatFormat(tokenizer, settings.path)


def _variables(values: Mapping[str, bool | int | float | str]) -> str:
    """Return Jinja statements that set variables of a template.

    >>> _variables({"enable_thinking": False})
    '{%- set enable_thinking = false -%}\\n'

    Raises:
        InputError: a name is no variable.
    """
    wrong = next((name for name in values if not name.isidentifier()), None)
    if wrong is not None:
        raise InputError(f"model.chat_template_kwargs: {wrong!r} is no variable of a template.")
    return "".join(f"{{%- set {name} = {json.dumps(value)} -%}}\n" for name, value in values.items())


def _template(named: str, tokenizer: Any) -> str:
    if named == "training":
        from trl.chat_template_utils import get_training_chat_template

        try:
            return get_training_chat_template(tokenizer) or str(tokenizer.chat_template)
        except ValueError as error:
            raise SetupError(f"TRL has no training template for this model: {one_line(str(error))}") from error
    try:
        return Path(named).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"The chat template {named} cannot be read: {error.strerror}.") from error


def load_forward_context(settings: Model) -> Callable[[Any], AbstractContextManager[object]]:
    """Return the context manager for loss computations that the settings name; by default it does nothing.

    Raises:
        InputError: there is no such object.
    """
    path = settings.forward_context
    return load_object(path, "model.forward_context") if path else nullcontext


def lora_config(lora: Lora | None, model: Any) -> Any:
    """Return peft's configuration of the adapter; None to train all weights.

    Raises:
        InputError: the adapter targets modules that the model does not have.
    """
    if lora is None:
        return None
    from peft import LoraConfig

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
        task_type="CAUSAL_LM",
    )
    linear = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    if lora.targets != EVERYWHERE and not any(adapter_targets(config, name) for name in linear):
        raise InputError(
            f"model.lora.targets={lora.targets!r} names no modules of the model.",
            fix=f"Its linear modules are {', '.join(sorted({name.rpartition('.')[2] for name in linear}))}; "
            f"`{EVERYWHERE}` means all of them but the head.",
        )
    return config
