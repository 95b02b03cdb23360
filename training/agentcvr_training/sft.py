"""Warm start: the policy imitates demonstrations, `python -m agentcvr_training.sft configs/tiny.yaml`.

Demonstrations are conversations of any master with the graph (`demonstrations.py`). They become rows of tokens exactly
as a rollout would have left them, and TRL's `SFTTrainer` learns from the policy's own tokens only: what the world wrote
is read, never imitated.
"""

# TRL and datasets leave much open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from datasets import Dataset
from rich.console import Console

from agentcvr_graph.cli.console import err, run_app
from agentcvr_graph.errors import InputError
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.tools import TOOL_SCHEMAS
from agentcvr_training.config.loading import load_format, load_model, lora_config
from agentcvr_training.config.settings import Settings, Sft, load_settings, read_overrides
from agentcvr_training.config.trainer_settings import sft_config
from agentcvr_training.demonstrations import Demonstration, read_demonstrations, row_of
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.ledger import Row
from agentcvr_training.trainer.callbacks import Curves, Guard, WholeCheckpoints
from agentcvr_training.trainer.optimizers import muon_and_adamw
from agentcvr_training.trainer.resume_check import check_resume
from agentcvr_training.trainer.run import open_folder, quiet, run_trainer, save
from agentcvr_training.trainer.trainers import ImitationTrainer

SHOWN = ("loss", "mean_token_accuracy", "grad_norm", "learning_rate")
IGNORED = -100
"""The label of a token that is not learned, as torch's cross entropy has it."""

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


def warm_start(settings: Settings, console: Console = err) -> Path:
    """Fine-tune on demonstrations; the folder that the policy was saved to.

    Raises:
        CVRError: the configuration, the model or the demonstrations do not fit; or training had to stop.
    """
    if settings.sft is None:
        raise InputError("The configuration has no part 'sft'.", fix="Name `sft: {demonstrations: FILE}` in it.")
    arguments = sft_config(settings)
    output = open_folder(Path(settings.output))
    same = settings.model_dump(mode="json", exclude={"output", "grpo", "scripts", "held_out", "reward"})
    check_resume(Path(str(arguments.output_dir)), same)
    form = load_format(settings.model)
    rows = training_rows(settings, settings.sft, form, console)
    model = load_model(settings.model)
    trainer = ImitationTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=form.tokenizer,
        peft_config=lora_config(settings.model.lora, model),
        optimizer_cls_and_kwargs=muon_and_adamw(arguments) if settings.sft.optimizer == "muon" else None,
        callbacks=[Guard(), WholeCheckpoints(), Curves(output / "sft.png", console, SHOWN)],
    )
    run_trainer(trainer, console)
    return save(trainer, form.tokenizer, output / "warm", settings.model, console)


def training_rows(settings: Settings, sft: Sft, form: ChatFormat, console: Console) -> list[dict[str, list[int]]]:
    """The demonstrations as the trainer takes them, without those that are too long.

    Raises:
        InputError: none is left, or they cannot be imitated.
    """
    shown = read_demonstrations(Path(sft.demonstrations), sft.least_score)
    limit, kept, long = settings.rollout.max_length, list[dict[str, list[int]]](), 0
    for row in rows_of(shown, form, settings.context):
        if len(row.ids) <= limit:
            kept.append(labelled(row))
        else:
            long += 1
    if not kept:
        raise InputError(
            f"None of the {long} demonstrations fits into {limit} tokens.", fix="Raise rollout.max_length."
        )
    if long:
        console.print(f"{long} of {long + len(kept)} demonstrations are too long and left out")
    return kept


def rows_of(demonstrations: Iterable[Demonstration], form: ChatFormat, context: CVRContext) -> Iterator[Row]:
    """The row of each demonstration, as a policy in the same dialect would have left it.

    Raises:
        InputError: one was recorded in the other dialect.
    """
    # A policy can bind tools, so `auto` means tool calls.
    dialect = "json" if context.dialect == "json" else "tools"
    # The dialect `json` carries its schemas in the system prompt, which the demonstration holds.
    tools = list(TOOL_SCHEMAS) if dialect == "tools" else None
    for one in demonstrations:
        if one.dialect != dialect:
            raise InputError(
                f"{one.script_id} was demonstrated in the dialect {one.dialect!r}, the policy acts in {dialect!r}.",
                fix=f"Set graph.dialect to {one.dialect}, or record with --dialect {dialect}.",
            )
        yield row_of(one.conversation(), form, tools, imitated_from=one.imitated_from)


def labelled(row: Row) -> dict[str, list[int]]:
    """A row as the trainer takes it: ids, and labels where the policy spoke."""
    spoken = zip(row.completion_ids, row.mask, strict=True)
    return {
        "input_ids": row.ids,
        "labels": [IGNORED] * len(row.prompt_ids) + [token if own else IGNORED for token, own in spoken],
    }


@app.command(
    epilog="[bold]Example[/bold]\n\npython -m agentcvr_training.sft configs/tiny.yaml --set sft.least_score=0.5"
)
def main(
    config: Annotated[Path, typer.Argument(help="A YAML file with a part 'sft'; see configs/.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE in place of the file's, as sft.trainer.max_steps=10.")
    ] = None,
) -> None:
    """Warm-start a master on demonstrations."""
    quiet()
    warm_start(load_settings(config, read_overrides(overrides or [])))


if __name__ == "__main__":
    run_app(app, "training")
