"""From compared frames to parts, and from statements to scenes: hand-made input, and wild input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcvr_graph.render import spoken
from agentcvr_graph.scripts.checks import errors_of
from agentcvr_graph.scripts.extraction.extract import looks
from agentcvr_graph.scripts.extraction.scan import Part, Step, most_frames, parts_of
from agentcvr_graph.scripts.extraction.scenes import Lost, scenes_of
from agentcvr_graph.scripts.schema import Origin, Scene, Script, ScriptedVideo
from agentcvr_graph.types import Evidence, Window


def said(text: str, start_s: float, end_s: float, *word_times_s: tuple[float, float]) -> Evidence:
    window = Window(video=1, start_s=start_s, end_s=end_s)
    return Evidence(text=text, window=window, word_times_s=word_times_s)


def steps(kinds: str) -> list[tuple[float, float, Step]]:
    """Return one step a second: s for the same picture, c for a change, X for a cut."""
    names: dict[str, Step] = {"s": "same", "c": "changed", "X": "cut"}
    return [(n, n + 1, names[kind]) for n, kind in enumerate(kinds)]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("sssss", [(0, 6, False)]),
        ("ssXss", [(0, 2.5, False), (2.5, 6, False)]),
        ("sscss", [(0, 2.5, False), (2.5, 6, False)]),  # a title appears
        ("ssccc", [(0, 2.5, False), (2.5, 6, True)]),
        ("scccs", [(0, 1.5, False), (1.5, 3.5, True), (3.5, 6, False)]),
        ("ccXcc", [(0, 2.5, True), (2.5, 6, True)]),
        ("", [(0, 6, False)]),
    ],
)
def test_cuts_and_changes_divide_a_video(kinds: str, expected: list[tuple[float, float, bool]]):
    parts = parts_of(steps(kinds), 6, 1)
    assert [tuple(part) for part in parts] == expected
    assert [part.start_s for part in parts][1:] == [part.end_s for part in parts][:-1]


def test_parts_lie_where_there_is_a_picture():
    moments = [(3.0, 3.5, "same"), (3.5, 4.0, "cut"), (4.0, 4.5, "same"), (4.5, 5.0, "same")]
    assert [tuple(part) for part in parts_of(moments, 5, 0.5, 3)] == [(3, 3.75, False), (3.75, 5, False)]


def test_a_still_part_needs_two_frames_and_a_moving_one_a_frame_a_second():
    assert Part(0, 30, moving=False).frames(1.0) == 2
    assert Part(0, 30, moving=True).frames(1.0) == 30
    assert Part(0, 1, moving=True).frames(1.0) == 2
    assert Part(0, 300, moving=False).frames(1.0) == 5


@given(st.text(alphabet="scX", max_size=60), st.floats(0.05, 100), st.sampled_from([0.5, 1.0, 3.0]))
def test_parts_always_fill_the_video_and_cost_what_was_planned(kinds: str, duration_s: float, every_s: float):
    parts = parts_of([step for step in steps(kinds) if step[1] < duration_s], duration_s, every_s)
    edges = [parts[0].start_s, *(part.end_s for part in parts)]
    assert edges[0] == 0
    assert edges[-1] == duration_s
    assert edges == sorted(set(edges))
    targets = [target for look in looks(parts, every_s) for target in look.targets]
    assert all(0 <= target.start_s < target.end_s <= duration_s for target in targets)
    assert sum(target.frames for target in targets) <= max(2, most_frames(duration_s, every_s))
    assert all(sum(target.frames for target in look.targets) <= 16 for look in looks(parts, every_s))


def test_speech_goes_to_the_pictures_in_whose_time_it_is_said():
    seen = [said('on-screen text "A"; mostly red; still', 0, 4), said('on-screen text "B"; mostly red; still', 4, 8)]
    [first, second] = scenes_of(8, seen, [said('"one two three four"', 2, 6)])
    assert (first.start_s, first.end_s, first.facts.text, first.caption, first.speech_s) == (
        0, 4, ("A",), "one two", (2, 4)
    )  # fmt: skip
    assert (second.start_s, second.facts.text, second.caption, second.speech_s) == (4, ("B",), "three four", (4, 6))


def test_a_sentence_is_divided_at_the_times_of_its_words_where_they_are_known():
    seen = [said('on-screen text "A"', 0, 4), said('on-screen text "B"', 4, 8)]
    times_s = ((2, 2.5), (2.5, 3), (3.25, 3.75), (5, 6))  # evenly, the third word would be said from 4 to 5
    [first, second] = scenes_of(8, seen, [said('"one two three four"', 2, 6, *times_s)])
    assert (first.caption, first.speech_s, first.word_times_s) == ("one two three", (2, 4), times_s[:3])
    assert (second.caption, second.speech_s, second.word_times_s) == ("four", (4, 6), times_s[3:])


def test_times_of_words_lie_within_the_speech_of_their_scene():
    seen = [said('on-screen text "A"', 0, 4), said('on-screen text "B"', 4, 8)]
    [first, second] = scenes_of(8, seen, [said('"one two"', 2, 4.4, (2, 3), (3.8, 4.4))])
    assert (first.caption, first.word_times_s) == ("one two", ((2, 3), (3.8, 4)))
    assert "word_times_s" not in second.model_dump()


def test_a_scene_has_times_of_words_only_if_all_are_known():
    timed, untimed = said('"one"', 1, 2, (1, 2)), said('"two"', 2.5, 3)
    assert scenes_of(9, [], [timed])[0].word_times_s == ((1, 2),)
    [both] = scenes_of(9, [], [timed, untimed])
    assert (both.caption, both.word_times_s) == ("one two", ())


def test_the_end_of_a_sentence_just_behind_a_cut_stays_with_it():
    seen = [said('on-screen text "A"', 0, 4), said('on-screen text "B"', 4, 8)]
    [first, second] = scenes_of(8, seen, [said('"one two three four"', 2, 4.4)])
    assert (first.caption, first.speech_s, second.caption) == ("one two three four", (2, 4), "")


def test_a_pause_inside_a_picture_divides_it_and_a_short_one_does_not():
    seen = [said('on-screen text "A"; still', 0, 9)]
    assert [scene.caption for scene in scenes_of(9, seen, [said('"one"', 1, 2), said('"two"', 2.5, 3)])] == ["one two"]
    apart = scenes_of(9, seen, [said('"one"', 1, 2), said('"two"', 4, 5)])
    assert [(scene.start_s, scene.end_s, scene.caption) for scene in apart] == [(0, 3, "one"), (3, 9, "two")]


def test_neighbours_that_show_the_same_are_one_scene_and_words_of_a_chat_model_stay():
    seen = [said("A cook adds salt.", 0, 2), said("A cook adds salt.", 2, 4), said("A dog sleeps.", 4, 6)]
    scenes = scenes_of(6, seen, [])
    assert [(scene.start_s, scene.end_s, scene.visual) for scene in scenes] == [
        (0, 4, "A cook adds salt."),
        (4, 6, "A dog sleeps."),
    ]


def test_a_single_frame_without_a_movement_belongs_to_the_scene_that_it_shows():
    moving, single = (f'on-screen text "PEEL"; mostly green{rest}' for rest in ("; something moves to the right", ""))
    seen = [said(moving, 0, 3), said(single, 3, 4), said(moving.replace("right", "left"), 4, 6)]
    scenes = scenes_of(6, seen, [])
    assert [(scene.start_s, scene.end_s, scene.facts.motion) for scene in scenes] == [
        (0, 4, "to the right"),
        (4, 6, "to the left"),
    ]
    assert [scene.facts.motion for scene in scenes_of(6, [said(single, 0, 4), said(moving, 4, 6)], [])] == [
        "to the right"
    ]


def test_a_statement_without_duration_is_kept_in_a_video_of_one_frame():
    [frame] = scenes_of(0.1, [said("mostly red", 0, 0)], [])
    assert (frame.start_s, frame.end_s, frame.facts.colours) == (0, 0.1, ("red",))
    [dog, gap, cat] = scenes_of(9, [said("a dog", 0, 3), said("a flash", 4, 4), said("a cat", 6, 9)], [])
    assert [(scene.start_s, scene.visual) for scene in (dog, gap, cat)] == [(0, "a dog"), (3, ""), (6, "a cat")]


def test_what_a_script_has_no_place_for_is_reported():
    lost = Lost()
    heard = [said("unclear speech", 0, 2), said("a dog barks", 2, 3), said("music", 3, 5), said("silence", 5, 6)]
    [scene] = scenes_of(6, [], heard, lost)
    assert [(sound.kind, sound.start_s, sound.end_s) for sound in scene.facts.sounds] == [("music", 3, 5)]
    assert lost.notes() == (
        "2.0 s of unclear speech have no words",
        "a sound has no place in scripts: a dog barks",
    )


TIMES = st.tuples(st.floats(0, 20), st.floats(0, 20)).map(sorted)
SEEN = st.sampled_from(
    ['on-screen text "A"; mostly red; still', 'on-screen text "B", ""; something moves up', "a dog", "still", " ", ";"]
)
HEARD = st.one_of(st.sampled_from(["music", "impact", "silence", "unclear speech", "bark"]), st.text().map(spoken))


def statements(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[Evidence]]:
    return st.lists(st.tuples(texts, TIMES).map(lambda one: said(one[0], *one[1])), max_size=8)


@given(statements(SEEN), statements(HEARD), st.floats(0.1, 25))
def test_wild_statements_make_scenes_that_a_script_accepts(
    seen: list[Evidence], heard: list[Evidence], duration_s: float
):
    scenes = scenes_of(duration_s, seen, heard)
    video = ScriptedVideo(duration_s=duration_s, scenes=scenes)
    script = Script(
        id="x", task="CC", question="?", kind="text", key="x", videos=(video,), origin=Origin(generator="test")
    )
    assert errors_of(script) == []
    assert _words(scenes) <= {word for one in heard for word in one.text.strip('"').split()}


def _words(scenes: tuple[Scene, ...]) -> set[str]:
    return {word for scene in scenes for word in scene.caption.split()}
