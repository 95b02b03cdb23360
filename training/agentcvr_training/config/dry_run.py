"""The dry run: check a configuration (`checks.py`), and print the plan, the memory and the disk of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.utils import compute_flops_per_token

from agentcvr_graph.scripts.schema import Script
from agentcvr_training.config.checks import Checked, CheckedSettings, check_model, check_settings
from agentcvr_training.config.disk import Disk, disk_of, sft_steps
from agentcvr_training.config.loading import ModelUnavailableError
from agentcvr_training.config.memory import (
    GIB,
    Load,
    Sizes,
    all_gathered_here,
    deepspeed_here,
    estimate,
    optimizer_shards_here,
    shards_here,
    trained_dtype,
)
from agentcvr_training.config.settings import Settings
from agentcvr_training.config.trainer_settings import sft_config
from agentcvr_training.trainer.data_order import groups_a_batch, steps_a_batch

NEEDS_MODEL = "model, chat template, length of prompts, engine, memory"


def show_plan(settings: Settings, console: Console) -> None:
    """Check a configuration and print the plan, the memory and the disk of a run.

    Where the files of the model cannot be fetched, everything else is checked and printed, and the last lines name what
    was not checked.

    Raises:
        CVRError: the first error that is found.
    """
    basics = check_settings(settings)
    try:
        with console.status(f"reading the tokenizer and the shape of {escape(settings.model.path)}"):
            checked = check_model(settings, basics)
    except ModelUnavailableError as error:
        console.print(_table(_run_rows(settings, basics)))
        console.print(f"[yellow]not checked:[/] {NEEDS_MODEL}", soft_wrap=True)
        console.print(escape(str(error)), soft_wrap=True)
        return
    console.print(_table(_model_rows(settings, checked) + _run_rows(settings, basics) + _disk_rows(settings, checked)))
    console.print(_memory(needed_memory(settings, checked)))


def needed_memory(settings: Settings, checked: Checked) -> dict[str, dict[str, float]]:
    """Return the bytes that one process needs in each training that is configured, by purpose."""
    loads = {"GRPO": load_of(settings, checked.arguments)}
    if settings.sft is not None:
        loads["SFT"] = replace(load_of(settings, sft_config(settings)), cached_keys=False, colocated=False)
    return {name: estimate(checked.config, checked.sizes, load) for name, load in loads.items()}


def load_of(settings: Settings, arguments: Any) -> Load:
    """Return the settings of a training that decide the memory of one process.

    Args:
        arguments: TRL's `GRPOConfig` or `SFTConfig`.
    """
    vllm = settings.rollout.engine == "vllm"
    asleep = getattr(arguments, "vllm_enable_sleep_mode", False)
    return Load(
        dtype=settings.model.dtype,
        trained_dtype=trained_dtype(settings.model),
        rows=arguments.per_device_train_batch_size,
        length=settings.rollout.max_length,
        live_graphs=settings.rollout.live_graphs,
        cached_keys=settings.rollout.engine == "cached",
        colocated=vllm and getattr(arguments, "vllm_mode", None) == "colocate" and not asleep,
        half_activations=bool(arguments.bf16),
        checkpointing=bool(arguments.gradient_checkpointing),
        shards=shards_here(),
        optimizer_shards=optimizer_shards_here(),
        all_gathered=all_gathered_here(),
        triton=vllm or not arguments.use_cpu,  # vLLM needs a GPU
    )


def _table(rows: Sequence[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False)
    for row in rows:
        table.add_row(*row)
    return table


def _model_rows(settings: Settings, checked: Checked) -> list[tuple[str, str]]:
    form, sizes, length = checked.form, checked.sizes, settings.rollout.max_length
    return [
        ("model", f"{settings.model.path}: {sizes.all / 1e6:,.1f} million weights, {settings.model.dtype}"),
        ("trained", _trained(settings, sizes)),
        ("chat template", f"keeps every turn; a turn ends with {form.tokenizer.decode(form.end_of_turn[:1])!r}"),
        ("a prompt", f"{checked.first_prompt_tokens} tokens before the first turn, of {length}"),
        ("learning", _work(settings, checked)),
    ]


def _run_rows(settings: Settings, checked: CheckedSettings) -> list[tuple[str, str]]:
    arguments = checked.arguments
    groups, size = groups_a_batch(arguments), int(arguments.generation_batch_size or 0)
    passes = len(checked.order) / len(checked.scripts)
    return [
        ("engine", _engine(settings, arguments)),
        ("scripts", _counted(checked.scripts)),
        ("held out", _counted(checked.held_out) or "none: no evaluation during training"),
        ("rewards", ", ".join(f"{name} x {weight:g}" for name, weight in settings.reward.resolve().items())),
        ("a batch", f"{groups} scripts x {arguments.num_generations} rollouts = {size} trajectories"),
        ("steps", f"{_steps(checked)}, {passes:.2f} passes over the scripts"),
        ("output", settings.output),
    ]


def _engine(settings: Settings, arguments: GRPOConfig) -> str:
    engine = settings.rollout.engine
    if engine != "vllm" or arguments.vllm_mode == "server":
        return engine if engine != "vllm" else f"vllm, a server at {arguments.vllm_server_base_url}"
    rest = ", and sleeps while it learns" if arguments.vllm_enable_sleep_mode else ""
    return f"vllm, in each process, with {arguments.vllm_gpu_memory_utilization:.0%} of the GPU while it samples{rest}"


def _work(settings: Settings, checked: Checked) -> str:
    """Return the tokens and floating-point operations of the passes over one batch, if every row has full length."""
    arguments = checked.arguments
    tokens = int(arguments.generation_batch_size or 0) * settings.rollout.max_length * arguments.num_iterations
    # TRL counts three forward passes: one, and a backward pass of two. Checkpointing and scoring add one each.
    scored = settings.rollout.engine == "vllm" and arguments.vllm_importance_sampling_correction
    passes = 3 + bool(arguments.gradient_checkpointing) + bool(scored)
    text: Any = checked.config.get_text_config()
    each = compute_flops_per_token(text, settings.rollout.max_length) / 3 * passes
    return f"at most {tokens:,} tokens a batch, {tokens * each:.2g} floating-point operations"


def _steps(checked: CheckedSettings) -> int:
    return len(checked.order) // groups_a_batch(checked.arguments) * steps_a_batch(checked.arguments)


def _trained(settings: Settings, sizes: Sizes) -> str:
    lora = settings.model.lora
    return f"an adapter of rank {lora.rank}, {sizes.trained / 1e6:,.1f} million weights" if lora else "all weights"


def _disk_rows(settings: Settings, checked: Checked) -> list[tuple[str, str]]:
    """Return the bytes on disk of each training that is configured."""
    if deepspeed_here():
        return [("on disk", "not predicted: DeepSpeed writes checkpoints in a format of its own")]
    predicted = partial(disk_of, settings=settings, config=checked.config, tokenizer=checked.form.tokenizer)
    found = {"grpo": predicted("grpo", arguments=checked.arguments, steps=_steps(checked))}
    steps = sft_steps(settings)
    if steps is not None:
        found["sft"] = predicted("sft", arguments=sft_config(settings), steps=steps)
    return [(f"on disk, {name}", _disk(disk)) for name, disk in found.items()]


def _disk(disk: Disk) -> str:
    if not disk.checkpoints:
        return f"{_size(disk.all)} without checkpoints"
    return (
        f"{_size(disk.all)} at the end, {_size(disk.peak)} at most; "
        f"checkpoints: {len(disk.checkpoints)} x {_size(disk.checkpoints[-1])}, policy: {_size(disk.policy)}"
    )


def _size(size: int) -> str:
    return f"{size / GIB:,.2f} GiB" if size > GIB / 10 else f"{size / 2**20:,.2f} MiB"


def _counted(scripts: list[Script]) -> str:
    counts = Counter(script.task for script in scripts)
    return f"{len(scripts)} ({', '.join(f'{task} {count}' for task, count in counts.items())})" if scripts else ""


def _memory(needed: dict[str, dict[str, float]]) -> Table:
    table = Table("memory of one process at most, GiB", *needed, box=None)
    for what in dict.fromkeys(what for parts in needed.values() for what in parts):
        table.add_row(what, *(f"{parts.get(what, 0) / GIB:,.2f}" for parts in needed.values()))
    sums = (f"[bold]{sum(parts.values()) / GIB:,.2f}[/bold]" for parts in needed.values())
    table.add_row("[bold]together[/bold]", *sums)
    return table
