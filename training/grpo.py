"""GRPO on graph trajectories: `python -m training.grpo training/configs/tiny.yaml`.

Read it from top to bottom: configuration -> scripts -> policy -> graph -> trainer -> save. What is trained on are runs
of the compiled graph in swap mode, token by token as they were sampled (`rollout.py`); TRL's `GRPOTrainer` does the
rest.

A run that was stopped goes on from its last whole checkpoint when the same command is given again.
"""

# TRL and datasets leave much open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer
from datasets import Dataset
from rich.console import Console
from trl.trainer.grpo_trainer import GRPOTrainer

from agentcvr_graph.cli.console import err, run_app
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from training.callbacks import Curves, Gallery, Guard, WholeCheckpoints, last_checkpoint
from training.engine.base import Sampling
from training.engine.opening import engine_opener
from training.loading import load_format, load_model, lora_config
from training.rollout import GraphRollout, reward_functions
from training.running import run_trainer, save
from training.settings import Settings, load_settings, read_overrides
from training.trainer_settings import grpo_config

SHOWN = ("reward", "rewards/answer/mean", "rewards/format/mean", "turns", "frames", "entropy", "loss", "grad_norm")

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


def train(settings: Settings, console: Console | None = None) -> Path:
    """Train the policy; the folder that it was saved to.

    Raises:
        CVRError: the configuration, the model or the scripts do not fit; or training had to stop.
    """
    arguments = grpo_config(settings)
    scripts = settings.scripts.load()
    held_out = settings.held_out.load() if settings.held_out else []
    model, form = load_model(settings.model), load_format(settings.model)

    rollout = GraphRollout(
        scripts={script.id: script for script in [*scripts, *held_out]},
        perception=ScriptedPerception(ScriptLibrary.of([*scripts, *held_out]), settings.rollout.noise),
        form=form,
        context=settings.context,
        sampling=Sampling(settings.rollout.temperature, settings.rollout.top_p, settings.rollout.max_new_tokens),
        open_engine=engine_opener(settings.rollout, form.stop_ids),
        max_length=settings.rollout.max_length,
        live_graphs=settings.rollout.live_graphs,
        train_on=settings.rollout.train_on,
        seed=settings.seed,
        told=Gallery(
            Path(settings.output) / "trajectories",
            settings.grpo.steps_between_galleries,
            settings.grpo.trajectories_shown,
        ),
    )
    rewards, arguments.reward_weights = reward_functions(settings.reward.resolve())

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using 'rollout_func'")
        trainer = GRPOTrainer(
            model=model,
            args=arguments,
            reward_funcs=rewards,
            rollout_func=rollout,
            train_dataset=_prompts(scripts),
            eval_dataset=_prompts(held_out) if held_out else None,
            processing_class=form.tokenizer,
            peft_config=lora_config(settings.model.lora),
            callbacks=[
                Guard(),
                WholeCheckpoints(),
                Curves(Path(settings.output) / "grpo.png", console or Console(), SHOWN),
            ],
        )
    checkpoint = last_checkpoint(Path(str(arguments.output_dir)))
    if checkpoint is not None:
        err.print(f"going on from {checkpoint}")
    run_trainer(trainer, checkpoint)
    return save(trainer, form.tokenizer, Path(settings.output) / "policy")


def _prompts(scripts: list[Script]) -> Dataset:
    """TRL's data set: a prompt is the id of a script (`rollout.py`)."""
    return Dataset.from_dict({"prompt": [script.id for script in scripts]})


@app.command(epilog="[bold]Example[/bold]\n\npython -m training.grpo training/configs/tiny.yaml --set seed=1 --dry-run")
def main(
    config: Annotated[Path, typer.Argument(help="A YAML file; see training/configs/.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE in place of the file's, as grpo.trainer.max_steps=10.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, tell the memory, load no weights.")
    ] = False,
) -> None:
    """Train a master with GRPO on runs of the graph in swap mode."""
    settings = load_settings(config, read_overrides(overrides or []))
    if dry_run:
        from training.dry_run import show_plan

        show_plan(settings, Console())
        return
    folder = train(settings)
    err.print(f"saved to {folder}")


if __name__ == "__main__":
    run_app(app, "training")
