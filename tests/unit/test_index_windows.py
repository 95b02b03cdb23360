"""The order of the windows that a search returns: near copies of one match leave room for another."""

from __future__ import annotations

from agentcvr_graph.index.store import Hit, Statement
from agentcvr_graph.index.windows import windows_of


def hit(video: int, score: float, text: str) -> Hit:
    return Hit(video, Statement("visual", 0, 5, text), score)


COPIES = [hit(n, 10.0 - 0.5 * n, "a red lamp") for n in range(1, 6)]
OTHER = hit(9, 6.9, "the blue clock")


def videos(hits: list[Hit], limit: int, query: str) -> list[int]:
    return [window.video for window in windows_of(hits, limit, query)]


def test_a_window_with_other_words_comes_before_near_copies_of_the_best():
    """Copies count 0.8 of 9.0, 8.5, 8.0 and 7.5: the other window, with 6.9, comes before 6.8."""
    assert videos([*COPIES, OTHER], 4, "the red lamp and the blue clock") == [1, 2, 9, 3]
    assert videos([*COPIES, OTHER], 4, "the red lamp") == [1, 2, 3, 4]


def test_the_best_match_stays_first_and_nothing_is_lost():
    assert videos([*COPIES, OTHER], 99, "lamp clock")[0] == 1
    assert sorted(videos([*COPIES, OTHER], 99, "lamp clock")) == [1, 2, 3, 4, 5, 9]
