"""Measure the policies of the recipe on held-out scripts, beside what they have to beat; one file a master.

    before      the pretrained model, untrained: which actions it writes at all
    sft, grpo   the trained policies
    blind       the last policy without any evidence
    offline     the rules of the offline master
    random, thinned, constant
                looks by a plan, read by the policy after SFT: at random, everything thinned to the budget, and the best
                of 50 fixed schedules for each task and budget, chosen on training scripts

`before` and `blind` are measured at the whole budget alone: they do not look by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from agentcvr_training.baselines.plans import SCHEDULES, THINNED, random_looks
from agentcvr_training.config.settings import Settings
from agentcvr_training.measures.curve import SHARES
from agentcvr_training.measures.evaluation import MeasuredQuestion, measure_master, measure_policy, simulator_of
from rich.console import Console

from agentcvr_graph.models.offline.master import OfflineMaster
from agentcvr_graph.perception.blind import BlindPerception
from agentcvr_graph.scripts.schema import Script
from training.recipes.measuring import Way, measure_constant, measure_once
from training.recipes.tiny.recipe import first_of_each

MASTERS: Mapping[str, str] = {
    "blind": "after GRPO, blind",
    "before": "before training",
    "offline": "offline master",
    "random": "random looks, read after SFT",
    "thinned": "everything thinned, read after SFT",
    "constant": "best of 50 constants, read after SFT",
    "sft": "after SFT",
    "grpo": "after GRPO",
}
"""Titles in tables, in their order."""
WHOLE = (1.0,)
LONGEST = 8192
"""Tokens that a conversation with a plan may have. Random looks that spend a whole budget are 90 calls: longer than the
policy's own conversations, and a baseline without room for its answer would be none."""


def measure(
    settings: Settings,
    folder: Path,
    results: Path,
    choosing: int,
    console: Console,
    only: Sequence[str] = (),
    shares: Sequence[float] = SHARES,
) -> bool:
    """Measure every master that has no file yet; return whether all have one now.

    A master whose policy has not been trained yet is left for later.

    Args:
        folder: of the run, with the policies.
        results: folder for one file a master.
        choosing: training scripts of each task on which the best schedule is chosen.
        only: names of masters; empty for all.
        shares: budgets as shares of the full cost, for the masters whose looks depend on it; the best schedules are
            chosen and measured at all of `SHARES`.
    """
    scripts = settings.held_out_scripts()
    ways = _ways(settings, folder, scripts, choosing, shares, console)
    files = {name: results / f"{name}.json.gz" for name in ways}
    for name in only or ways:
        measure_once(MASTERS[name], ways[name], files[name], console)
    return all(path.exists() for path in files.values())


def _ways(
    settings: Settings,
    folder: Path,
    scripts: Sequence[Script],
    choosing: int,
    shares: Sequence[float],
    console: Console,
) -> Mapping[str, Way]:
    initial, reader, policy = folder / "initial", folder / "warm", folder / "policy"
    blind = BlindPerception(simulator_of(scripts, settings))
    roomy = settings.model_copy(update={"rollout": settings.rollout.model_copy(update={"max_length": LONGEST})})

    def constant() -> list[MeasuredQuestion]:
        return measure_constant(reader, roomy, scripts, first_of_each(settings.scripts.load(), choosing), console)

    return {
        "offline": Way(folder, lambda: measure_master(OfflineMaster(), settings, scripts, shares)),
        "before": Way(initial, lambda: measure_policy(initial, settings, scripts, WHOLE)),
        "sft": Way(reader, lambda: measure_policy(reader, settings, scripts, shares)),
        "grpo": Way(policy, lambda: measure_policy(policy, settings, scripts, shares)),
        "blind": Way(policy, lambda: measure_policy(policy, settings, scripts, WHOLE, perception=blind)),
        "random": Way(reader, lambda: measure_policy(reader, roomy, scripts, shares, plan=random_looks)),
        "thinned": Way(reader, lambda: measure_policy(reader, roomy, scripts, shares, plan=THINNED)),
        "constant": Way(reader, constant),
    }


def episodes_of(name: str, questions: int, tasks: int, choosing: int, shares: int = len(SHARES)) -> int:
    """Return how many episodes of the model the measurement of a master takes at so many budgets."""
    if name == "offline":
        return 0
    if name == "constant":
        return len(SHARES) * (len(SCHEDULES) * tasks * choosing + questions)
    return questions * (1 if name in ("before", "blind") else shares)
