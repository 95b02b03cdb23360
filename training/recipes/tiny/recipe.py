"""The whole recipe for one seed, from nothing to a policy that was measured: what `make train-tiny` runs.

    demonstrations  the careless master answers scripts (`careless.py`, `lessons.py`)
    begin           a tokenizer learned from them, and weights drawn at random (`language.py`, `beginning.py`)
    warm            TRL's SFTTrainer imitates the demonstrations
    policy          TRL's GRPOTrainer, on runs of the graph in swap mode
    measures        both, the offline master, and the policy with its tools cut off, on held-out scripts; then the
                    policy on some of them filmed as real video, seen and heard by the real offline agents
                    (`measuring.py`)

Each step leaves its result in the folder of the seed and is passed over where it is there already, so a run that was
stopped goes on. Training, held-out and demonstration scripts never share a seed.
"""

# torch leaves its capabilities open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from agentcvr_training.config.settings import Settings, load_settings
from agentcvr_training.demonstrations import read_demonstrations
from agentcvr_training.grpo import train
from agentcvr_training.sft import warm_start
from agentcvr_training.trainer.processes import sensible_processes, train_in_processes
from rich.console import Console

from agentcvr_graph.errors import InputError
from agentcvr_graph.perception.blind import BlindPerception
from agentcvr_graph.scripts.schema import Script
from training.recipes.tiny.curriculum import COURSES, Lesson, record
from training.recipes.tiny.evaluation import ScoredQuestion, ask_offline, ask_policy, simulator
from training.recipes.tiny.initialization import Size, begin
from training.recipes.tiny.summary import Measures

SEEDS_APART = 10_000_000


@dataclass(frozen=True)
class Scale:
    """How large the model is and how much it is shown: two cores bear little, an accelerator more."""

    size: Size = field(default_factory=Size)
    lessons: float = 1.0
    """Demonstrations, times what the courses say."""
    processes: int = field(default_factory=sensible_processes)
    """Among which each training is shared; what comes of it is the same but for rounding."""

    def courses(self) -> list[list[Lesson]]:
        """The courses at this scale."""
        return [[replace(lesson, each=round(lesson.each * self.lessons)) for lesson in course] for course in COURSES]


def settings_of(config: Path, folder: Path, seed: int) -> Settings:
    """The configuration of one seed: its own folder, its own scripts to train on, the same held-out ones."""
    return load_settings(
        config,
        {
            "seed": seed,
            "output": str(folder),
            "model.path": str(folder / "begin"),
            "scripts.seed": seed * SEEDS_APART,
            "sft.demonstrations": str(folder / "demonstrations.jsonl"),
            "sft.trainer.bf16": torch.accelerator.is_available() or multiplies_bf16(),
        },
    )


def multiplies_bf16() -> bool:
    """Whether this processor multiplies matrices in bf16 by itself; one that does not is faster in full precision."""
    tell: Any = getattr(torch.cpu, "get_capabilities", dict)  # older versions do not tell
    able = tell()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def recipe_of(settings: Settings, scale: Scale) -> str:
    """Says whether two runs followed the same recipe, whatever the seed and the machine."""
    own = {"output": True, "seed": True, "model": {"path"}, "scripts": {"seed"}, "sft": {"demonstrations"}}
    followed: Any = settings.model_dump(mode="json", exclude=own)
    followed["sft"]["trainer"].pop("bf16", None)
    told = f"{json.dumps(followed)} {scale.size} {scale.courses()}"
    return hashlib.blake2b(told.encode(), digest_size=6).hexdigest()


def run_seed(settings: Settings, scale: Scale, live_each: int, console: Console) -> Measures:
    """All steps of one seed.

    Args:
        live_each: held-out scripts of each task that are filmed and asked live; 0 for none.
    """
    folder = Path(settings.output)
    folder.mkdir(parents=True, exist_ok=True)
    kept, recipe = folder / "measures.json", recipe_of(settings, scale)
    measures = Measures.read(kept) if kept.exists() else Measures(seed=settings.seed, recipe=recipe)
    if measures.recipe != recipe:
        raise InputError(f"{folder} was trained and measured by another configuration.", fix="Name another folder.")
    warmed = settings.model_copy(update={"model": settings.model.model_copy(update={"path": str(folder / "warm")})})
    shown, begun = folder / "demonstrations.jsonl", folder / "begin"
    steps: dict[str, tuple[Path, Callable[[], object]]] = {
        "demonstrations": (shown, lambda: record(settings, shown, console, scale.courses())),
        "beginning": (
            begun,
            lambda: begin(islice(read_demonstrations(shown), 0, None, 5), begun, settings.seed, scale.size),
        ),
        "warm start": (folder / "warm", lambda: train_in_processes(warm_start, settings, scale.processes)),
        "reinforcement learning": (folder / "policy", lambda: train_in_processes(train, warmed, scale.processes)),
    }
    for name, (result, take) in steps.items():
        if not result.exists():
            console.rule(f"seed {settings.seed}: {name}")
            started_s = time.monotonic()
            take()
            spent_s = measures.seconds.get(name, 0.0) + time.monotonic() - started_s
            measures.seconds[name] = round(spent_s, 1)
            measures.write(kept)
    console.rule(f"seed {settings.seed}: measures")
    measure(settings, measures, live_each, console)
    return measures


def measure(settings: Settings, measures: Measures, live_each: int, console: Console) -> None:
    """Ask whatever was not asked yet; kept after each."""
    folder = Path(settings.output)
    scripts = settings.held_out.load() if settings.held_out else []
    filmed = first_of_each(scripts, live_each)
    world = simulator(scripts, settings)
    ways: dict[str, Callable[[], list[ScoredQuestion]]] = {
        "sft": lambda: ask_policy(folder / "warm", settings, scripts, world),
        "grpo": lambda: ask_policy(folder / "policy", settings, scripts, world),
        "offline": lambda: ask_offline(settings, scripts),
        "blind": lambda: ask_policy(folder / "policy", settings, scripts, BlindPerception(world)),
    }
    if filmed:
        # Needs the libraries of real video, which a machine that only trains can do without.
        from training.recipes.tiny.live import ask_live

        ways["live"] = lambda: ask_live(folder / "policy", settings, filmed, folder.parent / "twins", console)
    for name, ask in ways.items():
        if name not in measures.asked:
            measures.asked[name] = ask()
            measures.write(folder / "measures.json")
            console.print(f"{name}: {100 * measures.accuracy(name):.1f} % of {len(measures.asked[name])}")


def first_of_each(scripts: Sequence[Script], each: int) -> list[Script]:
    """The first so many scripts of every task."""
    tasks = dict.fromkeys(script.task for script in scripts)
    return [script for task in tasks for script in [s for s in scripts if s.task == task][:each]]
