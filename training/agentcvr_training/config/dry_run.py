"""The dry run: check a configuration (`checks.py`), and print the plan and the memory of a run."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table

from agentcvr_graph.scripts.schema import Script
from agentcvr_training.config.checks import Checked, check
from agentcvr_training.config.memory import BYTES, GIB, Load, Sizes, estimate, shards_here
from agentcvr_training.config.settings import Settings
from agentcvr_training.trainer.data_order import groups_a_batch, steps_a_batch


def show_plan(settings: Settings, console: Console) -> None:
    """Check a configuration and print the plan and the memory of a run.

    Raises:
        CVRError: the first error that is found.
    """
    checked = check(settings)
    console.print(_plan(settings, checked))
    console.print(_memory(estimate(checked.config, checked.sizes, load_of(settings, checked))))


def load_of(settings: Settings, checked: Checked) -> Load:
    """Return how the configured run uses its model, in one process."""
    arguments = checked.arguments
    return Load(
        dtype=settings.model.dtype,
        rows=arguments.per_device_train_batch_size,
        length=settings.rollout.max_length,
        live_graphs=settings.rollout.live_graphs,
        cached_keys=settings.rollout.engine == "cached",
        colocated=settings.rollout.engine == "vllm" and arguments.vllm_mode == "colocate",
        half_activations=bool(arguments.bf16),
        checkpointing=bool(arguments.gradient_checkpointing),
        shards=shards_here(),
    )


def _plan(settings: Settings, checked: Checked) -> Table:
    arguments, form, sizes = checked.arguments, checked.form, checked.sizes
    groups, size = groups_a_batch(arguments), int(arguments.generation_batch_size or 0)
    steps = len(checked.order) // groups * steps_a_batch(arguments)
    passes = len(checked.order) / len(checked.scripts)
    plan = Table(box=None, show_header=False)
    plan.add_row("model", f"{settings.model.path}: {sizes.all / 1e6:,.1f} million weights, {settings.model.dtype}")
    plan.add_row("trained", _trained(settings, sizes))
    plan.add_row("engine", settings.rollout.engine)
    plan.add_row("chat template", f"keeps every turn; a turn ends with {form.tokenizer.decode(form.end_of_turn[:1])!r}")
    plan.add_row("scripts", _counted(checked.scripts))
    plan.add_row("held out", _counted(checked.held_out) or "none: no evaluation during training")
    plan.add_row("rewards", ", ".join(f"{name} x {weight:g}" for name, weight in settings.reward.resolve().items()))
    plan.add_row(
        "a prompt", f"{checked.first_prompt_tokens} tokens before the first turn, of {settings.rollout.max_length}"
    )
    plan.add_row("a batch", f"{groups} scripts x {arguments.num_generations} rollouts = {size} trajectories")
    plan.add_row("steps", f"{steps}, {passes:.2f} passes over the scripts")
    plan.add_row("a checkpoint", f"{_checkpoint(settings, sizes) / GIB:,.2f} GiB")
    plan.add_row("output", settings.output)
    return plan


def _trained(settings: Settings, sizes: Sizes) -> str:
    lora = settings.model.lora
    return f"an adapter of rank {lora.rank}, {sizes.trained / 1e6:,.1f} million weights" if lora else "all weights"


def _checkpoint(settings: Settings, sizes: Sizes) -> int:
    """Return the bytes of a checkpoint: trained weights, and two numbers for each of the optimizer."""
    return 3 * sizes.trained * BYTES[settings.model.dtype]


def _counted(scripts: list[Script]) -> str:
    counts = Counter(script.task for script in scripts)
    return f"{len(scripts)} ({', '.join(f'{task} {count}' for task, count in counts.items())})" if scripts else ""


def _memory(needed: dict[str, float]) -> Table:
    table = Table("memory of one process at most", "GiB", box=None)
    for what, size in needed.items():
        table.add_row(what, f"{size / GIB:,.2f}")
    table.add_row("[bold]together[/bold]", f"[bold]{sum(needed.values()) / GIB:,.2f}[/bold]")
    return table
