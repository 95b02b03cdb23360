"""Evidence at the edges of a window, the same for real sound and for scripts. Needs no video library."""

from __future__ import annotations

from collections.abc import Iterable

from agentcvr_graph.types import Evidence, Window, WordTimes, middles_of, within, words_inside


def clip_evidence(said: Evidence, window: Window) -> Evidence | None:
    """Return the part of a statement that lies inside a window; None where none does.

    Of quoted words that cross the edge, those are kept whose middle lies inside. Where the times of words are not
    known, words are counted evenly over the statement.
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
    text, times_s = said.text, said.word_times_s
    if text.startswith('"') and not whole:
        words = text.strip('"').split()
        middles_s = word_middles_s(len(words), placed.start_s, placed.end_s, times_s)
        kept = words_inside(middles_s, window.start_s, window.end_s)
        if not kept:
            return None
        text = f'"{" ".join(words[n] for n in kept)}"'
        times_s = within((times_s[n] for n in kept), start_s, end_s) if len(times_s) == len(words) else ()
    window = Window(video=window.video, start_s=start_s, end_s=end_s)
    return Evidence(text=text, window=window, word_times_s=times_s)


def word_middles_s(count: int, start_s: float, end_s: float, times_s: WordTimes) -> list[float]:
    """Return the middle of each of `count` words, evenly spread from start to end where their times are not known."""
    if len(times_s) == count:
        return middles_of(times_s)
    step_s = (end_s - start_s) / max(1, count)
    return [start_s + (n + 0.5) * step_s for n in range(count)]


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
