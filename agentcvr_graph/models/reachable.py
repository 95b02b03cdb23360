"""Which models can be used from here: servers on their usual ports, API keys, model folders, the Hub cache, Ollama.

In: nothing but this machine and its environment. Out: a list of models with the roles that each can take, and the model
strings of a full command. It asks each server for its list of models with a short time limit and calls no model. What a
model can do is declared by Ollama; for others it is guessed from the name, because their servers do not say.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx

from agentcvr_graph.models.clients.keys import PROVIDER_KEYS, server_key
from agentcvr_graph.models.providers.ollama import server_address
from agentcvr_graph.models.strings import ModelStrings

SERVERS = {
    "vLLM": "http://127.0.0.1:8000/v1",
    "SGLang": "http://127.0.0.1:30000/v1",
    "LM Studio": "http://127.0.0.1:1234/v1",
    "llama.cpp": "http://127.0.0.1:8080/v1",
}
"""The usual address of each kind of server."""
HOSTED = {
    "openai": ("openai:gpt-4.1", "openai:whisper-1"),
    "anthropic": ("anthropic:claude-sonnet-4-5",),
    "google_genai": ("google_genai:gemini-2.5-flash",),
}
"""Examples of model strings for providers whose key is set; others are shown without a model."""
TRANSFORMERS, LIVE = "agentcvr-graph[transformers]", "agentcvr-graph[live]"
FASTER_WHISPER = "Systran/faster-whisper-"
"""Start of the names of repositories that have a size as their model string."""
TIMEOUT_S = 1.0
MASTER, VISION, AUDIO = "master", "vision", "audio"
Roles = frozenset[str]
_SEES = re.compile(
    r"vl\b|vl[-_:]|vision|llava|pixtral|vlm|minicpm-v|gemma-?3|gpt-4|gpt-5|claude|gemini|omni|moondream", re.I
)
_HEARS = re.compile(r"whisper|parakeet|-asr\b|transcribe", re.I)
_WRITES_NOTHING = re.compile(r"embed|bge-|rerank|clip-|minilm|ocr", re.I)


@dataclass(frozen=True)
class Reachable:
    """A model that can be used."""

    spec: str
    """Its model string."""
    where: str
    """What serves or holds it."""
    roles: Roles
    needs: str = ""
    """The package to install before it can be used; empty if nothing is missing."""


def reachable_models(servers: Iterable[str] = (), folders: Iterable[Path] = (Path(),)) -> list[Reachable]:
    """Return the models that can be used from here, nearest first.

    Args:
        servers: addresses of OpenAI-compatible servers besides the usual ones.
        folders: folders that may hold model folders.
    """
    asked = {**dict.fromkeys(servers, "named"), **{url: kind for kind, url in SERVERS.items()}}
    with ThreadPoolExecutor(len(asked) + 1) as pool:
        ollama = pool.submit(lambda: list(_of_ollama()))
        served = [pool.submit(_models_of, kind, url) for url, kind in asked.items()]
    found = [model for one in served for model in one.result()]
    return [*found, *ollama.result(), *_with_keys(), *_in_folders(folders), *_in_hub_cache()]


def _models_of(kind: str, url: str) -> list[Reachable]:
    return list(_of_server(kind, url))


def proposed(models: Sequence[Reachable]) -> ModelStrings:
    """Return the first usable model of each role; the offline one where there is none."""
    return ModelStrings(*(_first(models, role) for role in (MASTER, VISION, AUDIO)))


def _first(models: Sequence[Reachable], role: str) -> str:
    return next((model.spec for model in models if role in model.roles and not model.needs), "offline")


def _roles_of(name: str) -> Roles:
    if _HEARS.search(name):
        return frozenset({AUDIO})
    if _WRITES_NOTHING.search(name):
        return frozenset()
    return frozenset({MASTER, VISION} if _SEES.search(name) else {MASTER})


def _missing(module: str, package: str) -> str:
    return "" if importlib.util.find_spec(module) else package


def _of_server(kind: str, url: str) -> Iterator[Reachable]:
    needs = _missing("langchain_openai", "agentcvr-graph[openai]")
    for entry in _listed(_json(f"{url}/models").get("data")):
        name = str(entry.get("id"))
        yield Reachable(f"{url}#{name}", f"{kind} server", _roles_of(name), needs)


def _of_ollama() -> Iterator[Reachable]:
    url = server_address()
    needs = _missing("langchain_ollama", "agentcvr-graph[ollama]")
    for entry in _listed(_json(f"{url}/api/tags").get("models")):
        name = str(entry.get("name"))
        shown: Any = _json(f"{url}/api/show", {"model": name}).get("capabilities")
        roles = _declared(cast(list[str], shown)) if isinstance(shown, list) else _roles_of(name)
        yield Reachable(f"ollama:{name}", "Ollama", roles, needs)


def _declared(capabilities: Sequence[str]) -> Roles:
    if "completion" not in capabilities:
        return frozenset()
    return frozenset({MASTER, VISION} if "vision" in capabilities else {MASTER})


def _with_keys() -> Iterator[Reachable]:
    for provider, variables in PROVIDER_KEYS.items():
        named = next((variable for variable in variables if os.environ.get(variable)), "")
        if named:
            module = f"langchain_{provider}"
            needs = _missing(module, module.replace("_", "-"))
            for spec in HOSTED.get(provider, (f"{provider}:MODEL",)):
                yield Reachable(spec, f"key in {named}", _roles_of(spec) if provider in HOSTED else Roles(), needs)


def _in_folders(folders: Iterable[Path]) -> Iterator[Reachable]:
    for folder in folders:
        for config in sorted(folder.expanduser().glob("*/config.json")):
            if any(config.parent.glob("*.safetensors")) and (roles := _roles_in(config)):
                spec = f"transformers:{config.parent.resolve()}"
                yield Reachable(spec, "folder", roles, _missing("torch", TRANSFORMERS))


def _in_hub_cache() -> Iterator[Reachable]:
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    for folder in sorted(cache.glob("models--*--*")):
        configs = sorted(folder.glob("snapshots/*/config.json"))
        name = "/".join(folder.name.split("--")[1:])
        if "whisper" in name.lower() and any(folder.glob("snapshots/*/model.bin")):
            spec = f"whisper:{name.removeprefix(FASTER_WHISPER)}"
            yield Reachable(spec, "Hub cache", frozenset({AUDIO}), _missing("faster_whisper", LIVE))
        elif configs and (roles := _roles_in(configs[-1])):
            yield Reachable(f"transformers:{name}", "Hub cache", roles, _missing("torch", TRANSFORMERS))


def _roles_in(config: Path) -> Roles:
    """Return the roles of a saved model by its architecture."""
    try:
        named: Any = json.loads(config.read_text(encoding="utf-8")).get("architectures")
    except (OSError, ValueError, AttributeError):
        return Roles()
    kinds = " ".join(map(str, cast(list[Any], named))) if isinstance(named, list) else ""
    if "Whisper" in kinds:
        return frozenset({AUDIO})
    if "CausalLM" in kinds:
        return frozenset({MASTER})
    return frozenset({MASTER, VISION}) if "ForConditionalGeneration" in kinds else Roles()


def _listed(entries: object) -> list[dict[str, Any]]:
    listed = cast(list[Any], entries) if isinstance(entries, list) else []
    return [entry for entry in listed if isinstance(entry, dict)]


def _json(url: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the JSON object at an address; empty if nothing answers, or with something else."""
    headers = {"Authorization": f"Bearer {server_key()}"}
    try:
        method = "GET" if body is None else "POST"
        reply = httpx.request(method, url, json=body, headers=headers, timeout=TIMEOUT_S)
        found: object = reply.json() if reply.is_success else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return {}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}
