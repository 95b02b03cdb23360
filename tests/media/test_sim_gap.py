"""Sim-to-real gap: facts matched by hand, rates fitted to known errors, and a small end-to-end measurement."""

from __future__ import annotations

import asyncio
import json

import pytest

from agentcvr_graph.answers import score_answer, token_f1
from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.metrics import clustered_difference, clustered_mean, mean_score
from agentcvr_graph.eval.sim_gap import measure_sim_gap
from agentcvr_graph.eval.sim_gap.facts import FactMatch, match_facts
from agentcvr_graph.eval.sim_gap.fitting import fit_noise
from agentcvr_graph.eval.sim_gap.pairs import Budget, videos_key
from agentcvr_graph.eval.sim_gap.report import render_sim_gap, sim_gap_rows, sim_gap_table
from agentcvr_graph.eval.sim_gap.statistics import summarize_facts
from agentcvr_graph.graph.run import ask
from agentcvr_graph.perception.noise import Noise
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.budgets import full_cost
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_script, make_scripts
from agentcvr_graph.scripts.generators.procedural.tours.sets import make_set
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.video import render_script
from agentcvr_graph.types import Evidence, Listen, Observation, Observe, Target, Window


def observation(modality, *statements):
    evidence = tuple(
        Evidence(text=text, window=Window(video=1, start_s=start_s, end_s=end_s)) for text, start_s, end_s in statements
    )
    return Observation(modality=modality, windows=(Window(video=1, start_s=0, end_s=60),), evidence=evidence)


CLEAN = observation(
    "visual",
    ('a cook stirs; on-screen text "ADD SALT", "8:15"; mostly red and white; something moves to the left', 0, 10),
    ('on-screen text "SERVE"; mostly blue', 10, 20),
)


def found(clean, other):
    return {(n, c.kind): (c.seen, c.exact) for n, c in enumerate(match_facts(clean, other))}


def test_an_observation_matches_all_of_its_own_facts():
    assert [c.kind for c in match_facts(CLEAN, CLEAN)] == [
        *("text", "text", "colours", "motion", "description", "text", "colours"),
    ]
    assert all(c.seen and c.exact for c in match_facts(CLEAN, CLEAN))


def test_facts_are_matched_by_time():
    other = observation("visual", ('on-screen text "ADDSALT", "B:15"; mostly white, red; something moves', 1, 9))
    facts = match_facts(CLEAN, other)
    assert [(c.kind, c.seen, c.exact) for c in facts] == [
        ("text", True, True),  # spaces do not count
        ("text", True, False),  # misread
        ("colours", False, False),
        ("motion", True, False),  # without its direction
        ("description", False, False),
        ("text", False, False),  # nothing was observed there
        ("colours", False, False),
    ]


def test_speech_and_sounds_are_matched_with_word_errors_and_time_shifts():
    clean = observation("audio", ('"today I am cooking with butter"', 2, 5), ("impact", 8.0, 8.3))
    other = observation("audio", ('"today i am looking with butter"', 2.2, 4.9), ("impact", 8.4, 8.6))
    speech, impact = match_facts(clean, other)
    assert (speech.seen, speech.exact, round(speech.word_error, 3)) == (True, False, 0.167)
    assert speech.shift_s == pytest.approx((0.2, -0.1))
    assert impact.seen
    unheard, silent = match_facts(clean, observation("audio", ("silence", 0, 60)))
    assert not unheard.seen
    assert not silent.seen


def test_fitted_rates_are_proportions():
    facts = [FactMatch("text", seen=n > 0, exact=n > 2) for n in range(10)]  # one missed, two misread
    facts += [FactMatch("speech", True, False, word_error=0.25, shift_s=(0.1, -0.1)) for _ in range(4)]
    noise = fit_noise("mine", facts)
    assert (noise.name, noise.missed_text, noise.misread_text) == ("mine", 0.1, 0.222)
    assert (noise.garbled_speech, noise.word_errors, noise.missed_speech, noise.missed_motion) == (1.0, 0.25, 0.0, 0.0)
    assert noise.time_jitter_s == pytest.approx(0.148, abs=0.001)


async def test_a_fit_to_a_noisy_simulator_recovers_its_rates():
    """The simulator with known rates replaces live perception: the fit recovers those rates."""
    true = Noise(
        name="true",
        missed_text=0.2,
        misread_text=0.3,
        missed_colour=0.4,
        missed_motion=0.1,
        missed_description=0.5,
        garbled_speech=0.4,
        word_errors=0.4,
        crowded_frames=10_000,
    )
    clean = Noise(name="off", crowded_frames=10_000)
    facts = []
    for script in make_scripts({"FSA": 40}, 0, LEVELS["normal"]):
        library = ScriptLibrary.of([script])
        sides = [ScriptedPerception(library, noise) for noise in (clean, true)]
        infos = [await sides[0].probe(video, n) for n, video in enumerate(script.as_question().videos, start=1)]
        looks = tuple(Target(video=n, start_s=0, end_s=info.duration_s, frames=90) for n, info in enumerate(infos, 1))
        facts += match_facts(*[await side.observe(Observe(targets=looks), infos) for side in sides])
        for look in looks:
            request = Listen(window=Window(video=look.video, start_s=0, end_s=look.end_s))
            facts += match_facts(*[await side.listen(request, infos) for side in sides])
    fitted = fit_noise("fitted", facts)
    for name in ("missed_text", "misread_text", "missed_colour", "missed_motion", "missed_description"):
        assert getattr(fitted, name) == pytest.approx(getattr(true, name), abs=0.06), name
    # A garbled caption may by chance have no wrong word, so only the product of both rates is comparable.
    assert fitted.garbled_speech * fitted.word_errors == pytest.approx(0.16, abs=0.04)


def test_confidence_intervals():
    wilson = mean_score([1.0] * 8 + [0.0] * 2)
    assert (round(wilson.mean, 2), round(wilson.low, 2), round(wilson.high, 2)) == (0.8, 0.49, 0.94)
    between = mean_score([0.2, 0.4, 0.9, 0.7, 0.5])
    assert between.mean == pytest.approx(0.54)
    assert between.low < between.mean < between.high
    assert str(wilson) == "80 (49-94)"


def test_intervals_are_clustered():
    """Two clusters of two equal scores: a resample draws twice the first, twice the second, or both, so 0 to 1."""
    found = clustered_mean([1.0, 1.0, 0.0, 0.0], ["a", "a", "b", "b"])
    assert (found.mean, found.low, found.high) == (0.5, 0.0, 1.0)
    # The same scores in clusters that are all alike: every resample has the mean 0.5.
    alike = clustered_mean([1.0, 0.0, 1.0, 0.0], ["a", "a", "b", "b"])
    assert (alike.mean, alike.low, alike.high) == (0.5, 0.5, 0.5)
    # A large cluster counts more than a small one: the mean is that of the questions, 3 of 4.
    uneven = clustered_mean([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"])
    assert (uneven.mean, uneven.low, uneven.high) == (0.75, 0.0, 1.0)
    single = clustered_mean([1.0, 0.0], ["a", "a"])
    assert (single.mean, single.low, single.high) == (0.5, 0.0, 1.0)
    assert clustered_mean([1.0, 0.0, 1.0], ["a", "b", "c"]) == mean_score([1.0, 0.0, 1.0])


def test_a_clustered_interval_is_wider_where_scores_of_a_cluster_are_alike():
    scores = [float(n % 2) for n in range(20) for _ in range(9)]  # 20 clusters of 9, each all right or all wrong
    clusters = [n for n in range(20) for _ in range(9)]
    one_by_one, clustered = mean_score(scores), clustered_mean(scores, clusters)
    assert one_by_one.mean == clustered.mean == 0.5
    assert clustered.high - clustered.low > 2.5 * (one_by_one.high - one_by_one.low)  # 3 is the root of 9


def test_a_difference_is_paired_and_clustered():
    equal = clustered_difference([1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0], ["a", "a", "b", "b"])
    assert (equal.mean, equal.low, equal.high) == (0.0, 0.0, 0.0)
    better = clustered_difference([1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0], ["a", "a", "b", "b"])
    assert (better.mean, better.low, better.high) == (0.5, 0.0, 1.0)  # +1 in cluster a, 0 in cluster b
    single = clustered_difference([1.0, 0.0], [0.0, 0.0], ["a", "a"])
    assert (single.mean, single.low, single.high) == (0.5, -1.0, 1.0)


def test_facts_are_summarized_with_scripted_and_live_shares():
    pairs = [(FactMatch("text", a, a), FactMatch("text", b, b)) for a, b in ((1, 1), (1, 0), (0, 0), (1, 1))]
    (row,) = summarize_facts(pairs)
    assert (row.count, row.scripted, row.live, row.agree) == (4, 0.75, 0.5, 0.75)


def test_free_text_is_scored_by_its_words():
    assert token_f1("onions; for my boss", "Onions for my boss!") == 1.0
    assert token_f1("salt", "pepper") == 0.0
    assert score_answer("text", "the onions", "onions; for my boss") == pytest.approx(0.4)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gap")
    scripts = [make_script("CC", 3, LEVELS["easy"]), make_script("MSR", 3, LEVELS["easy"])]
    hostile = scripts[1].model_copy(update={"question": scripts[1].question + " <script>alert(1)</script>"})
    return folder, asyncio.run(measure_sim_gap([scripts[0], hostile], folder, noise="mild"))


def test_a_measurement_end_to_end(measured):
    folder, gap = measured
    assert [row.name for row in gap.tasks] == ["CC", "MSR", "all"]
    assert [row.count for row in gap.tasks] == [1, 1, 2]
    cooks = gap.tasks[0]
    assert (cooks.scripted.mean, cooks.live.mean) == (1.0, 1.0)
    assert cooks.actions_agree > 0.5
    facts = {row.kind: row for row in gap.facts}
    assert facts["text"].live >= 0.9
    assert facts["description"].live == 0.0  # the offline vision model does not describe pictures
    assert gap.fitted.missed_description == 1.0
    assert gap.noise.name == "mild"
    record = json.loads((folder / "gap.json").read_text())
    assert [row["name"] for row in record["tasks"]] == ["CC", "MSR", "all"]
    assert (folder / "gap.png").read_bytes().startswith(b"\x89PNG")
    html = (folder / "gap.html").read_text()
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html
    assert sim_gap_table(gap).row_count == 3


async def test_a_second_measurement_reuses_the_live_runs(measured, monkeypatch):
    folder, gap = measured

    def forbidden(*_):
        raise AssertionError("a video was rendered or a model was created again")

    monkeypatch.setattr("agentcvr_graph.eval.sim_gap.pairs.render_script", forbidden)
    again = await measure_sim_gap([pair.script for pair in gap.pairs], folder, noise="off")
    assert [pair.live for pair in again.pairs] == [pair.live for pair in gap.pairs]
    assert again.noise.name == "off"
    assert render_sim_gap(again).count("<tr") == render_sim_gap(gap).count("<tr")


def beginning(video, until_s):
    """Return the first scenes of a video."""
    scenes = tuple(scene for scene in video.scenes if scene.end_s <= until_s)
    return video.model_copy(update={"scenes": scenes, "duration_s": scenes[-1].end_s})


@pytest.fixture(scope="module")
def a_set():
    """Return two questions of a set, of which only the first 25 s are kept."""
    asked = [script for script in make_set(0) if script.task in ("STOP", "SPOT")][:2]
    videos = tuple(beginning(video, 25.0) for video in asked[0].videos)
    return [script.model_copy(update={"videos": videos, "evidence": ()}) for script in asked]


async def test_a_set_is_rendered_once_measured_in_one_cluster_and_resumed_by_question(a_set, tmp_path, monkeypatch):
    rendered, answered = [], []

    def counting(script, folder):
        rendered.append(script.id)
        return render_script(script, folder)

    async def counted(graph, given, context):
        answered.append((given["question"], context.max_frames))
        return await ask(graph, given, context)

    monkeypatch.setattr("agentcvr_graph.eval.sim_gap.pairs.render_script", counting)
    monkeypatch.setattr("agentcvr_graph.eval.sim_gap.pairs.ask", counted)
    half = Budget(share=0.5)
    frames = half.of(a_set[0]).max_frames
    assert frames == round(0.5 * full_cost(a_set[0]).frames) < 40
    first = await measure_sim_gap(a_set, tmp_path, budget=half)
    assert rendered == [a_set[0].id]
    assert sorted(path.name for path in (tmp_path / "rendered").iterdir()) == [a_set[0].id]
    assert sorted(answered) == sorted((script.question, frames) for script in a_set for _ in ("scripted", "live"))
    assert [(row.count, row.clusters) for row in first.tasks] == [(1, 1), (1, 1), (2, 1)]
    assert "clustered by 1 sets of videos" in sim_gap_table(first).title
    record = json.loads((tmp_path / "gap.json").read_text())["questions"]
    assert [(one["id"], one["task"], one["videos"]) for one in record] == [
        (script.id, script.task, videos_key(a_set[0])) for script in a_set
    ]
    assert all(0 < one["runs"][side]["frames"] <= frames for one in record for side in ("scripted", "live"))

    (tmp_path / "live" / f"{a_set[1].id}.json").unlink()  # as if it was stopped before the second live question
    answered.clear()
    again = await measure_sim_gap(a_set, tmp_path, budget=half)
    assert answered == [(a_set[1].question, frames)]
    assert [pair.live_score for pair in again.pairs] == [pair.live_score for pair in first.pairs]
    assert sim_gap_rows(again)[1] == sim_gap_rows(first)[1]


async def test_a_run_with_an_infrastructure_error_is_counted_and_not_kept(a_set, tmp_path, monkeypatch):
    """A look that timed out says nothing about the policy, so the next measurement repeats the question."""

    async def disturbed(graph, given, context):
        found = await ask(graph, given, context)
        if given["videos"][0].source.startswith("script:"):
            return found
        first = found.turns[0]
        failed = first.actions[0].model_copy(update={"failed_by": "infrastructure"})
        turns = (first.model_copy(update={"actions": (failed, *first.actions[1:])}), *found.turns[1:])
        return found.model_copy(update={"turns": turns})

    monkeypatch.setattr("agentcvr_graph.eval.sim_gap.pairs.ask", disturbed)
    gap = await measure_sim_gap(a_set[:1], tmp_path)
    assert gap.disturbed == 1
    assert len(gap.pairs[0].as_record()["runs"]["live"]["failed_calls"]) == 1
    assert not list(tmp_path.glob("live/*"))
    assert len(list(tmp_path.glob("scripted/*"))) == 1


async def test_measuring_no_scripts_raises_input_error(tmp_path):
    with pytest.raises(InputError, match="There is no script to measure"):
        await measure_sim_gap([], tmp_path)
