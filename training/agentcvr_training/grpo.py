"""GRPO on graph trajectories: `python -m agentcvr_training.grpo training/agentcvr_training/configs/tiny.yaml`.

Read it from top to bottom: configuration -> scripts -> policy -> graph -> trainer -> save. What is trained on are runs
of the compiled graph in swap mode, token by token as they were sampled (`rollout.py`); TRL's `GRPOTrainer` does the
rest.

A run that was stopped, also with kill -9, goes on from its last whole checkpoint when the same command is given again,
and ends with the weights that it would have had. In the output folder: checkpoints (`grpo/`), `episodes.jsonl`,
`grpo.png`, `trajectories/` as HTML, and at the end `policy/`.
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

from agentcvr_graph.cli.console import err, run_app
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_training.config.loading import load_format, load_model, lora_config
from agentcvr_training.config.settings import Settings, load_settings, read_overrides
from agentcvr_training.config.trainer_settings import grpo_config
from agentcvr_training.inference.base import Sampling
from agentcvr_training.inference.factory import engine_opener
from agentcvr_training.rewards import REWARDS, reward_metric
from agentcvr_training.rollout.episode_log import EpisodeLog
from agentcvr_training.rollout.trl_rollout import GraphRollout, reward_functions
from agentcvr_training.trainer.callbacks import Curves, Gallery, Guard, WholeCheckpoints, all_of
from agentcvr_training.trainer.data_order import script_order
from agentcvr_training.trainer.resume_check import check_resume
from agentcvr_training.trainer.run import open_folder, quiet, run_trainer, save
from agentcvr_training.trainer.trainers import GraphTrainer

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


def train(settings: Settings, console: Console = err) -> Path:
    """Train the policy; the folder that it was saved to.

    Raises:
        CVRError: the configuration, the model or the scripts do not fit; or training had to stop.
    """
    knobs = settings.rollout
    arguments = grpo_config(settings)
    scripts, held_out = settings.load_scripts()
    output = open_folder(Path(settings.output))
    same = settings.model_dump(mode="json", exclude={"output", "sft"})
    check_resume(Path(str(arguments.output_dir)), same)
    everything = [*scripts, *held_out]
    order = script_order([script.id for script in scripts], arguments)
    form = load_format(settings.model)
    log = EpisodeLog(output / "episodes.jsonl")
    gallery = Gallery(output / "trajectories", settings.grpo.steps_between_galleries, settings.grpo.trajectories_shown)

    rollout = GraphRollout(
        scripts={script.id: script for script in everything},
        perception=ScriptedPerception(ScriptLibrary.of(everything), knobs.noise),
        form=form,
        context=settings.context,
        sampling=Sampling(knobs.temperature, knobs.top_p, knobs.max_new_tokens),
        held_out=Sampling(knobs.held_out_temperature, knobs.top_p, knobs.max_new_tokens),
        open_engine=engine_opener(knobs, form.stop_ids),
        max_length=knobs.max_length,
        live_graphs=knobs.live_graphs,
        train_on=knobs.train_on,
        seed=settings.seed,
        told=all_of(gallery, log),
    )
    rewards, arguments.reward_weights = reward_functions(settings.reward.resolve())
    # One long epoch over a list that is in order already (`order.py`).
    arguments.num_train_epochs, arguments.shuffle_dataset = 1, False

    model = load_model(settings.model)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using 'rollout_func'")
        trainer = GraphTrainer(
            model=model,
            args=arguments,
            reward_funcs=rewards,
            rollout_func=rollout,
            train_dataset=Dataset.from_dict({"prompt": order}),
            eval_dataset=Dataset.from_dict({"prompt": [script.id for script in held_out]}) if held_out else None,
            processing_class=form.tokenizer,
            peft_config=lora_config(settings.model.lora, model),
            callbacks=[Guard(), WholeCheckpoints(), log, Curves(output / "grpo.png", console, shown_metrics())],
        )
    run_trainer(trainer, console)
    return save(trainer, form.tokenizer, output / "policy", settings.model, console)


def shown_metrics() -> list[str]:
    """Return the metrics of the console line of a step."""
    return ["reward", *map(reward_metric, REWARDS), "turns", "frames", "entropy", "loss", "grad_norm"]


@app.command(epilog="[bold]Example[/bold]\n\npython -m agentcvr_training.grpo configs/tiny.yaml --set seed=1 --dry-run")
def main(
    config: Annotated[Path, typer.Argument(help="A YAML file; see training/agentcvr_training/configs/.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE in place of the file's, as grpo.trainer.max_steps=10.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, tell the memory, load no weights.")
    ] = False,
) -> None:
    """Train a master with GRPO on runs of the graph in swap mode."""
    quiet()
    settings = load_settings(config, read_overrides(overrides or []))
    if dry_run:
        from agentcvr_training.config.dry_run import show_plan

        show_plan(settings, Console())
        return
    train(settings)


if __name__ == "__main__":
    run_app(app, "training")
