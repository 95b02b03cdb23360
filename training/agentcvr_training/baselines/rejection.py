"""Rejection sampling: of several conversations about each script keep the best, and imitate those.

The simplest way to learn from a reward, without a gradient through it: best of n, then SFT. A policy that GRPO trains
has to be better than this one, with the same budgets and rewards.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from agentcvr_graph.scripts.library import script_json
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.utils.files import atomic_write_text
from agentcvr_graph.utils.resume import flatten_settings, require_same_settings
from agentcvr_training.config.settings import Settings
from agentcvr_training.demonstrations import Demonstration, demonstrate, read_demonstrations
from agentcvr_training.measures.evaluation import simulator_of
from agentcvr_training.rollout.runner import opened_policy
from agentcvr_training.trainer.resume_check import may_change


def record_best(
    settings: Settings,
    scripts: Sequence[Script],
    path: Path,
    *,
    tries: int = 8,
    least_score: float = 0.5,
    on_round: Callable[[], None] = lambda: None,
) -> int:
    """Write the best of several sampled conversations about each script; return how many there are.

    The policy is the model of the settings, sampled as in training and with budgets drawn as in training. Of equally
    good conversations the one with fewer messages is kept. The file appears when it is complete. Each pass over the
    scripts is kept in a file beside it until then, so a stopped recording goes on with the next pass. The settings and
    scripts of the passes are kept too (`NAME-passes.json`).

    Args:
        tries: conversations that are sampled about each script.
        least_score: scripts whose best answer scores less are left out.
        on_round: called after each pass over the scripts.

    Raises:
        InputError: the passes of a stopped recording have other settings or scripts; the message names them.
    """
    same = path.with_name(f"{path.stem}-passes.json")
    _check_same(same, settings, scripts)
    best: dict[str, Demonstration] = {}
    passes = [path.with_name(f"{path.stem}-pass-{number}.jsonl") for number in range(1, tries + 1)]
    for own in passes:
        if not own.exists():
            _write(own, asyncio.run(_sampled(settings, scripts)))
        for one in read_demonstrations(own):
            if one.script_id not in best or _rank(one) > _rank(best[one.script_id]):
                best[one.script_id] = one
        on_round()
    kept = [best[script.id] for script in scripts if script.id in best and best[script.id].score >= least_score]
    _write(path, kept)
    for own in (*passes, same):
        own.unlink()
    return len(kept)


def _check_same(path: Path, settings: Settings, scripts: Sequence[Script]) -> None:
    """Compare the settings with those of the passes that are there already; write them down if there are none.

    Raises:
        InputError: a setting or the scripts differ.
    """
    used = settings.model_dump(mode="json", include={"model", "seed", "graph", "tools", "features", "rollout"})
    now = {name: value for name, value in flatten_settings(json.loads(json.dumps(used))) if not may_change(name)}
    texts = "\n".join(map(script_json, scripts))
    now["scripts"] = hashlib.blake2b(texts.encode(), digest_size=16).hexdigest()
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        fix = f"Remove {path.stem.removesuffix('es')}*.json* in its folder to start again, or set it back."
        require_same_settings(path, before, now, fix=fix)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_text(path, json.dumps(now, indent=1))


def _write(path: Path, conversations: Sequence[Demonstration]) -> None:
    atomic_write_text(path, "".join(f"{one.model_dump_json()}\n" for one in conversations))


def _rank(one: Demonstration) -> tuple[float, int]:
    return one.score, -len(one.messages)


async def _sampled(settings: Settings, scripts: Sequence[Script]) -> list[Demonstration]:
    """Sample one conversation about each script; those whose infrastructure failed are left out."""
    live_graphs = settings.rollout.live_graphs
    with opened_policy(settings, slots=live_graphs) as policy:
        found = demonstrate(
            policy,
            simulator_of(scripts, settings),
            scripts,
            settings.context,
            live_graphs=live_graphs,
            tools=settings.load_tools(),
            budget_shares=settings.rollout.budget_shares,
        )
        return [one async for one in found if one is not None]
