"""Tours in which one finding says where to look for the next: rules that a question presupposes, and trails."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from agentcvr_graph.scripts.generators.procedural import GENERATORS, LEVELS, make_scripts
from agentcvr_graph.scripts.generators.procedural.base import fill, read
from agentcvr_graph.scripts.generators.procedural.tours import rules
from agentcvr_graph.scripts.generators.procedural.tours.rules import DOOR, Rule, emblem_of, rule_of, stated
from agentcvr_graph.scripts.generators.procedural.tours.tour_generator import chapter_scenes, signs_at
from agentcvr_graph.scripts.generators.procedural.tours.words import EMBLEMS
from agentcvr_graph.scripts.schema import TOUR_TASKS

LION, EAGLE = EMBLEMS[:2]


@pytest.fixture(scope="module")
def ruled():
    return list(make_scripts({"RULE": 150}))


def place_of(script):
    return GENERATORS[script.task].phrasings.read(script.question)["p"]


def emblem_at(script, n):
    """Return the emblem on the door of the place that is asked for, in tour n, counted from 0."""
    lines = signs_at(script.videos[n], place_of(script))
    return next(emblem_of(words["m"]) for line in lines if (words := read([DOOR], line)))


def test_a_rule_opens_or_closes_the_doors_with_its_emblem():
    assert [Rule(True, LION).opens(LION), Rule(True, LION).opens(EAGLE)] == [True, False]
    assert [Rule(False, LION).opens(LION), Rule(False, LION).opens(EAGLE)] == [False, True]
    assert [Rule(True).opens(LION), Rule(False).opens(LION)] == [True, False]


@pytest.mark.parametrize("name", LION.names)
def test_every_sentence_states_one_rule(name):
    for opening, sentences, cards in (
        (True, rules.OPENING, rules.OPENING_CARDS),
        (False, rules.CLOSING, rules.CLOSING_CARDS),
    ):
        assert {stated(fill(sentence, m=name)) for sentence in sentences} == {Rule(opening, LION)}
        assert {stated(card.format(m=LION.sign)) for card in cards} == {Rule(opening, LION)}
    assert {stated(fill(sentence)) for sentence in rules.EVERY_OPEN} == {Rule(True)}
    assert {stated(fill(sentence)) for sentence in rules.EVERY_CLOSED} == {Rule(False)}
    assert stated("Mind your head.") is None


def test_no_question_about_a_rule_mentions_it():
    words = {"door", "rule", "card", *(name for emblem in EMBLEMS for name in emblem.names)}
    assert not [q for q in GENERATORS["RULE"].phrasings.templates if any(word in q.lower() for word in words)]


def test_neither_the_emblem_nor_the_kind_of_rule_gives_the_tour_away(ruled):
    """Of right and of wrong tours with a rule about an emblem, half have that emblem, and half of the rules open."""
    shown, opening = {True: [], False: []}, {True: [], False: []}
    for script in ruled:
        for n in range(len(script.videos)):
            rule, right = rule_of(script.videos, n), "ABCD"[n] == script.key
            if rule.emblem is not None:
                shown[right].append(emblem_at(script, n) is rule.emblem)
                opening[right].append(rule.opening)
    for of in (shown, opening):
        assert sum(of[True]) / len(of[True]) == pytest.approx(0.5, abs=0.13)
        assert sum(of[False]) / len(of[False]) == pytest.approx(0.5, abs=0.08)


def test_a_rule_needs_one_window_to_four(ruled):
    windows = Counter(len(script.evidence) for script in ruled)
    assert set(windows) == {1, 2, 3, 4}
    assert windows[1] < windows[2]
    assert max(len(script.evidence) for script in make_scripts({"RULE": 40}, 0, LEVELS["easy"])) >= 2
    assert min(len(script.evidence) for script in make_scripts({"RULE": 10}, 0, LEVELS["hard"])) == 2


def test_close_tours_have_doors_of_both_kinds():
    for script in make_scripts({"RULE": 10}, 0, LEVELS["hard"]):
        for n, video in enumerate(script.videos):
            rule = rule_of(script.videos, n)
            lines = [line for scene in video.scenes for line in scene.facts.text[1:]]
            doors = [emblem_of(words["m"]) for line in lines if (words := read([DOOR], line))]
            assert {rule.opens(emblem) for emblem in doors} == {True, False}


@pytest.mark.parametrize(("level", "windows"), [("easy", {2}), ("normal", {2, 3}), ("hard", {2, 3, 4})])
def test_a_trail_has_a_stop_in_two_tours_to_four(level, windows):
    seen = set()
    for script in make_scripts({"CHAIN": 20}, 0, LEVELS[level]):
        assert len({proof.video for proof in script.evidence}) == len(script.evidence)
        seen.add(len(script.evidence))
    assert seen == windows


def test_a_trail_starts_at_a_place_of_one_tour_which_has_no_box():
    for script in make_scripts({"CHAIN": 20}):
        place = place_of(script)
        visiting = [video for video in script.videos if chapter_scenes(video, place)]
        assert len(visiting) == 1
        assert not any(line.startswith("BOX") for line in signs_at(visiting[0], place))


def test_every_tour_has_boxes_with_other_numbers():
    """So a box alone says nothing: a script has many more boxes than the one that is asked for."""
    boxes = [
        sum(line.startswith("BOX") for video in script.videos for scene in video.scenes for line in scene.facts.text)
        for script in make_scripts({"CHAIN": 20})
    ]
    assert min(boxes) >= 4
    assert sum(boxes) / len(boxes) > 7


def test_no_two_tasks_share_a_template():
    """So the wording of a question says which task it is of."""
    of_task = {
        task: {re.sub(r"\{.\}", "", text) for text in GENERATORS[task].phrasings.templates} for task in TOUR_TASKS
    }
    assert sum(map(len, of_task.values())) == len(set().union(*of_task.values()))
