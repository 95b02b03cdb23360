"""Where a master looks: plans that look without evidence, and measures of what that is worth."""

from __future__ import annotations

import math

import pytest
from agentcvr_training.baselines.planned_policy import PlannedPolicy, planned_context
from agentcvr_training.baselines.plans import SCHEDULES, THINNED, Schedule, random_looks
from agentcvr_training.inference.base import Sampling
from agentcvr_training.measures.adaptivity import EpisodeLooks, information, modal_share, mutual_information
from agentcvr_training.measures.curve import area, area_of, difference_of
from agentcvr_training.measures.looks import Look, covered_s, hit_rate, looks_of
from agentcvr_training.rollout.chat_format import ChatFormat

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.offline.master.reading import Clip, Reading
from agentcvr_graph.perception.blind import BlindPerception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_script
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.testing import FakeMaster, answer, listen, observe, turn
from agentcvr_graph.trajectory import trajectory_of
from tests.support.tiny_models import tokenizer
from tests.training.test_policy import Spoken

SCRIPT = make_script("LOCK", 4, LEVELS["easy"])
VOICE = next(proof for proof in SCRIPT.evidence if proof.modality == "audio")
SIGN = next(proof for proof in SCRIPT.evidence if proof.modality == "visual")


def reading(frames=60, audio_s=300.0):
    """Return what the brief says of three videos of 200, 100 and 50 s; the last one is silent."""
    clips = [Clip(n, f"tour {n}", length_s, True, n < 3) for n, length_s in ((1, 200.0), (2, 100.0), (3, 50.0))]
    return Reading("Which?", "choice", ["A", "B"], clips, left={"frames": frames, "audio seconds": audio_s})


def spent(calls):
    """Return the frames and the seconds of sound that calls ask for."""
    frames = sum(target["frames"] for call in calls for target in call["args"].get("targets", ()))
    heard = [call["args"] for call in calls if call["name"] == "listen"]
    return frames, sum(window["end_s"] - window["start_s"] for window in heard)


async def run(*turns):
    """Return the trajectory of a master with fixed turns over SCRIPT."""
    perception = ScriptedPerception(ScriptLibrary.of([SCRIPT]))
    graph = create_cvr_graph(FakeMaster(turns=[*turns, turn("", answer(1))]), perception).compile()
    output = await graph.ainvoke(as_input(SCRIPT.as_question()), context=CVRContext(min_evidence=0))
    return trajectory_of(output)


def test_there_are_50_schedules_and_no_two_are_alike():
    made = [str(schedule(reading())) for schedule in SCHEDULES]
    assert len(SCHEDULES) == len({schedule.name for schedule in SCHEDULES}) == 50
    assert THINNED in SCHEDULES
    assert len(set(made)) >= 45  # where the budget is small, two ways to listen may be the same


@pytest.mark.parametrize("plan", [*SCHEDULES, random_looks], ids=lambda plan: getattr(plan, "name", "random"))
@pytest.mark.parametrize(("frames", "audio_s"), [(60, 300.0), (9, 30.0), (1, 0.0)])
def test_a_plan_keeps_to_the_budget_and_inside_the_videos(plan, frames, audio_s):
    calls = plan(reading(frames, audio_s))
    seen, heard_s = spent(calls)
    assert seen <= frames
    assert heard_s <= audio_s + 0.5
    lengths_s = {1: 200.0, 2: 100.0, 3: 50.0}
    windows = [target for call in calls for target in call["args"].get("targets", (call["args"],))]
    assert all(0 <= w["start_s"] < w["end_s"] <= lengths_s[w["video"]] for w in windows)


def test_the_thinned_plan_spreads_frames_and_sound_over_whole_videos():
    calls = THINNED(reading(60, 60.0))
    assert [call["args"]["targets"][0] for call in calls if call["name"] == "observe"] == [
        {"video": n, "start_s": 0.0, "end_s": length_s, "frames": 20}
        for n, length_s in ((1, 200.0), (2, 100.0), (3, 50.0))
    ]
    first = [call["args"] for call in calls if call["name"] == "listen" and call["args"]["video"] == 1]
    assert [(w["start_s"], w["end_s"]) for w in first] == [(0.0, 10.0), (100.0, 110.0)]


def test_random_looks_are_the_same_for_the_same_question_few_and_spend_all_frames():
    assert random_looks(reading()) == random_looks(reading())
    assert spent(random_looks(reading(30, 100.0))) == (30, pytest.approx(100.0, abs=1.0))
    assert spent(random_looks(reading(120, 0.0)))[0] == 120
    assert len(random_looks(reading(120, 300.0))) <= 24


async def test_blind_looks_are_windows_without_frames():
    blind = BlindPerception(ScriptedPerception(ScriptLibrary.of([SCRIPT])))
    master = FakeMaster(turns=[turn("", observe((1, 0.0, 20.0, 4), id="a")), turn("", answer(1))])
    graph = create_cvr_graph(master, blind).compile()
    output = await graph.ainvoke(as_input(SCRIPT.as_question()), context=CVRContext(min_evidence=0))
    (look,) = looks_of(trajectory_of(output))
    assert (look.video, look.start_s, look.end_s, look.frames) == (1, 0.0, 20.0, 0)
    assert hit_rate(SCRIPT, trajectory_of(output)) == 0.0


async def test_a_planned_policy_looks_by_the_plan_and_its_model_answers():
    form = ChatFormat(tokenizer())
    engine = Spoken(form, ['<tool_call>{"name": "answer", "arguments": {"value": 7}}</tool_call>'])
    plan = Schedule("first half", "the first 10 s")
    policy = PlannedPolicy(engine=engine, form=form, sampling=Sampling(), max_length=100_000, plan=plan)
    graph = create_cvr_graph(policy, ScriptedPerception(ScriptLibrary.of([SCRIPT]))).compile()
    context = planned_context(CVRContext(max_frames=30, max_audio_s=60.0))
    trajectory = trajectory_of(await graph.ainvoke(as_input(SCRIPT.as_question()), context=context))
    assert trajectory.answer.value == 7
    assert [len(turn.actions) for turn in trajectory.turns] == [6, 1]
    assert (trajectory.usage.frames, trajectory.usage.audio_s) == (30, pytest.approx(30.0))
    assert all(look.end_s <= SCRIPT.videos[look.video - 1].duration_s / 2 + 0.1 for look in looks_of(trajectory))


async def test_looks_say_turn_window_and_frames():
    trajectory = await run(
        turn("", observe((1, 0.0, 60.0, 4), (2, 10.0, 20.0, 2), id="a")), turn("", listen(3, 0.0, 9.0, id="b"))
    )
    assert [look.model_dump() for look in looks_of(trajectory)] == [
        {"turn": 1, "modality": "visual", "video": 1, "start_s": 0.0, "end_s": 60.0, "frames": 4},
        {"turn": 1, "modality": "visual", "video": 2, "start_s": 10.0, "end_s": 20.0, "frames": 2},
        {"turn": 2, "modality": "audio", "video": 3, "start_s": 0.0, "end_s": 9.0, "frames": 0},
    ]


async def test_the_hit_rate_counts_seconds_of_decisive_scenes():
    """The sign is seen whole by one frame; of the voice, the half that was listened to."""
    sign_s, voice_s = SIGN.end_s - SIGN.start_s, VOICE.end_s - VOICE.start_s
    whole_s = sign_s + voice_s
    middle_s = (SIGN.start_s + SIGN.end_s) / 2
    saw = turn("", observe((SIGN.video, middle_s - 0.5, middle_s + 0.5, 1), id="a"))
    heard = turn("", listen(VOICE.video, VOICE.start_s, (VOICE.start_s + VOICE.end_s) / 2, id="b"))
    assert hit_rate(SCRIPT, await run(saw)) == pytest.approx(sign_s / whole_s)
    assert hit_rate(SCRIPT, await run(heard)) == pytest.approx(0.5 * voice_s / whole_s, abs=0.01)
    assert hit_rate(SCRIPT, await run(saw, heard)) == pytest.approx((sign_s + 0.5 * voice_s) / whole_s, abs=0.01)
    other = VOICE.video % 3 + 1
    missed = turn("", listen(other, 0.0, 30.0, id="a"), observe((other, 0.0, 60.0, 20), id="b"))
    assert hit_rate(SCRIPT, await run(missed)) == 0.0


def test_overlapping_seconds_count_once():
    assert covered_s([(0, 4), (2, 6), (10, 11), (20, 15)]) == 7.0
    assert covered_s([]) == 0.0


def test_the_area_is_the_mean_over_the_range_of_budgets():
    assert area({0.25: 0.5, 0.5: 0.5, 1.0: 0.5}) == pytest.approx(0.5)
    # A triangle from 0 to 1 over the lower third of the range, then 1.
    assert area({0.25: 0.0, 0.5: 1.0, 1.0: 1.0}) == pytest.approx(1 / 3 * 0.5 + 2 / 3)
    ours = {0.25: [1.0, 0.0] * 50, 0.5: [1.0, 0.0] * 50, 1.0: [1.0, 1.0] * 50}
    theirs = {share: [0.0, 0.0] * 50 for share in ours}
    expected = 0.5 * 1.0 + 0.5 * area({0.25: 0.0, 0.5: 0.0, 1.0: 1.0})
    assert area_of(ours).mean == pytest.approx(expected)
    difference = difference_of(ours, theirs)
    assert difference.mean == pytest.approx(expected)
    assert difference.low < expected < difference.high


def episode(places, group="SPOT"):
    """Return an episode that looks at each decisive scene's video, at the given share of its length, in turn 2."""
    script = make_script("SPOT", 1, LEVELS["easy"])
    looks = [
        Look(
            turn=2,
            modality="visual",
            video=n,
            start_s=place * video.duration_s,
            end_s=place * video.duration_s,
            frames=4,
        )
        for n, (place, video) in enumerate(zip(places, script.videos, strict=True), start=1)
    ]
    return EpisodeLooks(script, group, looks)


def test_the_modal_share_of_a_constant_policy_is_one():
    constant = [episode((0.15, 0.35, 0.55)) for _ in range(8)]
    assert modal_share(constant) == 1.0
    varied = [episode((0.05 + n / 10, 0.35, 0.55)) for n in range(8)]
    assert modal_share(varied) == 1 / 8
    assert modal_share([]) == 0.0
    # What differs between groups is no adaptation.
    assert modal_share([*constant, *(episode((0.9, 0.9, 0.9), "LOCK") for _ in range(8))]) == 1.0


def test_mutual_information_of_hand_checked_pairs():
    assert mutual_information([(0, 1), (1, 0)] * 5) == pytest.approx(1.0)
    assert mutual_information([(0, 0), (0, 1), (1, 0), (1, 1)]) == pytest.approx(0.0)
    skewed = [(0, 0)] * 3 + [(1, 1)]
    assert mutual_information(skewed) == pytest.approx(-(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25)))


def follower(seed, *, follows):
    """Return an episode that looks at the decisive scene of each video, or at the same place always."""
    script = make_script("COST", seed, LEVELS["easy"])
    looks = [
        Look(turn=2, modality="visual", video=proof.video, start_s=start_s, end_s=start_s + 6.0, frames=4)
        for proof in script.evidence
        for start_s in [proof.start_s if follows else 30.0]
    ]
    return EpisodeLooks(script, "COST", looks)


def test_a_policy_that_follows_its_evidence_has_more_information_than_chance():
    found = information(follower(seed, follows=True) for seed in range(60))
    assert found.bits > 1.2
    assert found.by_chance < found.chance_95 < 0.3
    constant = information(follower(seed, follows=False) for seed in range(60))
    assert constant.bits < 0.05
    assert constant.bits <= constant.chance_95


def test_the_first_turn_is_an_overview_and_tells_nothing_of_adaptivity():
    script = make_script("COST", 0, LEVELS["easy"])
    looks = [Look(turn=1, modality="visual", video=1, start_s=0.0, end_s=9.0, frames=4)]
    assert information([EpisodeLooks(script, "COST", looks)]).pairs == 0
