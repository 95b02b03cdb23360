"""`find` with a query that describes several videos: where it is cut, and how the parts share the windows."""

from __future__ import annotations

import pytest

from agentcvr_graph.index import finder
from agentcvr_graph.index.finder import Finder, Query
from agentcvr_graph.index.windows import BACKGROUND, FoundWindow, taking_turns
from agentcvr_graph.index.words import descriptions
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_script
from agentcvr_graph.scripts.library import ScriptLibrary


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        (
            'Who says "add garlic, or not" and who finds an old coin?',
            ['Who says "add garlic, or not"', "who finds an old coin"],
        ),
        (
            "A goalkeeper catches a ball; a skier falls in deep snow. Which is longer?",
            ["A goalkeeper catches a ball", "a skier falls in deep snow"],
        ),
        ("a red car versus a muddy tractor", ["a red car", "a muddy tractor"]),
        ("a bride cuts a cake while guests dance and sing", ["a bride cuts a cake while guests dance and sing"]),
        ("salt, pepper, oil or butter", []),
        ("1,000 euros for 2.5 kg of tomatoes", ["1,000 euros for 2.5 kg of tomatoes"]),
        ("", []),
    ],
)
def test_a_query_is_cut_where_another_description_begins(query: str, parts: list[str]):
    assert descriptions(query) == parts


def ranking(video: int, *scores: float) -> list[FoundWindow]:
    """Return windows of one video after another, with these scores."""
    return [FoundWindow(video + n, 0, 5, (), score) for n, score in enumerate(scores)]


def test_descriptions_take_turns_and_the_one_that_stands_out_most_begins():
    weak, strong = ranking(10, 8, 7, 6), ranking(20, 9, 5, 4)
    assert [one.video for one in taking_turns([weak, strong], 5)] == [20, 10, 21, 11, 22]


def test_a_part_that_fits_many_windows_equally_well_takes_no_turn():
    framing = ranking(30, *[9.0] * BACKGROUND)
    assert [one.video for one in taking_turns([framing, ranking(10, 8, 7), ranking(20, 9, 5)], 3)] == [20, 10, 21]
    assert taking_turns([framing, ranking(10, 8)], 3) == taking_turns([[], []], 3) == []


def test_a_window_that_fits_two_descriptions_is_shown_once():
    assert [one.video for one in taking_turns([ranking(10, 9, 8), ranking(10, 9, 3)], 5)] == [10, 11]


async def test_two_described_videos_are_both_found_among_close_distractors(monkeypatch: pytest.MonkeyPatch):
    """By all words of the question together, the five windows are those of one description and its distractors."""
    script = make_script("LIB", 700_015, LEVELS["normal"])
    perception = ScriptedPerception(ScriptLibrary.of([script]))
    numbers = tuple(range(1, len(script.videos) + 1))
    videos = [await perception.probe(script.video(n), n) for n in numbers]

    async def decisive() -> set[int]:
        found = await Finder().find(Query(script.question, numbers), perception, videos)
        return {proof.video for proof in script.evidence} & {number for number, _ in found.windows}

    def none(_: str) -> list[str]:
        return []

    assert len(await decisive()) == 2
    monkeypatch.setattr(finder, "descriptions", none)
    assert len(await decisive()) == 1
