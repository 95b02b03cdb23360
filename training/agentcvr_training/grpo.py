"""GRPO on graph trajectories: `agentcvr train grpo CONFIG`.

Read it from top to bottom: configuration -> scripts -> policy -> graph -> trainer -> save. The training data are runs
of the compiled graph in swap mode, with the exact tokens that were sampled (`rollout/`). TRL's `GRPOTrainer` does the
rest.

The same command resumes a run that was stopped, even with kill -9, from its last complete checkpoint. The final weights
equal those of an uninterrupted run. The output folder holds checkpoints (`grpo/`), `episodes.jsonl`, `grpo.png`,
`trajectories/` as HTML, and at the end `policy/`.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from rich.console import Console

from agentcvr_graph.cli.console import err
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_training._typed import dataset_of_columns
from agentcvr_training.config.loading import load_format, load_forward_context, load_policy, lora_config
from agentcvr_training.config.settings import Settings
from agentcvr_training.config.trainer_settings import grpo_config
from agentcvr_training.inference.factory import held_out_sampling, make_engine_factory, training_sampling
from agentcvr_training.rewards import REWARDS, reward_metric
from agentcvr_training.rollout.episode_log import EpisodeLog
from agentcvr_training.rollout.trl_rollout import GraphRollout, reward_functions
from agentcvr_training.trainer.callbacks import Curves, FiniteGradients, TrajectoryReports, WholeCheckpoints
from agentcvr_training.trainer.data_order import script_order
from agentcvr_training.trainer.resume_check import check_resume
from agentcvr_training.trainer.run import open_folder, run_trainer, save
from agentcvr_training.trainer.trainers import GraphTrainer


def train(settings: Settings, console: Console = err) -> Path:
    """Train the policy; return the folder that it was saved to.

    Raises:
        CVRError: the configuration, the model or the scripts are invalid, or training had to stop.
    """
    options = settings.rollout
    arguments = grpo_config(settings)
    scripts, held_out = settings.load_scripts()
    output = open_folder(Path(settings.output))
    same = settings.model_dump(mode="json", exclude={"output", "sft"})
    check_resume(Path(str(arguments.output_dir)), same)
    everything = [*scripts, *held_out]
    order = script_order([script.id for script in scripts], arguments)
    form = load_format(settings.model)
    log = EpisodeLog(output / "episodes.jsonl")
    reports = TrajectoryReports(
        output / "trajectories", settings.grpo.steps_between_reports, settings.grpo.trajectories_reported
    )

    rollout = GraphRollout(
        scripts={script.id: script for script in everything},
        perception=ScriptedPerception(ScriptLibrary.of(everything), options.noise),
        form=form,
        context=settings.context,
        sampling=training_sampling(options),
        held_out=held_out_sampling(options),
        engine_factory=make_engine_factory(options, form.stop_ids),
        max_length=options.max_length,
        live_graphs=options.live_graphs,
        train_on=options.train_on,
        seed=settings.seed,
        on_batch=(reports, log),
        tools=settings.load_tools(),
        budget_shares=options.budget_shares,
    )
    rewards, arguments.reward_weights = reward_functions(settings.reward.resolve())
    # One long epoch over a list that is already in training order (`trainer/data_order.py`).
    arguments.num_train_epochs, arguments.shuffle_dataset = 1, False

    curves = Curves(output / "grpo.png", console, shown_metrics())
    model = load_policy(settings)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using 'rollout_func'")
        trainer = GraphTrainer(
            model=model,
            args=arguments,
            reward_funcs=rewards,
            rollout_func=rollout,
            train_dataset=dataset_of_columns({"prompt": order}),
            eval_dataset=dataset_of_columns({"prompt": [script.id for script in held_out]}) if held_out else None,
            processing_class=form.tokenizer,
            peft_config=lora_config(settings.model.lora, model),
            forward_context=load_forward_context(settings.model),
            callbacks=[FiniteGradients(), WholeCheckpoints(), log, curves],
        )
    run_trainer(trainer, console)
    return save(trainer, form.tokenizer, output / "policy", settings, console)


def shown_metrics() -> list[str]:
    """Return the metrics of the console line of a step."""
    return ["reward", *map(reward_metric, REWARDS), "turns", "frames", "entropy", "loss", "grad_norm"]
