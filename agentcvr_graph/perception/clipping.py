"""Evidence at the edges of a window, the same for real sound and for scripts. Needs no video library."""

from __future__ import annotations

from collections.abc import Iterable

from agentcvr_graph.types import Evidence, Window


def clip_evidence(said: Evidence, window: Window) -> Evidence | None:
    """Return the part of a statement that lies inside a window; None where none does.

    Of quoted words that cross the edge, those are kept whose time, counted evenly over the statement, lies inside.
    """
    if said.window is None:
        return said
    placed = said.window
    start_s, end_s = max(placed.start_s, window.start_s), min(placed.end_s, window.end_s)
    if start_s >= end_s:
        return None
    whole = (start_s, end_s) == (placed.start_s, placed.end_s)
    if whole and placed.video == window.video:
        return said
    text = said.text
    if text.startswith('"') and not whole:
        words = text.strip('"').split()
        step_s = placed.duration_s / max(1, len(words))
        kept = [w for n, w in enumerate(words) if start_s <= placed.start_s + (n + 0.5) * step_s < end_s]
        if not kept:
            return None
        text = f'"{" ".join(kept)}"'
    return Evidence(text=text, window=Window(video=window.video, start_s=start_s, end_s=end_s))


def joined(evidence: Iterable[Evidence]) -> list[Evidence]:
    """Return the statements with the segments of one lasting sound joined where the end of a cell had cut it."""
    whole: list[Evidence] = []
    for said in evidence:
        last = whole[-1] if whole else None
        if last and last.window and said.window and _continues(last, said):
            end_s = max(last.window.end_s, said.window.end_s)
            whole[-1] = Evidence(text=last.text, window=last.window.model_copy(update={"end_s": end_s}))
        else:
            whole.append(said)
    return whole


def _continues(last: Evidence, said: Evidence) -> bool:
    assert last.window and said.window
    lasting = last.text == said.text and not said.text.startswith('"')
    return lasting and said.window.start_s - last.window.end_s <= 1.0
