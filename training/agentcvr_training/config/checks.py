"""Check everything about a configuration that can be checked without loading weights, in the order of a run."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trl.trainer.grpo_config import GRPOConfig

from agentcvr_graph.errors import InputError, SetupError
from agentcvr_graph.models.providers.in_process import checked_source
from agentcvr_graph.perception.noise import resolve_noise
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_training._typed import read_model_config
from agentcvr_training.config.extensions import load_object
from agentcvr_training.config.loading import (
    ModelUnavailableError,
    explain_load_error,
    load_format,
    load_forward_context,
)
from agentcvr_training.config.memory import Sizes, shards_here, sizes_of
from agentcvr_training.config.settings import Settings
from agentcvr_training.config.trainer_settings import grpo_config, sft_config
from agentcvr_training.inference.base import Call, Sampled, Sampling
from agentcvr_training.inference.factory import SHARDED, SHARDED_FIX, make_engine_factory
from agentcvr_training.inference.kv_slots import check_layers
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.episodes import RolloutRunner, RolloutTask
from agentcvr_training.rollout.policy import PolicyChatModel
from agentcvr_training.trainer.data_order import script_order

ANY_LENGTH = 10**9


@dataclass(frozen=True)
class CheckedSettings:
    """A valid configuration, as far as it can be checked without the files of its model."""

    arguments: GRPOConfig
    scripts: list[Script]
    held_out: list[Script]
    order: list[str]
    """Ids of the scripts in training order."""


@dataclass(frozen=True)
class Checked(CheckedSettings):
    """A valid configuration, with what the checks read."""

    form: ChatFormat
    config: Any
    """transformers' configuration of the model."""
    sizes: Sizes
    first_prompt_tokens: int
    """Tokens of the longest first prompt."""


def check(settings: Settings) -> Checked:
    """Check a configuration.

    Raises:
        CVRError: the first error that is found.
    """
    return check_model(settings, check_settings(settings))


def check_settings(settings: Settings) -> CheckedSettings:
    """Check everything that needs neither tokenizer nor model.

    Raises:
        CVRError: the first error that is found.
    """
    arguments = grpo_config(settings)
    if settings.sft is not None:
        sft_config(settings)
        if settings.sft.optimizer:
            load_object(settings.sft.optimizer, "sft.optimizer")
    load_forward_context(settings.model)
    settings.load_tools()
    settings.reward.resolve()
    resolve_noise(settings.rollout.noise)
    _check_output(Path(settings.output))
    scripts, held_out = settings.load_scripts()
    return CheckedSettings(arguments, scripts, held_out, script_order([script.id for script in scripts], arguments))


def check_model(settings: Settings, checked: CheckedSettings) -> Checked:
    """Check the tokenizer, its chat template and the shape of the model against the configuration.

    Raises:
        ModelUnavailableError: an earlier step of the recipe has to write the model, or its files are not in the cache
            and the Hub cannot be reached.
        CVRError: the first error that is found.
    """
    _check_earlier_step(settings)
    form = load_format(settings.model)
    config = _model_config(settings)
    _check_model(settings, form, config)
    make_engine_factory(settings.rollout, form.stop_ids)
    return Checked(
        checked.arguments,
        checked.scripts,
        checked.held_out,
        checked.order,
        form,
        config,
        sizes_of(config, settings.model.lora),
        _longest_first_prompt(settings, form, checked.scripts),
    )


def _check_earlier_step(settings: Settings) -> None:
    """Check that a model inside the output folder, which only an earlier step can have written, is there."""
    model = Path(settings.model.path)
    if Path(settings.output) in model.parents and not model.exists():
        raise ModelUnavailableError(
            f"The model folder {model} is not there yet: an earlier step writes it.",
            fix="The comment at the top of the configuration says which. Check again after it, or name "
            "another model with --set model.path=FOLDER.",
        )


def _check_output(folder: Path) -> None:
    """Check that the output folder can be written, without creating it."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        what = "cannot be written" if existing.is_dir() else "is a file"
        raise InputError(f"output={str(folder)!r}: {existing} {what}.", fix="Name another folder with `output`.")


def _model_config(settings: Settings) -> Any:
    try:
        return read_model_config(checked_source(settings.model.path))
    except (OSError, ValueError) as error:
        raise explain_load_error(f"The model {settings.model.path!r}", error) from error


def _check_model(settings: Settings, form: ChatFormat, config: Any) -> None:
    """Check that model, tokenizer, engine and lengths fit together."""
    text = config.get_text_config()
    if len(form.tokenizer) > text.vocab_size:
        raise SetupError(
            f"The tokenizer of {settings.model.path!r} has {len(form.tokenizer)} tokens, its model {text.vocab_size}.",
            fix="Take both from one release.",
        )
    positions = getattr(text, "max_position_embeddings", None)
    if positions is not None and settings.rollout.max_length > positions:
        raise InputError(
            f"rollout.max_length={settings.rollout.max_length} is more than the {positions} positions of "
            f"{settings.model.path!r}.",
            fix=f"Set {positions} or less.",
        )
    if settings.rollout.engine == "cached":
        check_layers(config)
    if settings.rollout.engine != "vllm" and shards_here() > 1:
        raise SetupError(SHARDED, fix=SHARDED_FIX)


class _SilentEngine:
    """An engine that samples empty turns."""

    def __init__(self, end: int) -> None:
        self._end = end

    async def sample(self, call: Call) -> Sampled:
        return Sampled([self._end], [0.0])

    def release(self, session: str) -> None:
        pass


def _longest_first_prompt(settings: Settings, form: ChatFormat, scripts: list[Script]) -> int:
    """Return the tokens of the first prompt of the script with the longest question, as the graph writes it."""
    script = max(scripts, key=lambda one: len(one.as_question().model_dump_json()))
    policy = PolicyChatModel(
        engine=_SilentEngine(form.end_of_turn[0]), form=form, sampling=Sampling(), max_length=ANY_LENGTH
    )
    perception = ScriptedPerception(ScriptLibrary.of([script]), settings.rollout.noise)
    (episode,) = asyncio.run(
        RolloutRunner(policy, perception, settings.context, tools=settings.load_tools()).run(
            [RolloutTask(script, settings.seed)]
        )
    )
    tokens = len(episode.rows[0].prompt_ids)
    if tokens >= settings.rollout.max_length:
        raise InputError(
            f"rollout.max_length={settings.rollout.max_length} leaves no room for a turn: the first prompt of "
            f"{script.id} has {tokens} tokens.",
            fix="Set more, or `graph: {dialect: json}` where the tools take most of it.",
        )
    return tokens
