"""Warm start: the policy imitates demonstrations, `python -m training.sft training/configs/tiny.yaml`.

Demonstrations are conversations of any master with the graph (`demonstrations.py`). They become rows of tokens exactly
as a rollout would have left them, and TRL's `SFTTrainer` learns from the policy's own tokens only: what the world wrote
is read, never imitated.
"""

# TRL and datasets leave much open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from datasets import Dataset
from rich.console import Console
from trl.trainer.sft_trainer import SFTTrainer

from agentcvr_graph.cli.console import err, run_app
from agentcvr_graph.errors import InputError
from agentcvr_graph.tools import TOOL_SCHEMAS
from training.callbacks import Curves, Guard, WholeCheckpoints, last_checkpoint
from training.chat_format import ChatFormat, Tools
from training.demonstrations import Demonstration, read_demonstrations, row_of
from training.loading import load_format, load_model, lora_config
from training.running import run_trainer, save
from training.settings import Settings, load_settings, read_overrides
from training.tokens import Row
from training.trainer_settings import sft_config

SHOWN = ("loss", "mean_token_accuracy", "grad_norm", "learning_rate")
IGNORED = -100
"""The label of a token that is not learned, as torch's cross entropy has it."""

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


def warm_start(settings: Settings, console: Console | None = None) -> Path:
    """Fine-tune on demonstrations; the folder that the policy was saved to.

    Raises:
        CVRError: the configuration, the model or the demonstrations do not fit; or training had to stop.
    """
    if settings.sft is None:
        raise InputError("The configuration has no part 'sft'.", fix="Name `sft: {demonstrations: FILE}` in it.")
    arguments = sft_config(settings)
    form = load_format(settings.model)
    shown = read_demonstrations(Path(settings.sft.demonstrations), settings.sft.least_score)
    # A JSON dialect carries its schemas in the system prompt, which the demonstration holds.
    tools = None if settings.context.dialect == "json" else list(TOOL_SCHEMAS)
    rows = rows_of(shown, form, tools, settings.rollout.max_length)
    if not rows:
        raise InputError(f"No demonstration fits into {settings.rollout.max_length} tokens.")
    trainer = SFTTrainer(
        model=load_model(settings.model),
        args=arguments,
        train_dataset=Dataset.from_list([labelled(row) for row in rows]),
        processing_class=form.tokenizer,
        peft_config=lora_config(settings.model.lora),
        callbacks=[Guard(), WholeCheckpoints(), Curves(Path(settings.output) / "sft.png", console or Console(), SHOWN)],
    )
    run_trainer(trainer, last_checkpoint(Path(str(arguments.output_dir))))
    return save(trainer, form.tokenizer, Path(settings.output) / "warm")


def rows_of(demonstrations: Iterable[Demonstration], form: ChatFormat, tools: Tools, max_length: int) -> list[Row]:
    """The rows of the demonstrations that are not too long."""
    rows = (row_of(demonstration.conversation(), form, tools) for demonstration in demonstrations)
    return [row for row in rows if len(row.ids) <= max_length]


def labelled(row: Row) -> dict[str, list[int]]:
    """A row as the trainer takes it: ids, and labels where the policy spoke."""
    spoken = zip(row.completion_ids, row.mask, strict=True)
    return {
        "input_ids": row.ids,
        "labels": [IGNORED] * len(row.prompt_ids) + [token if own else IGNORED for token, own in spoken],
    }


@app.command(
    epilog="[bold]Example[/bold]\n\npython -m training.sft training/configs/tiny.yaml --set sft.least_score=0.5"
)
def main(
    config: Annotated[Path, typer.Argument(help="A YAML file with a part 'sft'; see training/configs/.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE in place of the file's, as sft.trainer.max_steps=10.")
    ] = None,
) -> None:
    """Warm-start a master on demonstrations."""
    folder = warm_start(load_settings(config, read_overrides(overrides or [])))
    err.print(f"saved to {folder}")


if __name__ == "__main__":
    run_app(app, "training")
