"""The data order: the scripts in training order, computed in advance for a whole run.

TRL shuffles every epoch from one running generator, so a run that resumes in its second epoch would repeat the order of
the first. TRL also drops scripts that do not fill a batch at the end of each epoch. Here a run is one long epoch over a
list that holds several passes over the scripts, each shuffled from the seed and its own number. So no script is dropped
between two passes, a resumed run continues where it stopped, and a longer run starts like a shorter one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from itertools import islice

from trl.trainer.grpo_config import GRPOConfig

from agentcvr_graph.errors import InputError


def script_order(ids: Sequence[str], arguments: GRPOConfig) -> list[str]:
    """Return one id for each group of the run, in training order.

    Raises:
        InputError: the epochs of a run without `max_steps` do not fill one batch.
    """
    groups = groups_a_batch(arguments)
    if arguments.max_steps > 0:
        batches = math.ceil(arguments.max_steps / steps_a_batch(arguments))
    else:
        batches = int(arguments.num_train_epochs * len(ids)) // groups
    if not batches:
        raise InputError(
            f"{len(ids)} scripts do not fill a batch of {groups} groups.",
            fix="Give more scripts, a smaller batch, or grpo.trainer.max_steps.",
        )
    return list(islice(_passes(ids, arguments), batches * groups))


def groups_a_batch(arguments: GRPOConfig) -> int:
    """Return the number of scripts in one batch of rollouts."""
    return int(arguments.generation_batch_size or 0) // int(arguments.num_generations or 1)


def steps_a_batch(arguments: GRPOConfig) -> int:
    """Return how many optimizer steps learn from one batch of rollouts; at least 1."""
    parts = int(arguments.steps_per_generation or 1) * arguments.num_iterations
    return max(1, parts // arguments.gradient_accumulation_steps)


def _passes(ids: Sequence[str], arguments: GRPOConfig) -> Iterator[str]:
    number = 0
    while True:
        one = list(ids)
        if arguments.shuffle_dataset:
            random.Random(f"{arguments.seed}/{number}").shuffle(one)
        yield from one
        number += 1
