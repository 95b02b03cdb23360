"""Rewards of real runs of the graph, with numbers that can be checked by hand, and attempts at reward hacking."""

from __future__ import annotations

import pytest
from agentcvr_training.rewards import REWARDS, infrastructure_failure, preset_weights, reward_of, total_reward
from langchain_core.messages import AIMessage

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Origin, Scene, Script, ScriptedVideo
from agentcvr_graph.testing import FakeMaster, answer, listen, observe, turn
from agentcvr_graph.tools import NO_FEATURES, Features
from agentcvr_graph.trajectory import trajectory_of
from agentcvr_graph.types import Citation

SCENES = tuple(Scene(start_s=10 * n, end_s=10 * n + 10, visual=f"scene {n}.", caption=f"word {n}") for n in range(4))
SCRIPT = Script(
    id="q",
    task="CC",
    question="Which?",
    kind="choice",
    options=("Video 1", "Video 2"),
    key="B",
    videos=(ScriptedVideo(duration_s=40, scenes=SCENES),) * 2,
    evidence=(
        Citation(video=2, start_s=10, end_s=20, modality="visual"),
        Citation(video=2, start_s=20, end_s=30, modality="audio"),
    ),
    origin=Origin(generator="hand"),
)
CONTEXT = CVRContext(max_turns=10, max_frames=100, max_audio_s=100, min_evidence=0)


def cite(video, start_s, end_s, modality):
    return {"video": video, "start_s": start_s, "end_s": end_s, "modality": modality}


async def rewarded(*turns, script=SCRIPT, context=CONTEXT, **options):
    return reward_of(await run_of(*turns, context=context, **options), script, context)


async def run_of(*turns, perception=None, context=CONTEXT, features=NO_FEATURES):
    perception = perception or ScriptedPerception(ScriptLibrary.of([SCRIPT]))
    graph = create_cvr_graph(FakeMaster(turns=list(turns)), perception, features=features).compile()
    return trajectory_of(await graph.ainvoke(as_input(SCRIPT.as_question()), context=context))


def total(reward):
    return total_reward(reward, preset_weights())


LOOK = turn("", observe((2, 10, 20, 10), id="o"), listen(2, 20, 30, id="l"))
PROOF = [cite(2, 10, 20, "visual"), cite(2, 20, 30, "audio")]


async def test_a_perfect_run_earns_full_rewards():
    reward = await rewarded(LOOK, turn("", answer("B", citations=PROOF)))
    # Remaining budget: 8 of 10 turns, 90 of 100 frames, 90 of 100 s of sound.
    economy = pytest.approx((0.8 + 0.9 + 0.9) / 3)
    assert reward == {"answer": 1.0, "format": 1.0, "grounding": 1.0, "economy": economy, "brier": 0.0}
    assert total_reward(reward, preset_weights("paper")) == pytest.approx(1.1)
    assert total_reward(reward, preset_weights("answer")) == 1.0
    assert total_reward(reward, {"answer": 1, "format": 2, "grounding": 3, "economy": 0, "brier": 0}) == pytest.approx(
        6.0
    )


async def test_a_wrong_answer_earns_no_answer_or_economy_reward():
    reward = await rewarded(LOOK, turn("", answer("A", citations=PROOF)))
    assert (reward["answer"], reward["economy"]) == (0.0, 0.0)
    assert reward["grounding"] == 1.0


async def test_the_format_reward_is_the_share_of_valid_actions():
    wrong = turn("", observe((9, 0, 5, 2), id="x"), listen(1, 0, 5, id="y"))
    nothing = turn("I am thinking.")
    reward = await rewarded(wrong, nothing, turn("", answer("B")))
    assert reward["format"] == pytest.approx(2 / 4)  # listen and answer count; observe and the empty turn do not


async def test_a_corrected_answer_counts_as_one_invalid_action():
    reward = await rewarded(turn("", answer("Z", id="a")), turn("", answer("B", id="b")))
    assert (reward["answer"], reward["format"]) == (1.0, 0.5)


async def test_the_grounding_reward_is_the_overlap_of_citations_and_evidence():
    half = await rewarded(LOOK, turn("", answer("B", citations=[cite(2, 10, 20, "visual")])))
    assert half["grounding"] == pytest.approx(2 * 10 / (10 + 20))
    shifted = await rewarded(LOOK, turn("", answer("B", citations=[cite(2, 15, 25, "visual")])))
    assert shifted["grounding"] == pytest.approx(2 * 5 / (10 + 20))
    other_modality = await rewarded(LOOK, turn("", answer("B", citations=[cite(2, 10, 20, "audio")])))
    assert other_modality["grounding"] == 0.0


@pytest.mark.parametrize(
    ("value", "said", "earned"),
    [
        ("B", {"confidence": 0.8}, 0.96),  # 1 - 0.2 * 0.2
        ("A", {"confidence": 0.8}, 0.36),  # 1 - 0.8 * 0.8
        ("A", {"confidence": 0.0}, 1.0),
        ("B", {}, 0.0),
        (None, {"looked_for": "a dog"}, 1.0),
    ],
)
async def test_the_brier_reward_is_high_where_the_confidence_is_what_the_answer_scores(value, said, earned):
    given = answer(value)
    given["args"] |= said
    reward = await rewarded(LOOK, turn("", given), features=Features(confidence=True, abstain=True))
    assert reward["brier"] == pytest.approx(earned)


# Attempts at reward hacking.


def test_no_confidence_pays_more_on_average_than_the_true_chance():
    def expected(confidence, chance):
        return chance * (1 - (confidence - 1) ** 2) + (1 - chance) * (1 - confidence**2)

    for chance in (0.0, 0.25, 0.6, 1.0):
        best = max((n / 100 for n in range(101)), key=lambda confidence: expected(confidence, chance))
        assert best == pytest.approx(chance)


async def test_guessing_without_observing_earns_no_grounding_reward():
    lucky = await rewarded(turn("", answer("B", citations=PROOF)))
    assert lucky["grounding"] == 0.0  # the graph drops citations of windows that were never observed
    unlucky = await rewarded(turn("", answer("A")))
    mean = (total(lucky) + total(unlucky)) / 2
    honest = total(await rewarded(LOOK, turn("", answer("B", citations=PROOF))))
    assert mean < 0.7 < honest


async def test_repeating_a_call_lowers_the_total_reward():
    once = await rewarded(LOOK, turn("", answer("B", citations=PROOF)))
    again = [turn("", observe((2, 10, 20, 10), id=f"o{n}")) for n in range(3)]
    often = await rewarded(LOOK, *again, turn("", answer("B", citations=PROOF)))
    assert total(often) < total(once)
    assert often["grounding"] == once["grounding"]


async def test_citing_everything_lowers_the_grounding_reward():
    looks = [observe((n, 0, 40, 4), id=f"o{n}") for n in (1, 2)]
    whole = turn("", *looks, *(listen(n, 0, 40, id=f"l{n}") for n in (1, 2)))
    everything = [cite(n, 0, 40, modality) for n in (1, 2) for modality in ("visual", "audio")]
    reward = await rewarded(whole, turn("", answer("B", citations=everything)))
    assert reward["grounding"] == pytest.approx(2 * 20 / (160 + 20))
    twice = await rewarded(whole, turn("", answer("B", citations=[*PROOF, *PROOF])))
    assert twice["grounding"] == 1.0


async def test_an_answer_in_the_rationale_is_not_scored():
    reward = await rewarded(LOOK, turn("", answer("A", rationale="B. The answer is B, Video 2.")))
    assert reward["answer"] == 0.0


# Infrastructure errors and failures of the master.


class Broken(ScriptedPerception):
    async def listen(self, request, videos):
        raise InfrastructureError("the library is gone")


async def test_an_infrastructure_error_gives_no_reward():
    broken = Broken(ScriptLibrary.of([SCRIPT]))
    assert await rewarded(LOOK, turn("", answer("B")), perception=broken) is None
    run = await run_of(LOOK, turn("", answer("B")), perception=broken)
    assert infrastructure_failure(run).startswith("listen: error: the library is gone")


async def test_a_window_that_cannot_be_is_an_invalid_action_and_no_failure_of_the_infrastructure():
    nowhere = turn("", observe((2, 10, 20, 10)), {**listen(2, 20, 30), "args": {"video": 0, "start_s": 0, "end_s": 9}})
    run = await run_of(nowhere, turn("", answer("B")))
    assert infrastructure_failure(run) == ""
    assert reward_of(run, SCRIPT, CONTEXT)["format"] == pytest.approx(2 / 3)


async def test_a_failure_of_the_master_earns_zero_rewards():
    reward = await rewarded(*[turn(f"hm {n}") for n in range(10)])
    assert reward == dict.fromkeys(REWARDS, 0.0)


async def test_an_interval_answer_earns_its_overlap():
    script = SCRIPT.model_copy(update={"kind": "interval", "options": (), "key": (10.0, 20.0)})
    graph = create_cvr_graph(
        FakeMaster(turns=[turn("", answer([15, 25]))]), ScriptedPerception(ScriptLibrary.of([script]))
    ).compile()
    output = await graph.ainvoke(as_input(script.as_question()), context=CONTEXT)
    assert reward_of(trajectory_of(output), script, CONTEXT)["answer"] == pytest.approx(5 / 15)


async def test_an_answer_in_prose_earns_its_value_and_is_a_format_error():
    """Look, listen, answer: two of three actions are valid."""
    written = await rewarded(LOOK, turn("", answer("B")))
    stated = await rewarded(LOOK, AIMessage("The answer is: B"))
    assert (written["answer"], stated["answer"]) == (1.0, 1.0)
    assert (written["format"], stated["format"]) == (1.0, pytest.approx(2 / 3))


async def test_the_answer_by_another_systems_name_earns_its_value_and_is_a_format_error():
    for name in ("final_answer", "submit_answer", "finish"):
        reward = await rewarded(LOOK, turn("", {"name": name, "args": {"value": "B"}, "id": "x"}))
        assert (reward["answer"], reward["format"]) == (1.0, pytest.approx(2 / 3))


async def test_a_closing_turn_of_words_alone_earns_its_value_and_is_a_format_error():
    reward = await rewarded(LOOK, AIMessage("Video 2"), context=CONTEXT.model_copy(update={"max_turns": 2}))
    assert (reward["answer"], reward["format"]) == (1.0, pytest.approx(2 / 3))
