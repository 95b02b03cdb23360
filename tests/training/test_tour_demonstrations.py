"""Demonstrations over tours: looks back at what notes leave open, prices compared in pairs, seeds of the rounds."""

from __future__ import annotations

import asyncio
import itertools
import re

import pytest
from agentcvr_training.config.settings import load_settings
from agentcvr_training.demonstrations import Demonstration, demonstrate
from langchain_core.messages import AIMessage

from agentcvr_graph import CVRContext
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from training.recipes.exploration.random_demonstrator import RandomExplorationMaster
from training.recipes.exploration.traces import open_windows
from training.recipes.tiny.curriculum import (
    BY_NAME,
    CURRICULA,
    SECOND_READING,
    SMALL,
    Chunk,
    chunks_of,
    curricula_of,
    record_chunk,
)
from training.recipes.tiny.variants import CONFIG


def conversations(tasks, **how):
    scripts = list(make_scripts(tasks, 40, SMALL))

    async def run():
        perception = ScriptedPerception(ScriptLibrary.of(scripts), "off")
        return [one async for one in demonstrate(RandomExplorationMaster(**how), perception, scripts, CVRContext())]

    shown = sorted(asyncio.run(run()), key=lambda one: one.script_id)
    return [[message for message in one.conversation() if isinstance(message, AIMessage)] for one in shown]


def windows_of(turn):
    """Return the windows that a turn observes, by video."""
    return {
        target["video"]: (target["start_s"], target["end_s"])
        for call in turn.tool_calls
        if call["name"] == "observe"
        for target in call["args"]["targets"]
    }


def test_open_windows_are_those_with_a_question_mark():
    notes = "wanted: mill, ticket\n[video 1, mill, ticket 7\n[video 2, mill ?; 97.0-148.2\n[video 3, ?"
    assert open_windows(notes) == {2: (97.0, 148.2)}
    assert open_windows("") == {}


@pytest.mark.parametrize(("noted", "least", "most"), [(1.0, 1.0, 1.0), (0.0, 0.0, 0.1)])
def test_a_demonstrator_looks_back_as_often_as_it_is_told(noted, least, most):
    turns = conversations(
        {"SPOT": 12, "COST": 12},
        **{"whole": 1.0, "every": 1.0, "modalities": ("visual",), "frames": (8,)},
        **{"noted": noted, "stops": 0.0, "max_looks": 2},
    )
    seconds = [(open_windows(second.text), windows_of(second)) for _, second, *_ in turns if windows_of(second)]
    left_open = [(noted, taken) for noted, taken in seconds if noted]
    assert len(left_open) > 12
    back = sum(noted == taken for noted, taken in left_open) / len(left_open)
    assert least <= back <= most


@pytest.mark.parametrize(("modality", "tools"), [("visual", {"observe"}), ("audio", {"listen"})])
def test_an_overview_takes_all_videos_from_their_start(modality, tools):
    for first, *_ in conversations({"COST": 6}, overview=(3,), modalities=(modality,), lengths_s=(10.0,)):
        assert {call["name"] for call in first.tool_calls} == tools
        windows = windows_of(first) or {call["args"]["video"]: call["args"] for call in first.tool_calls}
        assert sorted(windows) == [1, 2, 3]
        if modality == "visual":
            assert all(target["frames"] == 3 for call in first.tool_calls for target in call["args"]["targets"])
            assert all(start_s == 0 and end_s > 60 for start_s, end_s in windows.values())
        else:
            assert all((one["start_s"], one["end_s"]) == (0, 10) for one in windows.values())


def test_a_demonstrator_that_settles_answers_when_its_notes_leave_nothing_open():
    turns = conversations(
        {"SPOT": 12, "COST": 12},
        **{"overview": (3, 12), "modalities": ("visual",), "frames": (24,), "every": 1.0, "noted": 1.0},
        **{"stops": 0.0, "settles": 1.0, "max_looks": 4},
    )
    for before, after in (pair for own in turns for pair in itertools.pairwise(own[1:])):
        if windows_of(before):
            assert open_windows(before.text) == windows_of(before)
        assert windows_of(after) == open_windows(after.text) or after.tool_calls[0]["name"] == "answer"
    assert {len(own) for own in turns} >= {2, 3}


def test_prices_are_compared_in_pairs_before_they_are_sorted():
    settings = load_settings(CONFIG, {"scripts.tasks": ["COST"], "rollout.noise": "fitted"})
    lines = record_chunk(Chunk(settings, SECOND_READING[0], 40, 6))
    shown = [Demonstration.model_validate_json(line) for line in lines]
    answers = [m.text for one in shown for m in one.conversation() if isinstance(m, AIMessage) and "sorted" in m.text]
    complete = 0
    for text in answers:
        pairs = re.findall(r"(\d+) before (\d+) (yes|no)", text)
        assert all((int(one) < int(other)) == (verdict == "yes") for one, other, verdict in pairs if one != other)
        ranked = [int(price) for price in re.findall(r"(\d+) is \d", text)]
        if len(ranked) == 3:
            complete += 1
            assert len(pairs) == 3
            assert {frozenset(pair[:2]) for pair in pairs} == {
                frozenset(map(str, pair)) for pair in itertools.combinations(ranked, 2)
            }
            assert ranked == sorted(ranked)
    assert complete > 3


def test_rounds_are_demonstrated_on_different_scripts():
    settings = load_settings(CONFIG, {})
    seeds = {
        name: {
            seed
            for number, stage in enumerate(stage for curriculum in BY_NAME[name] for stage in curriculum)
            for chunk in chunks_of(settings, number, stage)
            for seed in range(chunk.seed, chunk.seed + chunk.each)
        }
        for name in ("tours", "tours-2", "tours-3", "tours-4", "tours-5", "tours-6")
    }
    assert all(seeds.values()) and not any(one & other for one, other in itertools.combinations(seeds.values(), 2))
    assert settings.held_out is not None
    held_out = set(range(settings.held_out.seed, settings.held_out.seed + settings.held_out.each))
    assert not any(held_out & own for own in seeds.values())


def test_the_curricula_follow_from_the_tasks_unless_they_are_named():
    assert curricula_of(("BU", "PEA")) is CURRICULA
    assert curricula_of(("STOP", "COST")) is BY_NAME["tours"]
    assert curricula_of(("STOP", "COST"), "tours-2") is BY_NAME["tours-2"]
