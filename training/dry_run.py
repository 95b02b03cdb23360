"""`--dry-run`: everything about a configuration that can be known without loading weights."""

# TRL and transformers leave much open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table
from transformers import AutoConfig

from agentcvr_graph.errors import InputError, SetupError
from agentcvr_graph.models.failures import one_line
from agentcvr_graph.models.registry import checked_source
from agentcvr_graph.perception.noise import resolve_noise
from agentcvr_graph.scripts.schema import Script
from training.loading import load_format
from training.memory import GIB, Load, estimate, parameters_of
from training.settings import Settings
from training.trainer_settings import grpo_config


def show_plan(settings: Settings, console: Console) -> None:
    """Check a configuration and print what a run of it comes to.

    Raises:
        CVRError: something in it cannot work; the first fault that is found.
    """
    arguments = grpo_config(settings)
    settings.reward.resolve()
    resolve_noise(settings.rollout.noise)
    scripts = settings.scripts.load()
    held_out = settings.held_out.load() if settings.held_out else []
    shared = {script.id for script in scripts} & {script.id for script in held_out}
    if shared:
        raise InputError(
            f"{len(shared)} held-out scripts are trained on, {sorted(shared)[0]} among them.",
            fix="Give held_out another seed or another library.",
        )
    form = load_format(settings.model)
    config = _model_config(settings)
    weights = parameters_of(config)

    plan = Table(box=None, show_header=False)
    plan.add_row("model", f"{settings.model.path}: {weights / 1e6:,.1f} million weights, {settings.model.dtype}")
    lora = settings.model.lora
    plan.add_row("trained", f"an adapter of rank {lora.rank}" if lora else "all weights")
    plan.add_row("chat template", f"keeps every turn; a turn ends with {form.tokenizer.decode(form.end_of_turn[:1])!r}")
    plan.add_row("scripts", _counted(scripts))
    plan.add_row("held out", _counted(held_out) if held_out else "none: nothing is evaluated on the way")
    size = int(arguments.generation_batch_size or 0)
    groups = size // arguments.num_generations
    plan.add_row("a step", f"{groups} scripts x {arguments.num_generations} rollouts = {size} trajectories")
    plan.add_row(
        "steps",
        f"{arguments.max_steps if arguments.max_steps > 0 else arguments.num_train_epochs} "
        + ("steps" if arguments.max_steps > 0 else f"epochs of {len(scripts) // max(1, groups)} steps"),
    )
    plan.add_row("output", settings.output)
    console.print(plan)
    console.print(_memory(estimate(config, _load(settings, arguments))))


def _load(settings: Settings, arguments: Any) -> Load:
    return Load(
        dtype=settings.model.dtype,
        lora_rank=settings.model.lora.rank if settings.model.lora else 0,
        batch=arguments.per_device_train_batch_size,
        length=settings.rollout.max_length,
        live_graphs=settings.rollout.live_graphs,
        cached_keys=settings.rollout.engine == "cached",
        checkpointing=bool(arguments.gradient_checkpointing),
    )


def _model_config(settings: Settings) -> Any:
    try:
        return AutoConfig.from_pretrained(checked_source(settings.model.path))
    except (OSError, ValueError) as error:
        raise SetupError(f"The model {settings.model.path!r} cannot be read: {one_line(str(error))}") from error


def _counted(scripts: list[Script]) -> str:
    counts = Counter(script.task for script in scripts)
    return f"{len(scripts)} ({', '.join(f'{task} {count}' for task, count in counts.items())})"


def _memory(needed: dict[str, float]) -> Table:
    table = Table("memory of one process at most", "GiB", box=None)
    for what, size in needed.items():
        table.add_row(what, f"{size / GIB:,.2f}")
    table.add_row("[bold]together[/bold]", f"[bold]{sum(needed.values()) / GIB:,.2f}[/bold]")
    return table
