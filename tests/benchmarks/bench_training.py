"""Training on graph trajectories: its exactness and the cost of the graph. `make bench-training` takes 15 minutes.

All measurements use one policy (`--policy FOLDER`, default the shipped one) in fp32, on tours of its three tasks in
swap mode, with the turns and budgets of its training, four episodes per script as in GRPO, and at most 64 live graphs.
Ratios are taken within one run, and compared variants run alternately, so that a slow phase of the machine affects all
of them. All of torch's threads are used.

- **Exactness**: one step of GRPO over 256 trajectories in fp32, and over 64 with `bf16`. It compares the engine's
  samples with the inputs of TRL's loss (`tests/support/exactness.py`), and the log probabilities before learning with
  those in the loss. Engine and trainer batch tokens differently, so in bf16 their numbers differ; those of the
  trainer's two passes must not.
- **Old log probabilities**: the pass over a generation before it is learned from, TRL's and ours, on the same rows with
  the same attention, 8 at a time. The difference is padding: of the episodes, and of rows cut to lengths between 30
  tokens and the longest.
- **Against sequential graphs**: the same tasks with the same seeds, so the same tokens up to rounding, through the same
  engine, with its cache in both cases. Only the first 64 tasks are used, because sequential graphs are slow.
- **Against raw `generate`**: `generate` reads and writes as many tokens as the episodes. A row's prompt is all that an
  episode read, opening and replies, in one piece. In a batch of 64 rows, every row writes the mean of its episodes'
  sampled tokens, so no row waits for another. Rows are sorted by length, so there is little padding. `generate` never
  stops for a graph, a simulator, a parser or a second prompt, so no loop over turns can be as fast. The figure is
  sampled tokens per second.
- **Against TRL's `environment_factory`**: the same policy, scripts, tools, texts and limits (`trl_loop.py`). The figure
  is trajectories per second from prompts to a batch with rewards, for both.
- **Swap against live**: a training step on scripts and on the videos rendered from them (`live_step.py`).
- **Attention of the warm start** (`recipes/tiny/blocked_attention.py`): forward and backward pass of a layer, compared
  with torch's attention with the mask that padded rows need otherwise, in the type in which the recipe does SFT on this
  processor.
"""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from agentcvr_training.rollout.episodes import Episode
from agentcvr_training.rollout.ledger import Drift
from agentcvr_training.rollout.ledger import Row as TokenRow
from agentcvr_training.trainer.run import quiet
from agentcvr_training.trainer.trainers import GraphTrainer
from torch.nn.functional import scaled_dot_product_attention
from trl.trainer.grpo_trainer import GRPOTrainer

from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from tests.benchmarks import live_step
from tests.benchmarks.policies import (
    GROUP,
    LIVE_GRAPHS,
    POLICY,
    SAMPLING,
    Player,
    sampled_tokens,
    scripts,
    tasks_of,
)
from tests.benchmarks.rows import Row, ratio
from tests.benchmarks.trl_loop import TrlLoop, timed_batch
from tests.support.exactness import Exactness, train_one_step
from training.recipes.tiny.blocked_attention import attend_in_blocks
from training.recipes.tiny.cpu_training import fast_on_cpu
from training.recipes.tiny.recipe import multiplies_bf16

EXACT = 256
"""Trajectories of the step whose numbers are compared."""
EXACT_IN_BF16 = 64
"""The same in bf16; fewer, because many CPUs have no instructions for it."""
EPISODES = 128
ROUNDS = 3
ROWS, HEADS, LENGTH, HEAD = 6, 4, 600, 32
"""Shape of the attention in a step of the warm start: rows, heads, tokens, head size."""
LAYERS = 20
"""Passes through a layer per attention, alternately."""
SHORTEST = 30
"""Tokens of the shortest completion of the ragged rows."""
OLD_ROWS = 8
"""Rows of one forward pass for old log probabilities."""
LIVE_SCRIPTS = 4
"""Scripts of the step on real video. They are few because the offline vision model needs about 0.5 s per frame."""


def rows(folder: Path | None = None, device: str = "cpu") -> Iterator[Row]:
    """Yield the rows as they are measured."""
    quiet()
    player = Player(folder or POLICY, device)
    parts: list[Callable[[Player, Path], list[Row]]] = [
        *(exactness, exactness_in_bf16, old_pass, throughput, against_trl, swap_and_live, attention)
    ]
    for part in parts:
        with tempfile.TemporaryDirectory() as place:
            yield from part(player, Path(place))


def exactness(player: Player, place: Path) -> list[Row]:
    """Compare sampled with trained tokens over 256 trajectories."""
    found = _one_step(player, place, EXACT)
    drifted = sum(count for drift, count in found.drifts.items() if drift is not Drift.CLEAN)
    same = found.unmatched == 0 and found.sampled == found.trained
    return [
        Row(
            f"exactness: trajectories with ids or mask unlike what was sampled, of {found.trajectories}",
            f"{found.unmatched} ({found.sampled:,} tokens sampled, {found.trained:,} trained on)",
            "0",
            same and found.trajectories == EXACT,
        ),
        Row("exactness: largest gap of a log probability", f"{found.worst:.1e}", "<= 1e-4", found.worst <= 1e-4),
        Row("exactness: root mean square of the gaps", f"{found.typical:.1e}"),
        _unchanged("exactness: largest gap between the trainer's old and new log probabilities", found),
        Row(f"exactness: drifts in {sum(found.drifts.values()):,} prompts", f"{drifted}", "0", drifted == 0),
    ]


def exactness_in_bf16(player: Player, place: Path) -> list[Row]:
    """Compare fewer trajectories in 16 bits, where a row's numbers depend on its batch."""
    found = _one_step(player, place, EXACT_IN_BF16, bf16=True)
    return [
        Row("bf16: root mean square of the gaps between sampler and trainer", f"{found.typical:.1e}"),
        _unchanged("bf16: largest gap between the trainer's old and new log probabilities", found),
    ]


def _one_step(player: Player, place: Path, trajectories: int, **changes: Any) -> Exactness:
    played = scripts(trajectories // GROUP)
    rollout = player.rollout(played, ScriptedPerception(ScriptLibrary.of(played)))
    prompts = [script.id for script in played]
    return train_one_step(place, player.model(), rollout, prompts, trajectories, group=GROUP, **changes)[1]


def _unchanged(what: str, found: Exactness) -> Row:
    return Row(what, f"{found.old_gap:.1e}", "0", found.old_gap == 0)


def old_pass(player: Player, place: Path) -> list[Row]:
    """Compare the time of the log probabilities before learning, computed as TRL does and as here."""
    played = scripts(EPISODES // GROUP)
    rollout = player.rollout(played, ScriptedPerception(ScriptLibrary.of(played)))
    trainer: Any = player.trainer(rollout, played, place)
    trainer.model.train()
    batch = trainer._generate_and_score_completions([{"prompt": script.id} for script in played for _ in range(GROUP)])
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    prompt, completion = batch["prompt_mask"], batch["completion_mask"]
    found: list[Row] = []
    for name, lengths, target in (("episodes", completion, None), ("ragged rows", _ragged(completion), 2)):
        mask = torch.cat([prompt, lengths], 1)
        tokens = f"{int(mask.sum(1).min())} to {int(mask.sum(1).max())} tokens"
        padding = f"{100 * (1 - float(mask.sum()) / mask.numel()):.0f} % padding"
        gain = _gain(trainer, ids, mask, completion.shape[1])
        what = f"old log probabilities against TRL's, {name} of {tokens}, {padding}"
        found.append(Row(what, f"{gain:.2f}") if target is None else ratio(what, gain, target))
    return found


def _ragged(mask: torch.Tensor) -> torch.Tensor:
    """Return a mask of completions of as many columns, with lengths that are even on a logarithmic scale."""
    rows, width = mask.shape
    lengths = torch.logspace(math.log2(SHORTEST), math.log2(width), rows, base=2).round()
    mixed = lengths[torch.randperm(rows, generator=torch.Generator().manual_seed(0))]
    return (torch.arange(width)[None] < mixed[:, None]).to(mask)


def _gain(trainer: Any, ids: torch.Tensor, mask: torch.Tensor, kept: int) -> float:
    """Return the processor time of TRL's pass divided by that of ours, on the same rows, run alternately."""
    ways: dict[str, Any] = {"theirs": GRPOTrainer, "ours": GraphTrainer}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        trainer._order = None
        for name, kind in ways.items():
            started = time.process_time()
            with torch.no_grad(), fast_on_cpu(trainer.model):
                kind._get_per_token_logps_and_entropies(trainer, trainer.model, ids, mask, kept, batch_size=OLD_ROWS)
            seconds[name].append(time.process_time() - started)
    theirs, ours = (statistics.median(times[1:]) for times in seconds.values())
    return theirs / ours


def throughput(player: Player, place: Path) -> list[Row]:
    """Compare 64 live graphs with sequential graphs and with raw `generate`."""
    model, tasks = player.model(), tasks_of(scripts(EPISODES // GROUP))
    episodes, _ = player.play(model, tasks)  # warms up
    ours: list[float] = []
    raw: list[float] = []
    for _ in range(ROUNDS):
        ours.append(player.play(model, tasks)[1])
        raw.append(_generate_s(player, model, episodes))
    few = tasks[:LIVE_GRAPHS]
    side_by_side_s = statistics.median(player.play(model, few)[1] for _ in range(ROUNDS))
    one_by_one_s = player.play(model, few, live_graphs=1)[1]
    seconds, raw_s = statistics.median(ours), statistics.median(raw)
    tokens, generated = sampled_tokens(episodes), sum(map(sum, _lengths(episodes)))
    return [
        Row("rollouts: trajectories/s, 64 live graphs", f"{len(tasks) / seconds:.1f}"),
        Row("rollouts: sampled tokens/s", f"{tokens / seconds:,.0f} ({_shape(episodes)})"),
        Row("raw generate: tokens/s, batches of 64", f"{generated / raw_s:,.0f}"),
        ratio("64 live graphs against one after another", one_by_one_s / side_by_side_s, 8),
        ratio("sampled tokens/s against raw generate", (tokens / seconds) / (generated / raw_s), 0.6),
    ]


def against_trl(player: Player, place: Path) -> list[Row]:
    """Compare trajectories per second with TRL's own loop, from prompts to a batch with rewards."""
    played = scripts(EPISODES // GROUP)
    trl = TrlLoop(player, played, place)
    graphs = player.trainer(player.rollout(played, ScriptedPerception(ScriptLibrary.of(played))), played, place)
    sides = {
        "theirs": partial(timed_batch, trl.trainer, trl.rows),
        "ours": partial(timed_batch, graphs, [{"prompt": script.id} for script in played for _ in range(GROUP)]),
    }
    found: dict[str, list[tuple[int, float]]] = {name: [side()] for name, side in sides.items()}  # warms up
    for _ in range(ROUNDS):
        for name, side in sides.items():
            found[name].append(side())
    tokens = {name: statistics.mean(count for count, _ in batches[1:]) / EPISODES for name, batches in found.items()}
    rate = {name: EPISODES / statistics.median(s for _, s in batches[1:]) for name, batches in found.items()}
    return [
        Row("TRL's environment loop: trajectories/s", f"{rate['theirs']:.1f} ({tokens['theirs']:.0f} tokens each)"),
        Row("graphs: trajectories/s", f"{rate['ours']:.1f} ({tokens['ours']:.0f} tokens each)"),
        ratio("trajectories/s against TRL's environment loop", rate["ours"] / rate["theirs"], 1.2),
        Row(
            "sampled tokens/s against TRL's environment loop",
            f"{rate['ours'] * tokens['ours'] / (rate['theirs'] * tokens['theirs']):.2f}",
        ),
    ]


def swap_and_live(player: Player, place: Path) -> list[Row]:
    """Compare a training step in swap mode with the same step on real video."""
    steps = live_step.measure(player, scripts(LIVE_SCRIPTS), place)
    swap, cold, warm = (steps[name] for name in ("swap", "cold", "warm"))
    observed = f"{cold.frames} frames, {cold.audio_s:.0f} s of sound"
    return [
        Row(f"a step of {LIVE_SCRIPTS * GROUP} trajectories, swap mode", f"{swap.seconds:.1f} s"),
        Row("the same on real video, cold caches", f"{cold.seconds:.1f} s ({observed})"),
        Row("the same on real video, warm caches", f"{warm.seconds:.1f} s"),
        Row("live step against swap step, cold", f"{cold.seconds / swap.seconds:.1f} times"),
        Row("live step against swap step, warm", f"{warm.seconds / swap.seconds:.1f} times"),
    ]


def attention(player: Player, place: Path) -> list[Row]:
    """Compare blocked attention with torch's masked attention, for a layer of the warm start."""
    torch.manual_seed(0)
    dtype = torch.bfloat16 if multiplies_bf16() else torch.float32
    q, k, v = (torch.randn(ROWS, HEADS, LENGTH, HEAD, dtype=dtype).requires_grad_() for _ in range(3))
    causal = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril().expand(ROWS, 1, -1, -1)
    ways: dict[str, Callable[[], torch.Tensor]] = {
        "torch": lambda: scaled_dot_product_attention(q, k, v, attn_mask=causal).transpose(1, 2),
        "blocks": lambda: attend_in_blocks(torch.nn.Identity(), q, k, v, None)[0],
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(LAYERS):
        for name, attend in ways.items():
            started = time.perf_counter()
            out = attend()
            out.backward(out.detach())
            seconds[name].append(time.perf_counter() - started)
    once = {name: statistics.median(found) for name, found in seconds.items()}
    name = str(dtype).removeprefix("torch.")
    return [ratio(f"attention in blocks against torch's, {LENGTH} tokens, {name}", once["torch"] / once["blocks"], 1.5)]


def _lengths(episodes: Sequence[Episode]) -> Iterator[list[int]]:
    """Yield the number of tokens that `generate` samples in each row, batch by batch."""
    for batch in _batches(episodes):
        mean = max(1, round(sum(row.sampled for row in batch) / len(batch)))
        yield [mean] * len(batch)


def _batches(episodes: Sequence[Episode]) -> Iterator[list[TokenRow]]:
    found = sorted((row for episode in episodes for row in episode.rows), key=lambda row: len(row.ids) - row.sampled)
    yield from (found[start : start + LIVE_GRAPHS] for start in range(0, len(found), LIVE_GRAPHS))


def _generate_s(player: Player, model: Any, episodes: Sequence[Episode]) -> float:
    """Return the seconds that `generate` takes for the same number of tokens."""
    tokenizer = player.form.tokenizer
    started = time.perf_counter()
    for batch, lengths in zip(_batches(episodes), _lengths(episodes), strict=True):
        read = [
            row.prompt_ids + [token for token, own in zip(row.completion_ids, row.mask, strict=True) if not own]
            for row in batch
        ]
        inputs = tokenizer.pad({"input_ids": read}, padding_side="left", return_tensors="pt").to(player.device)
        with torch.inference_mode():
            model.generate(
                **inputs,
                do_sample=True,
                temperature=SAMPLING.temperature,
                top_k=0,
                min_new_tokens=lengths[0],
                max_new_tokens=lengths[0],
                pad_token_id=tokenizer.pad_token_id,
            )
    return time.perf_counter() - started


def _shape(episodes: Sequence[Episode]) -> str:
    """Describe the mean episode: turns, tokens sampled and tokens read."""
    count = len(episodes)
    turns = sum(len(episode.trajectory.turns) for episode in episodes) / count
    read = sum(len(row.ids) - row.sampled for episode in episodes for row in episode.rows) / count
    return f"an episode: {turns:.1f} turns, {sampled_tokens(episodes) / count:.0f} sampled, {read:.0f} read"
