"""Warm start: the policy imitates demonstrations, `agentcvr train sft CONFIG`.

Demonstrations are conversations of any master with the graph (`demonstrations.py`). They are converted to rows of
tokens, exactly as a rollout would have recorded them. TRL's `SFTTrainer` learns only the policy's own tokens; the
environment's tokens are context and carry no loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from trl.trainer.sft_config import SFTConfig

from agentcvr_graph.cli.console import err
from agentcvr_graph.errors import InputError
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.tools import TOOLS, Toolset
from agentcvr_graph.tools.spec import AnyTool
from agentcvr_training._typed import dataset_of_rows
from agentcvr_training.config.extensions import load_object
from agentcvr_training.config.loading import load_format, load_forward_context, load_policy, lora_config
from agentcvr_training.config.settings import Settings, Sft
from agentcvr_training.config.trainer_settings import sft_config
from agentcvr_training.demonstrations import Demonstration, read_demonstrations, row_of
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.ledger import Row
from agentcvr_training.trainer.callbacks import Curves, FiniteGradients, WholeCheckpoints
from agentcvr_training.trainer.resume_check import check_resume
from agentcvr_training.trainer.run import open_folder, run_trainer, save
from agentcvr_training.trainer.trainers import ImitationTrainer

SHOWN = ("loss", "mean_token_accuracy", "grad_norm", "learning_rate")
IGNORED = -100
"""The label of a token without loss in torch's cross entropy."""


def warm_start(settings: Settings, console: Console = err) -> Path:
    """Fine-tune on demonstrations; return the folder of the policy.

    Raises:
        CVRError: the configuration, the model or the demonstrations are invalid, or training had to stop.
    """
    if settings.sft is None:
        raise InputError("The configuration has no part 'sft'.", fix="Name `sft: {demonstrations: FILE}` in it.")
    arguments = sft_config(settings)
    output = open_folder(Path(settings.output))
    same = settings.model_dump(mode="json", exclude={"output", "grpo", "scripts", "held_out", "reward"})
    check_resume(Path(str(arguments.output_dir)), same)
    form = load_format(settings.model)
    rows = training_rows(settings, settings.sft, form, console)
    model = load_policy(settings)
    trainer = ImitationTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset_of_rows(rows),
        processing_class=form.tokenizer,
        peft_config=lora_config(settings.model.lora, model),
        optimizer_cls_and_kwargs=_optimizer(settings.sft, arguments),
        forward_context=load_forward_context(settings.model),
        callbacks=[FiniteGradients(), WholeCheckpoints(), Curves(output / "sft.png", console, SHOWN)],
    )
    run_trainer(trainer, console)
    return save(trainer, form.tokenizer, output / "warm", settings, console)


def _optimizer(sft: Sft, arguments: SFTConfig) -> tuple[Any, dict[str, Any]] | None:
    return load_object(sft.optimizer, "sft.optimizer")(arguments) if sft.optimizer else None


def training_rows(settings: Settings, sft: Sft, form: ChatFormat, console: Console) -> list[dict[str, list[int]]]:
    """Return the demonstrations in the trainer's format, without those that are too long.

    Raises:
        InputError: none is left, or their dialect differs from the policy's.
    """
    demonstrations = read_demonstrations(Path(sft.demonstrations), sft.least_score)
    limit, kept, long = settings.rollout.max_length, list[dict[str, list[int]]](), 0
    for row in rows_of(demonstrations, form, settings.context, settings.load_tools()):
        if len(row.ids) <= limit:
            kept.append(labelled(row))
        else:
            long += 1
    if not kept:
        raise InputError(
            f"None of the {long} demonstrations fits into {limit} tokens.", fix="Raise rollout.max_length."
        )
    if long:
        console.print(f"{long} of {long + len(kept)} demonstrations are too long and skipped")
    return kept


def rows_of(
    demonstrations: Iterable[Demonstration], form: ChatFormat, context: CVRContext, tools: Iterable[AnyTool] = TOOLS
) -> Iterator[Row]:
    """Yield the row of each demonstration, as a rollout in the same dialect would have recorded it.

    Args:
        tools: those of the graph that the policy will act in.

    Raises:
        InputError: a demonstration was recorded in the other dialect.
    """
    # A policy can bind tools, so `auto` means tool calls.
    dialect = "json" if context.dialect == "json" else "tools"
    # The dialect `json` carries its schemas in the system prompt, which the demonstration holds.
    schemas = list(Toolset(tools).schemas) if dialect == "tools" else None
    for one in demonstrations:
        if one.dialect != dialect:
            raise InputError(
                f"{one.script_id} was demonstrated in the dialect {one.dialect!r}, the policy acts in {dialect!r}.",
                fix=f"Set graph.dialect to {one.dialect}, or record with --dialect {dialect}.",
            )
        yield row_of(one.conversation(), form, schemas, imitated_from=one.imitated_from)


def labelled(row: Row) -> dict[str, list[int]]:
    """Return a row in the trainer's format: ids, and labels on the policy's tokens."""
    tokens = zip(row.completion_ids, row.mask, strict=True)
    return {
        "input_ids": row.ids,
        "labels": [IGNORED] * len(row.prompt_ids) + [token if own else IGNORED for token, own in tokens],
    }
