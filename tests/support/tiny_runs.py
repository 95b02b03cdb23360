"""Complete training runs in seconds: a policy trained to write a few actions, a chat template that shortens
observations, and configurations that use both.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
import yaml
from tokenizers import AddedToken
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tests.support import tiny_models
from tests.support.disk_cache import cached_folder
from tests.support.tiny_models import PLAIN, WITHOUT_TOOLS, model, tokenizer

ACTIONS = (
    '{"action": "observe", "arguments": {"targets": [{"video": 1, "start_s": 0, "end_s": 20, "frames": 4}]}}',
    '{"action": "listen", "arguments": {"video": 2, "start_s": 0, "end_s": 9}}',
    *(f'{{"action": "answer", "arguments": {{"value": "{letter}"}}}}' for letter in "ABCD"),
)
SHORT = WITHOUT_TOOLS.replace("{{ m.content }}", "{{ m.content if m.role == 'assistant' else m.content[-40:] }}")


def speaking_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tiny tokenizer with one token for each action."""
    plain = tokenizer(PLAIN)
    own = PreTrainedTokenizerFast(
        tokenizer_object=type(plain.backend_tokenizer).from_str(plain.backend_tokenizer.to_str()),
        eos_token=plain.eos_token,
        pad_token=plain.pad_token,
    )
    own.add_tokens([AddedToken(action, special=False, normalized=False) for action in ACTIONS])
    own.chat_template = SHORT
    return own


def trained_speaker() -> Path:
    """Return the folder of a model that writes a random one of `ACTIONS` per turn. Tests must not change the folder."""
    versions = [f"{name} {version(name)}" for name in ("torch", "transformers", "tokenizers")]
    return cached_folder("speaker", [Path(__file__), Path(tiny_models.__file__), *versions], _train_speaker)


def _train_speaker(folder: Path) -> None:
    own = speaking_tokenizer()
    torch.manual_seed(0)
    net = model(vocab_size=len(own), initializer_range=0.1)
    opening, end = own.encode("<|im_start|>assistant\n"), own.eos_token_id
    actions = [own.convert_tokens_to_ids(action) for action in ACTIONS]
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    net.train()
    for _ in range(60):
        before = torch.randint(3, actions[0], (24, 40))
        chosen = torch.tensor(actions)[torch.randint(len(actions), (24, 1))]
        ids = torch.cat([before, torch.tensor([opening] * 24), chosen, torch.full((24, 1), end)], dim=1)
        logits = net(ids).logits[:, -3:-1]
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, -2:].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
    net.eval().save_pretrained(folder)
    own.save_pretrained(folder)


def settings_of(folder: Path, output: Path, **changes: object) -> dict[str, object]:
    """Return a configuration as a dictionary, with changes by dotted name (`__` may stand for the dot)."""
    values: dict[str, object] = {
        "output": str(output),
        "model": {"path": str(folder), "dtype": "float32"},
        "scripts": {"tasks": ["CC", "NC"], "each": 5},
        "graph": {"dialect": "json", "min_evidence": 0, "max_turns": 3},
        "rollout": {"max_new_tokens": 3, "max_length": 700, "live_graphs": 8},
        "grpo": {
            "steps_between_reports": 0,
            "trainer": {
                "max_steps": 4,
                "per_device_train_batch_size": 8,
                "num_generations": 4,
                "learning_rate": 0.01,
                "save_steps": 2,
                "report_to": [],
            },
        },
    }
    for name, value in changes.items():
        *parts, last = name.replace("__", ".").split(".")
        place = values
        for part in parts:
            place = place.setdefault(part, {})  # type: ignore[assignment]
        place[last] = value
    return values


def write_settings(folder: Path, output: Path, **changes: object) -> Path:
    """Write the configuration to a file next to the output folder; return its path."""
    path = output.parent / f"{output.name}.yaml"
    path.write_text(yaml.safe_dump(settings_of(folder, output, **changes)))
    return path


def command(arguments: list[object], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run `agentcvr train ARGUMENTS` in this process; return its exit status. pytest captures the output."""
    from agentcvr_training.commands import EXTRA, app

    from agentcvr_graph.cli.console import run_app

    monkeypatch.setattr(sys, "argv", ["agentcvr train", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        run_app(app, EXTRA)
    return int(caught.value.code or 0)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """Read the weights of a model folder."""
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def tokenizer_of(folder: Path):
    """Read the tokenizer of a model folder."""
    return AutoTokenizer.from_pretrained(folder)
