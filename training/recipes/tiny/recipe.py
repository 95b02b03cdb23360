"""The whole recipe for one seed, from random weights to an evaluated policy; `make train-tiny` runs it for every seed.

    demonstrations  the random-exploration master answers scripts (`../exploration`, `curriculum.py`)
    initial         a tokenizer learned from them, and random weights (`language.py`, `initialization.py`)
    warm            TRL's SFTTrainer imitates the demonstrations
    policy          TRL's GRPOTrainer, on runs of the graph in swap mode
    measures        both policies, the offline master and the blind baseline on held-out scripts; then the policy on
                    some of them rendered as real video, through the offline vision and audio models (`evaluation.py`)

Each step writes its result to the folder of the seed and is skipped if the result exists, so a stopped run resumes.
Training, held-out and demonstration scripts never share a seed.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from agentcvr_training.config.settings import Settings, load_settings
from agentcvr_training.demonstrations import read_demonstrations
from agentcvr_training.grpo import train
from agentcvr_training.measures.evaluation import simulator_of
from agentcvr_training.sft import warm_start
from rich.console import Console

from agentcvr_graph.errors import InputError
from agentcvr_graph.perception.blind import BlindPerception
from agentcvr_graph.scripts.schema import Script, Task
from training.recipes.processes import default_processes, train_in_processes
from training.recipes.tiny.curriculum import CurriculumStage, curricula_of, record
from training.recipes.tiny.evaluation import ScoredQuestion, evaluate_offline, evaluate_policy
from training.recipes.tiny.initialization import Size, initialize
from training.recipes.tiny.summary import Measures

SEEDS_APART = 10_000_000
LATER_SETTINGS: tuple[tuple[str, str, Any], ...] = (
    ("", "tools", ""),
    ("", "features", []),
    ("scripts", "difficulty_settings", {}),
    ("scripts", "phrasing", "training"),
    ("held_out", "difficulty_settings", {}),
    ("held_out", "phrasing", "training"),
    ("rollout", "budget_shares", None),
    ("rollout", "top_k", None),
    ("rollout", "min_p", None),
    ("rollout", "held_out_repetition_penalty", None),
    ("model", "chat_template_kwargs", {}),
)
"""Settings that did not exist when the first recipes were trained, as (part, name, default)."""


@dataclass(frozen=True)
class Scale:
    """Size of the model and amount of training; the defaults suit two CPU cores."""

    size: Size = field(default_factory=Size)
    demonstrations: float = 1.0
    """Factor on the number of demonstrations."""
    processes: int = field(default_factory=default_processes)
    """Processes that share each training; the result is the same except for rounding."""
    curriculum: str = ""
    """Name of the curricula; empty for those of the tasks."""
    first: Path | None = None
    """Folder of the seeds of an earlier round, whose warm start replaces random weights."""

    def curricula(self, tasks: Sequence[Task]) -> list[list[CurriculumStage]]:
        """Return the curricula for some tasks at this scale."""
        return [
            [replace(stage, each=round(stage.each * self.demonstrations)) for stage in curriculum]
            for curriculum in curricula_of(tasks, self.curriculum)
        ]


def settings_of(config: Path, folder: Path, seed: int, changed: Mapping[str, Any] = MappingProxyType({})) -> Settings:
    """Return the configuration of one seed: its own folder and training scripts, the same held-out scripts.

    Args:
        changed: settings that differ from those of the file, by dotted name.
    """
    return load_settings(config, {**seed_overrides(folder, seed), **changed})


def seed_overrides(folder: Path, seed: int) -> dict[str, Any]:
    """Return the settings of a configuration that each seed replaces, by dotted name."""
    return {
        "seed": seed,
        "output": str(folder),
        "model.path": str(folder / "initial"),
        "scripts.seed": seed * SEEDS_APART,
        "sft.demonstrations": str(folder / "demonstrations.jsonl"),
        "sft.trainer.bf16": torch.accelerator.is_available() or multiplies_bf16(),
    }


def seed_of_folder(folder: Path) -> int:
    """Return the seed of a run, with which the name of its folder ends.

    Raises:
        InputError: the name does not end with a number, as in `seed-0`.
    """
    number = folder.name.rpartition("-")[2]
    if not number.isdecimal():
        raise InputError(f"{folder} is not the folder of one seed.", fix="Name one, such as runs/tours-6/seed-0.")
    return int(number)


def multiplies_bf16() -> bool:
    """Return whether this CPU multiplies matrices in bf16 natively; others are faster in full precision."""
    capabilities: Any = getattr(torch.cpu, "get_capabilities", dict)  # missing in older versions
    able = capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def recipe_of(settings: Settings, scale: Scale) -> str:
    """Return a fingerprint of the recipe that does not depend on the seed or the machine."""
    own = {"output": True, "seed": True, "model": {"path"}, "scripts": {"seed"}, "sft": {"demonstrations"}}
    followed: Any = settings.model_dump(mode="json", exclude=own)
    followed["sft"]["trainer"].pop("bf16", None)
    for part, name, default in LATER_SETTINGS:
        settings_part = followed[part] if part else followed
        if settings_part and settings_part[name] == default:
            del settings_part[name]
    # The size of libraries is no part of a recipe that has none.
    curricula = re.sub(r", library=\d+|, binding=False", "", str(scale.curricula(settings.scripts.tasks)))
    described = f"{json.dumps(followed)} {scale.size} {curricula}{' from an earlier round' if scale.first else ''}"
    return hashlib.blake2b(described.encode(), digest_size=6).hexdigest()


def run_seed(settings: Settings, scale: Scale, live_each: int, console: Console) -> Measures:
    """Run all steps of one seed that have no result yet.

    Args:
        live_each: held-out scripts of each task that are rendered and evaluated live; 0 for none.
    """
    folder = Path(settings.output)
    measures = warm_up(settings, scale, console)
    warmed = settings.model_copy(update={"model": settings.model.model_copy(update={"path": str(folder / "warm")})})
    _take(
        measures,
        settings,
        {"reinforcement learning": (folder / "policy", lambda: train_in_processes(train, warmed, scale.processes))},
        console,
    )
    console.rule(f"seed {settings.seed}: measures")
    measure(settings, measures, live_each, console)
    return measures


def warm_up(settings: Settings, scale: Scale, console: Console) -> Measures:
    """Run the steps of one seed up to the warm start, as far as they have no result yet.

    Raises:
        InputError: the folder holds a run of another configuration, or the earlier round has no warm start.
    """
    folder = Path(settings.output)
    shown, initial = folder / "demonstrations.jsonl", folder / "initial"
    if not initial.exists():
        _earlier(settings, scale)  # before the demonstrations, which take minutes
    folder.mkdir(parents=True, exist_ok=True)
    kept, recipe = folder / "measures.json", recipe_of(settings, scale)
    measures = Measures.read(kept) if kept.exists() else Measures(seed=settings.seed, recipe=recipe)
    if measures.recipe != recipe:
        raise InputError(f"{folder} was trained and evaluated by another configuration.", fix="Name another folder.")
    _take(
        measures,
        settings,
        {
            "demonstrations": (
                shown,
                lambda: record(settings, shown, console, scale.curricula(settings.scripts.tasks)),
            ),
            "initialization": (initial, lambda: _initial(settings, scale, shown, initial)),
            "warm start": (folder / "warm", lambda: train_in_processes(warm_start, settings, scale.processes)),
        },
        console,
    )
    return measures


def _earlier(settings: Settings, scale: Scale) -> Path | None:
    """Return the warm start of the earlier round with which a round begins; None if it begins with random weights."""
    if scale.first is None:
        return None
    earlier = scale.first / f"seed-{settings.seed}" / "warm"
    if not earlier.exists():
        raise InputError(
            f"There is no policy in {earlier}.", fix="Name the folder of an earlier round, such as runs/tours."
        )
    return earlier


def _initial(settings: Settings, scale: Scale, shown: Path, initial: Path) -> None:
    """Write the policy that the warm start begins with: random weights, or the warm start of an earlier round."""
    if earlier := _earlier(settings, scale):
        shutil.copytree(earlier, initial)
    else:
        initialize(islice(read_demonstrations(shown), 0, None, 5), initial, settings.seed, scale.size)


def _take(
    measures: Measures, settings: Settings, steps: Mapping[str, tuple[Path, Callable[[], object]]], console: Console
) -> None:
    """Take the steps that have no result yet, and keep how long each took."""
    for name, (result, take) in steps.items():
        if not result.exists():
            console.rule(f"seed {settings.seed}: {name}")
            started_s = time.monotonic()
            take()
            spent_s = measures.seconds.get(name, 0.0) + time.monotonic() - started_s
            measures.seconds[name] = round(spent_s, 1)
            measures.write(Path(settings.output) / "measures.json")


def measure(settings: Settings, measures: Measures, live_each: int, console: Console) -> None:
    """Run each evaluation that has no result yet; save the results after each."""
    folder = Path(settings.output)
    scripts = settings.held_out.load() if settings.held_out else []
    rendered = first_of_each(scripts, live_each)
    simulated = simulator_of(scripts, settings)
    conditions: dict[str, Callable[[], list[ScoredQuestion]]] = {
        "sft": lambda: evaluate_policy(folder / "warm", settings, scripts, simulated),
        "grpo": lambda: evaluate_policy(folder / "policy", settings, scripts, simulated),
        "offline": lambda: evaluate_offline(settings, scripts),
        "blind": lambda: evaluate_policy(folder / "policy", settings, scripts, BlindPerception(simulated)),
    }
    if rendered:
        # Imported here because a machine that only trains may lack the libraries for real video.
        from training.recipes.tiny.live import evaluate_live

        conditions["live"] = lambda: evaluate_live(
            folder / "policy", settings, rendered, folder.parent / "rendered", console
        )
    for name, evaluate in conditions.items():
        if name not in measures.questions:
            measures.questions[name] = evaluate()
            measures.write(folder / "measures.json")
            console.print(f"{name}: {100 * measures.accuracy(name):.1f} % of {len(measures.questions[name])}")


def first_of_each(scripts: Sequence[Script], each: int) -> list[Script]:
    """Return the first `each` scripts of every task."""
    tasks = dict.fromkeys(script.task for script in scripts)
    return [script for task in tasks for script in [s for s in scripts if s.task == task][:each]]
