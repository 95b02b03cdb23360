"""Which recogniser of speech a command uses: resolve `auto`, and print one line about the choice."""

from __future__ import annotations

from agentcvr_graph.cli.console import err, escape
from agentcvr_graph.models.providers.auto import Auto

WITHOUT_WEIGHTS = (
    "Speech: the recogniser without a download, for clear English only. "
    "A better one: agentcvr setup (once, about 145 MB)."
)


def chosen_audio(spec: str) -> str:
    """Return the model string of the audio model. For `auto`, print which recogniser is used.

    A run records the string, so that a run that is resumed later uses the same recogniser.
    """
    if spec.strip() != Auto.name:
        return spec
    chosen = Auto().chosen().spec
    err.print(f"[dim]{WITHOUT_WEIGHTS if chosen == 'offline' else f'Speech: {escape(chosen)}.'}[/dim]")
    return chosen
