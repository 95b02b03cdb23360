"""Where a run stands and how long it will take, from its files, its demonstrations and the speed of this machine."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from agentcvr_training.config.loading import load_format, load_model
from agentcvr_training.config.settings import Settings
from agentcvr_training.config.trainer_settings import grpo_config
from agentcvr_training.demonstrations import read_demonstrations
from agentcvr_training.trainer.checkpoints import last_checkpoint
from rich.table import Table

from agentcvr_graph.utils.files import atomic_write_text
from training.recipes.pretrained.demonstrations import Lengths, lengths_of
from training.recipes.pretrained.estimates import Episode, Speeds, duration, measure_speeds
from training.recipes.pretrained.measures import MASTERS, episodes_of
from training.recipes.pretrained.recipe import STEPS, Run

SAMPLE = 60
"""Demonstrations whose lengths stand for all."""


@dataclass(frozen=True)
class StepLeft:
    """What a step still has to do."""

    name: str
    state: str
    seconds: float
    """0 for a step that has its result."""


def outlook(run: Run) -> list[StepLeft]:
    """Return the state of each step; the model and the demonstrations must be there."""
    lengths = known_lengths(run)
    speeds = known_speeds(run, round(statistics.median(one.whole for one in lengths)))
    episode = Episode.like(lengths)
    return [
        StepLeft("model", "done", 0.0),
        StepLeft("demonstrations", "done", 0.0),
        _sft(run, lengths, speeds),
        _grpo(run, episode, speeds),
        _measures(run, episode, speeds),
    ]


def known_lengths(run: Run) -> list[Lengths]:
    """Return the lengths of the first demonstrations."""
    form, shown = load_format(run.settings.model), read_demonstrations(run.done()["demonstrations"])
    return [lengths_of(one, form) for one in islice(shown, SAMPLE)]


def known_speeds(run: Run, tokens: int) -> Speeds:
    """Return the speeds of the model on this machine: from the run's folder, or measured now and kept there."""
    path = run.folder / "speeds.json"
    if not path.exists():
        model = load_model(run.settings.model).to(_device(run.settings))
        found = measure_speeds(model, tokens, max(1, torch.get_num_threads() // run.processes))
        atomic_write_text(path, found.model_dump_json())
    return Speeds.model_validate_json(path.read_bytes())


def _device(settings: Settings) -> str:
    return str(grpo_config(settings).device)


def steps_of_sft(settings: Settings, rows: int) -> int:
    """Return the optimizer steps over so many conversations."""
    trainer = settings.sft.trainer if settings.sft else {}
    size = int(trainer.get("per_device_train_batch_size", 8)) * int(trainer.get("gradient_accumulation_steps", 1))
    return int(trainer.get("max_steps", 0)) or -(-rows // size) * int(trainer.get("num_train_epochs", 1))


def _sft(run: Run, lengths: Sequence[Lengths], speeds: Speeds) -> StepLeft:
    steps = steps_of_sft(run.settings, round(run.tokens / statistics.fmean(one.whole for one in lengths)))
    epochs = int((run.settings.sft.trainer if run.settings.sft else {}).get("num_train_epochs", 1))
    return _training(run, "sft", steps, epochs * run.tokens / speeds.learning / run.processes)


def _grpo(run: Run, episode: Episode, speeds: Speeds) -> StepLeft:
    arguments = grpo_config(run.settings)
    episodes = arguments.max_steps * arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps
    return _training(run, "grpo", arguments.max_steps, episodes * episode.learning_seconds(speeds) / run.processes)


def _training(run: Run, name: str, steps: int, whole_s: float) -> StepLeft:
    if run.done()[name].exists():
        return StepLeft(name, "done", 0.0)
    checkpoint = last_checkpoint(run.folder / name)
    step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
    return StepLeft(name, f"step {step} of {steps}", whole_s * max(0.0, 1 - step / steps))


def _measures(run: Run, episode: Episode, speeds: Speeds) -> StepLeft:
    if run.done()["measures"].exists():
        return StepLeft("measures", "done", 0.0)
    missing = [name for name in MASTERS if not (run.results / f"{name}.json.gz").exists()]
    questions, tasks = len(run.settings.held_out_scripts()), len(run.settings.scripts.tasks)
    episodes = sum(episodes_of(name, questions, tasks, run.choosing, len(run.shares)) for name in missing)
    state = f"{len(MASTERS) - len(missing)} of {len(MASTERS)} masters"
    return StepLeft("measures", state, episodes * episode.seconds(speeds) / run.processes)


def standing(left: Iterable[StepLeft]) -> Table:
    """Return where a run stands as a table."""
    left = list(left)
    table = Table("step", "state", "time left", box=None)
    for one in left:
        table.add_row(one.name, one.state, duration(one.seconds) if one.seconds else "")
    if together := sum(one.seconds for one in left):
        table.add_row("[bold]together[/bold]", "", duration(together))
    return table


def states(run: Run) -> Iterator[StepLeft]:
    """Yield the state of each step while there are no demonstrations to compute times from."""
    for name in STEPS:
        yield StepLeft(name, "done" if run.done()[name].exists() else "to do", 0.0)


def plan(run: Run) -> Table:
    """Return the token lengths, rows and steps of a run as a table."""
    lengths = known_lengths(run)
    mean = statistics.fmean(one.whole for one in lengths)
    rows, arguments = round(run.tokens / mean), grpo_config(run.settings)
    size = arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps
    table = Table(box=None, show_header=False)
    for row in (
        ("opening", f"{statistics.median(one.opening for one in lengths):.0f} tokens"),
        (
            "a conversation",
            f"median {statistics.median(one.whole for one in lengths):.0f} tokens, largest {_most(lengths)}",
        ),
        ("imitated", f"{statistics.fmean(one.own for one in lengths):.0f} of {mean:.0f} tokens"),
        ("SFT", f"{rows} conversations, {run.tokens:,} tokens, {steps_of_sft(run.settings, rows)} steps"),
        (
            "GRPO",
            f"{arguments.max_steps} steps of {size} episodes, of at most {run.settings.rollout.max_length:,} tokens",
        ),
        ("held out", f"{len(run.settings.held_out_scripts())} questions"),
    ):
        table.add_row(*row)
    return table


def _most(lengths: Sequence[Lengths]) -> int:
    return max(one.whole for one in lengths)
