"""Load the offline models while a command imports LangGraph, if this computer has answered no question yet.

Later runs find most of what they need in the cache, and loading would only delay them.
"""

from __future__ import annotations

from contextlib import suppress

from agentcvr_graph.models.strings import ModelStrings


def load_models(models: ModelStrings) -> None:
    """Start to load the models in worker processes, and do not wait for them."""
    if {models.vision, models.audio} != {"offline"}:
        return
    with suppress(ImportError):  # the command names the extra that is missing
        from agentcvr_graph.media.cache import default_cache_dir

        if (default_cache_dir() / "perceived").exists():
            return
        from agentcvr_graph.models.offline import signals, sphinx, text_engine
        from agentcvr_graph.utils.worker_processes import start_own_worker, start_worker

        start_own_worker(signals.load)
        start_worker(sphinx.load)
        start_worker(text_engine.load)
