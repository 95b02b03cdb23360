"""The comparison of masters: from a policy in a folder to the table and the picture, and best-of-n demonstrations."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from agentcvr_training.baselines.plans import THINNED
from agentcvr_training.baselines.rejection import record_best
from agentcvr_training.config.settings import load_settings
from agentcvr_training.demonstrations import Demonstration, read_demonstrations
from agentcvr_training.evaluate import settings_for
from agentcvr_training.measures.evaluation import (
    MeasuredQuestion,
    best_schedules,
    measure_best_schedules,
    measure_policy,
)
from agentcvr_training.measures.looks import Look
from huggingface_hub import ModelCard
from safetensors.torch import load_file

from agentcvr_graph.errors import InputError
from agentcvr_graph.models.providers.in_process import trained_turns
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_scripts
from agentcvr_graph.scripts.library import write_scripts
from tests.support.command_line import agentcvr
from tests.support.tiny_models import model, tokenizer
from training.recipes.tiny.comparison import measure, show
from training.recipes.tiny.comparison_tables import (
    Measured,
    by_level,
    by_task,
    differences,
    draw,
    hits_by_task,
    in_hindsight,
    left_out,
    of_seeds,
    read_results,
    scores_of,
    table,
    write_questions,
)
from training.recipes.tiny.variants import VARIANTS, variant_settings
from training.recipes.tiny.variants import main as train_variants

SCRIPTS = list(make_scripts({"SPOT": 4, "STOP": 4}, 0, LEVELS["easy"]))
SHARES = (0.25, 0.5, 1.0)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Return settings of an untrained model, which never gives a valid action."""
    folder = tmp_path_factory.mktemp("comparison")
    net = model()
    net.config.agentcvr = {"max_turns": 2}
    net.save_pretrained(folder / "model")
    tokenizer().save_pretrained(folder / "model")
    path = folder / "run.yaml"
    path.write_text(
        f"output: {folder}\nmodel: {{path: {folder / 'model'}, dtype: float32}}\n"
        "scripts: {tasks: [SPOT, STOP], each: 2}\ngraph: {max_turns: 2}\n"
        "held_out: {tasks: [SPOT], each: 1, seed: 900}\n"
        "rollout: {max_new_tokens: 8, max_length: 4096, live_graphs: 4, budget_shares: [0.15, 1.0]}\n"
        "grpo: {trainer: {use_cpu: true}}\n"
    )
    return load_settings(path)


def question(script, share, score, place=0.5):
    video = script.videos[0]
    look = Look(turn=2, modality="visual", video=1, start_s=place * video.duration_s, end_s=place * video.duration_s)
    return MeasuredQuestion(
        script=script.id,
        task=script.task,
        share=share,
        score=score,
        hit_rate=0.5,
        turns=2,
        frames=10,
        audio_s=5.0,
        looks=[look],
    )


def measured(name, scores):
    """Return a master with two seeds whose scores are given for each share."""
    rows = [[question(script, share, scores[share]) for share in SHARES for script in SCRIPTS] for _ in range(2)]
    return Measured(name, rows)


def test_the_table_has_accuracy_area_hits_turns_and_adaptivity():
    found = {
        "sft": measured("sft", {0.25: 0.0, 0.5: 0.5, 1.0: 0.5}),
        "grpo": measured("grpo", {0.25: 0.5, 0.5: 1.0, 1.0: 1.0}),
    }
    header, _, sft, grpo = table(found, SCRIPTS).splitlines()
    assert [cell.strip() for cell in header.split("|")[2:5]] == ["25 %", "50 %", "100 %"]
    assert [cell.strip() for cell in sft.split("|")[1:6]] == ["SFT", "0", "50", "50", "42 (42-42)"]
    assert [cell.strip() for cell in grpo.split("|")[6:9]] == ["50", "2.0", "100 %"]
    assert "| SFT | +50.0 (50.0 to 50.0) |" in differences(found)


def test_seeds_are_averaged_for_each_question():
    first = [question(script, share, 1.0) for share in SHARES for script in SCRIPTS]
    second = [question(script, share, 0.0) for share in SHARES for script in reversed(SCRIPTS)]
    assert Measured("sft", [first, second]).scores == {share: [0.5] * len(SCRIPTS) for share in SHARES}
    assert scores_of(second) == {share: [0.0] * len(SCRIPTS) for share in SHARES}


def test_areas_are_told_apart_by_task_and_by_level():
    right = {"SPOT": 1.0, "STOP": 0.0}
    rows = [question(script, share, right[script.task]) for share in SHARES for script in SCRIPTS]
    own = {"sft": Measured("sft", [rows])}
    assert by_task(own).splitlines()[2] == "| SFT | 100 (100 100 100) | 0 (0 0 0) |"
    assert hits_by_task(own).splitlines()[2] == "| SFT | 50 | 50 |"
    level = {"easy": own, "hard": {"sft": measured("sft", dict.fromkeys(SHARES, 0.0))}}
    assert by_level(level).splitlines()[2:] == ["| SFT | 50 (12-88) | 0 (0-0) |"]
    level["normal"] = {"grpo": own["sft"]}
    assert by_level(level).splitlines()[2:] == ["| SFT | 50 (12-88) | 0 (0-0) |  |"]


def test_in_hindsight_the_best_plan_is_taken_at_each_budget_and_may_save():
    """At 100 % the best of .4 and .5 is worse than .6, which half of the budget gave."""
    found = {
        "thinned": measured("thinned", {0.25: 0.2, 0.5: 0.6, 1.0: 0.4}),
        "constant": measured("constant", {0.25: 0.3, 0.5: 0.5, 1.0: 0.5}),
        "grpo": measured("grpo", dict.fromkeys(SHARES, 1.0)),
    }
    best = in_hindsight(found)
    count = len(SCRIPTS)
    assert best["hindsight"].scores == {0.25: [0.3] * count, 0.5: [0.6] * count, 1.0: [0.6] * count}
    assert "| best of the four fixed plans in hindsight | +45.0 (45.0 to 45.0) |" in differences({**found, **best})
    assert in_hindsight({"grpo": found["grpo"]}) == {}


def test_results_that_cannot_be_compared_are_one_line(tmp_path):
    with pytest.raises(InputError, match="has no measured masters"):
        show(results=tmp_path)
    rows = measured("grpo", dict.fromkeys(SHARES, 1.0)).by_seed[0]
    (tmp_path / "seed-0").mkdir()
    write_questions(rows, tmp_path / "seed-0" / "sft.json.gz")
    write_questions([row for row in rows if row.script != SCRIPTS[0].id], tmp_path / "seed-0" / "grpo.json.gz")
    with pytest.raises(InputError, match=r"grpo\.json\.gz holds other questions than .*sft\.json\.gz"):
        read_results(tmp_path)
    with pytest.raises(InputError, match=f"has no script {SCRIPTS[1].id}"):
        table({"sft": measured("sft", dict.fromkeys(SHARES, 1.0))}, SCRIPTS[:1])


def test_a_folder_without_policies_is_not_measured_in_silence(settings, tmp_path):
    config = Path(settings.output) / "run.yaml"
    with pytest.raises(InputError, match=r"seed-0 has no policy to measure: grpo\."):
        measure(tmp_path / "seed-0", config, tmp_path, only=["grpo"])
    with pytest.raises(
        InputError, match=r"has no warm start\. .*mkdir -p .*seed-0 && cp -r training/recipes/tiny/results/tours/warm "
    ):
        train_variants(tmp_path / "seed-0")
    for command in (measure, train_variants):
        with pytest.raises(InputError, match="policy is not the folder of one seed"):
            command(tmp_path / "policy")


def test_a_file_that_exists_is_kept_and_named(settings, tmp_path, capsys):
    (tmp_path / "run" / "seed-0" / "policy").mkdir(parents=True)
    kept = tmp_path / "results" / "seed-0" / "grpo.json.gz"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"kept")
    measure(tmp_path / "run" / "seed-0", Path(settings.output) / "run.yaml", tmp_path / "results", only=["grpo"])
    assert f"GRPO: kept {kept}" in capsys.readouterr().err
    assert kept.read_bytes() == b"kept"


def test_a_task_that_was_left_out_stands_beside_sft_and_grpo():
    found = {name: measured(name, dict.fromkeys(SHARES, score)) for name, score in [("sft", 0.0), ("grpo", 1.0)]}
    found["without-SPOT"] = measured("without-SPOT", dict.fromkeys(SHARES, 1.0))
    gain = "+100.0 (100.0 to 100.0)"
    assert left_out(found).splitlines()[2:] == [f"| SPOT | 0 (0-0) | 100 (100-100) | 100 (100-100) | {gain} |"]


def test_a_variant_is_compared_with_grpo_of_its_own_seed():
    """Seed 0 of GRPO has 0.5, seed 1 1.0; the variant of seed 1 has 0.75."""
    rows = [measured("grpo", dict.fromkeys(SHARES, score)).by_seed[0] for score in (0.5, 1.0, 0.75)]
    found = {
        "grpo": Measured("grpo", rows[:2], ["seed-0", "seed-1"]),
        "unscaled": Measured("unscaled", rows[2:], ["seed-1"]),
    }
    lines = of_seeds(found).splitlines()
    assert lines[2:4] == ["| seed-0 | 50 (50-50) |", "| seed-1 | 100 (100-100) |"]
    assert lines[-1] == "| GRPO, advantages not scaled | +25.0 (25.0 to 25.0) |"
    assert of_seeds({"unscaled": found["unscaled"]}).splitlines()[-1] == "|---|---|"


@pytest.mark.parametrize("name", VARIANTS)
def test_each_variant_starts_from_the_warm_start_in_a_folder_of_its_own(name, tmp_path):
    config = Path("training/recipes/tiny/configs/tours.yaml")
    settings = variant_settings(config, tmp_path / "seed-1", 1, name)
    assert settings.model.path == str(tmp_path / "seed-1" / "warm")
    assert settings.output == str(tmp_path / "seed-1" / "variants" / name)
    assert settings.scripts.seed == 10_000_000
    assert VARIANTS[name].left_out not in settings.scripts.tasks


def test_settings_of_the_command_line_change_a_variant_but_not_what_makes_it_one(tmp_path):
    config = Path("training/recipes/tiny/configs/tours.yaml")
    given = {"grpo.trainer.max_steps": 2, "grpo.trainer.scale_rewards": "group"}
    trainer = variant_settings(config, tmp_path / "seed-0", 0, "unscaled", given).grpo.trainer
    assert (trainer["max_steps"], trainer["scale_rewards"]) == (2, "none")


def test_results_are_read_from_files_and_drawn(tmp_path):
    for seed in (0, 1):
        folder = tmp_path / f"seed-{seed}"
        folder.mkdir()
        write_questions(measured("grpo", dict.fromkeys(SHARES, 1.0)).by_seed[0], folder / "grpo.json.gz")
    found = read_results(tmp_path)
    assert list(found) == ["grpo"]
    assert len(found["grpo"].by_seed) == 2
    draw(found, 0.25, tmp_path / "comparison.png")
    assert (tmp_path / "comparison.png").stat().st_size > 5_000


def test_the_best_schedule_is_chosen_for_each_task_and_share(settings, monkeypatch):
    """The plans are only told apart by the scores that they are given here."""
    liked = {"SPOT": "the first 10 s", "STOP": "spread"}

    def scored(folder, settings, scripts, shares, *, plan):
        return [
            question(script, share, float(plan.frames == "whole" and plan.sound == liked[script.task]))
            for share in shares
            for script in scripts
        ]

    monkeypatch.setattr("agentcvr_training.measures.evaluation.measure_policy", scored)
    chosen = best_schedules(None, settings, SCRIPTS)
    assert {group: schedule.sound for group, schedule in chosen.items()} == {
        (task, share): liked[task] for task in ("SPOT", "STOP") for share in SHARES
    }
    found = measure_best_schedules(None, settings, SCRIPTS, chosen)
    assert [(one.share, one.script) for one in found] == [(share, s.id) for share in SHARES for s in SCRIPTS]
    assert all(one.score == 1.0 for one in found)


def test_an_untrained_policy_is_measured_at_every_share(settings):
    found = measure_policy(Path(settings.model.path), settings, SCRIPTS[:2], (0.25, 1.0), plan=THINNED)
    assert [(one.script, one.share) for one in found] == [(s.id, share) for share in (0.25, 1.0) for s in SCRIPTS[:2]]
    assert [(one.frames > 0, one.turns) for one in found] == [(True, 3)] * 4
    assert found[2].frames > 3 * found[0].frames


def test_the_best_of_several_conversations_is_kept(settings, tmp_path, monkeypatch):
    rounds = iter([{"a": (0.2, 5), "b": (0.9, 5)}, {"a": (0.8, 7), "b": (0.9, 3)}, {"a": (0.8, 9), "b": (0.1, 1)}])

    async def sampled(settings, scripts):
        return [
            Demonstration(script_id=name, score=score, messages=[{"n": n} for n in range(length)])
            for name, (score, length) in next(rounds).items()
        ]

    monkeypatch.setattr("agentcvr_training.baselines.rejection._sampled", sampled)
    scripts = [script.model_copy(update={"id": name}) for name, script in zip("abc", SCRIPTS, strict=False)]
    path = tmp_path / "best.jsonl"
    assert record_best(settings, scripts, path, tries=3) == 2
    kept = list(read_demonstrations(path))
    assert [(one.script_id, one.score, len(one.messages)) for one in kept] == [("a", 0.8, 7), ("b", 0.9, 3)]


def test_a_stopped_recording_goes_on_with_the_next_pass(settings, tmp_path, monkeypatch):
    scores = iter([0.9, KeyboardInterrupt(), 0.6, 0.7])

    async def sampled(settings, scripts):
        score = next(scores)
        if isinstance(score, KeyboardInterrupt):
            raise score
        return [Demonstration(script_id=SCRIPTS[0].id, score=score, messages=[])]

    monkeypatch.setattr("agentcvr_training.baselines.rejection._sampled", sampled)
    path = tmp_path / "best.jsonl"
    with pytest.raises(KeyboardInterrupt):
        record_best(settings, SCRIPTS, path, tries=3)
    assert not path.exists()
    assert record_best(settings, SCRIPTS, path, tries=3) == 1
    assert [one.score for one in read_demonstrations(path)] == [0.9]
    assert next(scores, None) is None  # two more passes, not three
    assert [file.name for file in tmp_path.iterdir()] == ["best.jsonl"]


@pytest.mark.parametrize("changed", ["temperature", "scripts"])
def test_passes_of_other_settings_or_scripts_are_refused(changed, settings, tmp_path, monkeypatch):
    async def stopped(settings, scripts):
        raise KeyboardInterrupt

    monkeypatch.setattr("agentcvr_training.baselines.rejection._sampled", stopped)
    path = tmp_path / "best.jsonl"
    with pytest.raises(KeyboardInterrupt):
        record_best(settings, SCRIPTS, path)
    rollout = settings.rollout.model_copy(update={"temperature": 0.25})
    other = settings.model_copy(update={"rollout": rollout} if changed == "temperature" else {})
    said = {
        "temperature": rf"rollout.temperature was {settings.rollout.temperature}, now it is 0.25\. Remove best-pass",
        "scripts": "best-passes.json holds .*: scripts was ",
    }
    with pytest.raises(InputError, match=said[changed]):
        record_best(other, SCRIPTS[1:] if changed == "scripts" else SCRIPTS, path)
    more = settings.model_copy(update={"rollout": settings.rollout.model_copy(update={"live_graphs": 64})})
    with pytest.raises(KeyboardInterrupt):  # the same ones go on, also with more conversations at a time
        record_best(more, SCRIPTS, path)


def test_the_command_scores_a_policy_beside_blind_and_chance(settings, tmp_path):
    """A budget that is named twice is measured once, and the folder of the questions is made."""
    scripts, questions = tmp_path / "scripts.jsonl", tmp_path / "new" / "questions.jsonl"
    write_scripts(SCRIPTS[:2] + SCRIPTS[4:6], scripts)
    given = ["--scripts", scripts, "--config", Path(settings.output) / "run.yaml", "--out", questions]
    done = agentcvr("train", "evaluate", settings.model.path, *given, "--budget", 0.5, "--budget", 0.5)
    assert done.returncode == 0, done.stderr
    assert all(text in done.stdout for text in ("SPOT", "STOP", "all", "blind", "chance: 33.3 %"))
    rows = [MeasuredQuestion.model_validate_json(line) for line in questions.read_text().splitlines()]
    assert [(one.task, one.share) for one in rows] == [("SPOT", 0.5)] * 2 + [("STOP", 0.5)] * 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("gone", "--task", "SPOT"), "There is no policy in gone"),
        ((".", "--budget", "1"), "No scripts are named"),
        ((".", "--budget", "1"), "the turns (12), tools and noise (off) may not be those of the training"),
        ((".", "--task", "SPOT", "--set", "graph.max_turns=6"), "none is named. Name one with --config."),
        ((".", "--task", "XY"), "Unknown --task 'XY'"),
        ((".", "--task", "SPOT", "--phrasing", "other"), "Unknown --phrasing 'other'"),
        ((".", "--task", "SPOT", "--each", "1", "--budget", "2"), "2 is no share of the full cost"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(arguments, complaint):
    done = agentcvr("train", "evaluate", *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_without_a_configuration_a_policy_has_the_turns_of_its_training(settings):
    assert settings_for(Path(settings.model.path)).context.max_turns == 2
    assert settings_for(Path()).context.max_turns == 12
    done = agentcvr("train", "evaluate", settings.model.path)
    assert "without --config the tools and noise (off) may not be those of the training" in done.stderr


def test_a_release_is_in_bf16_and_its_card_says_data_scores_recipe_and_licence(settings, tmp_path):
    questions, folder = tmp_path / "questions.jsonl", tmp_path / "my-master"
    rows = [question(script, 0.5, 1.0) for script in SCRIPTS]
    questions.write_text("".join(f"{row.model_dump_json()}\n" for row in rows))
    given = ["--config", Path(settings.output) / "run.yaml", "--scores", questions, "--license", "mit"]
    command = ("train", "release", settings.model.path, "--out", folder, *given)
    done = agentcvr(*command)
    assert done.returncode == 0, done.stderr
    weights = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert trained_turns(folder) == 2
    card = ModelCard.load(folder / "README.md")
    assert card.data.license == "mit"
    assert all(
        text in card.text for text in ("SPOT", "| 50 % | STOP | 4 | 100 (51-100) |", "budget_shares", "# my-master")
    )
    assert not (folder / "training_args.bin").exists()
    again = agentcvr(*command)
    assert (again.returncode, "exists" in again.stderr) == (2, True)


def test_scores_that_are_none_are_one_line_and_nothing_is_written(settings, tmp_path):
    (tmp_path / "wrong.jsonl").write_text('{"a": 1}\n')
    done = agentcvr(
        "train", "release", settings.model.path, "--out", tmp_path / "out", "--license", "mit",
        "--scores", tmp_path / "wrong.jsonl",
    )  # fmt: skip
    assert done.returncode == 2
    assert "cannot be read" in done.stderr and done.stderr.count("error:") == 1
    assert not (tmp_path / "out").exists()
