"""Train policies from the same warm start in other ways, to see what GRPO adds and what each choice does.

    python -m training.recipes.tiny.variants runs/tours-6/seed-0             every variant; the same command resumes
    python -m training.recipes.tiny.variants runs/tours-6/seed-0 rejection    one of them
    python -m training.recipes.tiny.variants runs/short/seed-0 unscaled --set grpo.trainer.max_steps=2    a trial

A variant changes settings of the recipe and nothing else, except `rejection`: of eight conversations the best is
imitated, over as many conversations as GRPO samples. Policies are written to `FOLDER/variants/NAME/policy`;
`comparison.py` measures those that exist.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer
from agentcvr_training.baselines.rejection import record_best
from agentcvr_training.config.settings import Settings, load_settings, read_overrides
from agentcvr_training.grpo import train
from agentcvr_training.sft import warm_start
from agentcvr_training.trainer.run import quiet

from agentcvr_graph.cli.console import err, one_of, run_app
from agentcvr_graph.errors import InputError
from agentcvr_graph.utils.progress import ProgressBar
from training.recipes.processes import default_processes, train_in_processes
from training.recipes.tiny.recipe import seed_of_folder, seed_overrides

CONFIG = Path("training/recipes/tiny/configs/tours.yaml")
RELEASED = Path("training/recipes/tiny/results/tours/warm")
"""The released policy after SFT on tours."""
TRIES = 8
"""Conversations about each script, of which rejection sampling keeps the best."""


@dataclass(frozen=True)
class Variant:
    """A way to train from the warm start."""

    title: str
    overrides: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Settings that differ from the recipe's, by dotted name."""
    imitates: bool = False
    """Whether it imitates its best conversations in place of GRPO."""
    left_out: str = ""
    """The task that is not trained on."""


VARIANTS: Mapping[str, Variant] = {
    "rejection": Variant(
        "rejection sampling",
        {"sft.trainer.learning_rate": 5.0e-4, "sft.trainer.warmup_steps": 5, "sft.trainer.num_train_epochs": 2},
        imitates=True,
    ),
    "without-SPOT": Variant("GRPO without SPOT", left_out="SPOT"),
    "without-COST": Variant("GRPO without COST", left_out="COST"),
    "answer-only": Variant("GRPO, reward for the answer alone", {"reward.preset": "answer"}),
    "unscaled": Variant("GRPO, advantages not scaled", {"grpo.trainer.scale_rewards": "none"}),
    "full-budget": Variant("GRPO, every budget at 100 %", {"rollout.budget_shares": [1.0, 1.0]}),
}


def variant_settings(
    config: Path, folder: Path, seed: int, name: str, given: Mapping[str, Any] = MappingProxyType({})
) -> Settings:
    """Return the settings of a variant of one seed: the recipe's, from its warm start, into a folder of its own.

    Args:
        given: settings that differ from those of the file, by dotted name; those that make the variant win.
    """
    own = folder / "variants" / name
    changed = {"output": str(own), "model.path": str(folder / "warm"), "sft.demonstrations": str(own / "best.jsonl")}
    overrides = {**seed_overrides(folder, seed), **changed, **given, **VARIANTS[name].overrides}
    tasks = load_settings(config, overrides).scripts.tasks
    trained = [task for task in tasks if task != VARIANTS[name].left_out]
    return load_settings(config, {**overrides, "scripts.tasks": trained})


def train_variant(settings: Settings, variant: Variant, processes: int) -> None:
    """Train a variant whose policy does not exist yet."""
    policy = Path(settings.output) / "policy"
    if policy.exists():
        err.print(f"kept: {policy} exists")
        return
    if variant.imitates:
        _imitate_best(settings, policy, processes)
    else:
        train_in_processes(train, settings, processes)


def _imitate_best(settings: Settings, policy: Path, processes: int) -> None:
    best = Path(settings.output) / "best.jsonl"
    if not best.exists():
        best.parent.mkdir(parents=True, exist_ok=True)
        _record(settings, best)
    train_in_processes(warm_start, settings, processes)
    shutil.move(Path(settings.output) / "warm", policy)


def _record(settings: Settings, path: Path) -> None:
    """Write the best conversations about the scripts that GRPO would see, as many conversations as it samples."""
    trainer = settings.grpo.trainer
    rows = trainer["per_device_train_batch_size"] * trainer["gradient_accumulation_steps"]
    scripts = settings.scripts.load()[: trainer["max_steps"] * rows // TRIES]
    with ProgressBar("sampling", TRIES, console=err) as progress:
        kept = record_best(settings, scripts, path, tries=TRIES, on_round=progress.advance)
    err.print(f"{kept} of {len(scripts)} scripts were answered at least once")


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of one seed of the recipe, with its warm start.")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help=f"{', '.join(VARIANTS)}; default all.")
    ] = None,
    config: Annotated[Path, typer.Option(help="The configuration of the recipe.")] = CONFIG,
    changed: Annotated[
        list[str] | None, typer.Option("--set", help="A setting that differs from the file, as NAME=VALUE.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Processes that share a training.")] = default_processes(),
) -> None:
    """Train variants of a recipe from its warm start; those whose policy exists are kept."""
    quiet()
    seed = seed_of_folder(folder)
    if not (folder / "warm").exists():
        raise InputError(
            f"{folder} has no warm start.",
            fix="Train one (training/README.md), or copy the released one: "
            f"mkdir -p {folder} && cp -r {RELEASED} {folder / 'warm'}",
        )
    overrides = read_overrides(changed or [])
    chosen = [one_of("NAME", name, tuple(VARIANTS)) for name in names or VARIANTS]
    for name in chosen:
        err.rule(f"seed {seed}: {VARIANTS[name].title}")
        train_variant(variant_settings(config, folder, seed, name, overrides), VARIANTS[name], processes)


app = typer.Typer(add_completion=False, rich_markup_mode="rich")
app.command()(main)

if __name__ == "__main__":
    run_app(app, "training")
