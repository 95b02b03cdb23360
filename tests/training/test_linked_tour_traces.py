"""The notes of the demonstrator for questions in which one finding says where to look for the next."""

from __future__ import annotations

import asyncio
import random
import statistics
from dataclasses import replace

import pytest
from langchain_core.messages import AIMessage

from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.offline.master.reading import read
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_scripts, solve
from agentcvr_graph.scripts.generators.procedural.tours.words import EMBLEMS, PLACES
from agentcvr_graph.scripts.library import ScriptLibrary
from training.recipes.exploration.follow_ups import follow_up_questions
from training.recipes.exploration.linked_tour_traces import MEANINGS, meaning_of, most_likely
from training.recipes.exploration.reasoning_trace import reasoning_trace_of
from training.recipes.tiny import difficulty
from training.recipes.tiny.difficulty import MASTERS, PlannedReader, accuracy, everything

TASKS = ("RULE", "CHAIN")


def named(terms, text):
    found = most_likely(terms, text)
    return found.sign if found else None


def readings(task, each=8):
    """Return scripts, each with what a reader knows who looked at everything closely, without errors."""
    scripts = list(make_scripts({task: each}, 40, LEVELS["easy"]))
    graph = create_cvr_graph(PlannedReader(plan=everything), ScriptedPerception(ScriptLibrary.of(scripts))).compile()

    async def known(script):
        output = await graph.ainvoke(as_input(script.as_question()), context=difficulty.UNLIMITED)
        messages = policy_messages(output)
        turns = [n for n, message in enumerate(messages) if isinstance(message, AIMessage)]
        return read(messages[: turns[-1]])

    return [(script, asyncio.run(known(script))) for script in scripts]


@pytest.fixture(scope="module", params=TASKS)
def complete(request):
    return readings(request.param)


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("we only go in where you see an eagle.", "only"),
        ("where you see an eagle, we stay outside.", "not"),
        ("without the largest bird on the door stay outside", "only"),
        ("it the king of the animals means a and all other doors welcome us.", "not"),
        ("today we only look from outside.", "none"),
        ("what holds on the second tour holds here.", "as"),
        ("read the card about doors in the little church.", "card"),
        ("you may take pictures.", ""),
    ],
)
def test_a_sentence_has_the_meaning_that_most_of_its_words_have(said, meaning):
    assert meaning_of(said, MEANINGS) == meaning


def test_a_name_is_read_from_most_of_its_words():
    assert named(EMBLEMS, "without the king of the animals on the door") == "LION"
    assert named(EMBLEMS, "without king the animals on the door") == "LION"
    assert named(PLACES, "it goes on in place ships lie, which") == "HARBOUR"
    assert named(EMBLEMS, "it is warm today.") is None


def test_full_evidence_gives_the_right_answer(complete):
    scores = [reasoning_trace_of(reading, random.Random(0)).value == script.key for script, reading in complete]
    assert statistics.fmean(scores) >= 0.85


def test_notes_say_where_to_look_next(complete):
    """Without any evidence the notes end in a question mark; with all of it they hold none if the answer is right."""
    for script, reading in complete:
        worked = reasoning_trace_of(reading, random.Random(0))
        assert worked.notes.startswith("wanted: ")
        if script.task == "CHAIN" and worked.value == script.key:
            assert "?" not in worked.notes
            assert len(worked.support) == len(script.evidence)
        unseen = replace(reading, statements=[])
        assert reasoning_trace_of(unseen, random.Random(0)).notes.endswith("?")


def test_follow_up_questions_have_the_solvers_answer():
    for task in TASKS:
        right = []
        for script, reading in readings(task, 6):
            for question, worked in follow_up_questions(reading, random.Random(1)):
                right.append(worked.value == solve(script.model_copy(update={"question": question})))
        assert len(right) >= 2, task
        assert sum(right) / len(right) >= 0.9, task


def test_masters_are_measured_by_level():
    scripts = list(make_scripts({"RULE": 4}, 0, LEVELS["easy"]))
    scores = {name: asyncio.run(accuracy(*master, scripts)) for name, master in MASTERS.items()}
    assert scores["notes, 40 frames a video"] >= 0.5
    assert all(0 <= score <= 1 for score in scores.values())
