"""Training in several processes divides the batch; a batch that cannot be divided is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentcvr_graph.errors import InputError
from training.recipes.processes import divided
from training.recipes.tiny.recipe import settings_of


def recipe():
    return settings_of(Path("training/recipes/tiny/configs/tiny.yaml"), Path("runs/none"), 0)


def test_each_process_gets_an_equal_part_of_every_batch():
    whole, part = recipe(), divided(recipe(), 2)
    assert whole.sft is not None and part.sft is not None
    assert part.sft.trainer["per_device_train_batch_size"] * 2 == whole.sft.trainer["per_device_train_batch_size"]
    assert part.grpo.trainer["gradient_accumulation_steps"] * 2 == whole.grpo.trainer["gradient_accumulation_steps"]
    assert part.grpo.trainer["max_steps"] == whole.grpo.trainer["max_steps"]
    assert divided(whole, 1) == whole == recipe(), "what was given is left as it was"


def test_a_batch_that_cannot_be_divided_is_refused():
    with pytest.raises(InputError, match=r"per_device_train_batch_size=6 cannot be divided among 4 processes\. Set a"):
        divided(recipe(), 4)
