"""The recipe for a pretrained model, with a tiny model in its place: every step, a kill, and what a run prints."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from agentcvr_training.config.loading import load_format
from agentcvr_training.config.settings import Model
from agentcvr_training.config.trainer_settings import grpo_config, sft_config
from agentcvr_training.demonstrations import read_demonstrations
from agentcvr_training.measures.evaluation import MeasuredQuestion
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.trainer import callbacks
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from rich.console import Console
from typer.testing import CliRunner

from agentcvr_graph.errors import InputError, SetupError
from agentcvr_graph.graph.dialects import read_calls
from tests.support.tiny_models import PLAIN, tokenizer
from training.recipes.pretrained import recipe
from training.recipes.pretrained.__main__ import app
from training.recipes.pretrained.demonstrations import Lengths
from training.recipes.pretrained.demonstrator import in_words, sentences
from training.recipes.pretrained.estimates import Episode, Speeds, duration
from training.recipes.pretrained.measures import MASTERS, episodes_of
from training.recipes.pretrained.outlook import outlook, plan, standing, states, steps_of_sft
from training.recipes.pretrained.recipe import STEPS, Run, take
from training.recipes.pretrained.report import by_budget, by_kind, read, report
from training.recipes.pretrained.sittings import read_sittings
from training.recipes.pretrained.weights import EVIDENCE, write_model
from training.recipes.tiny.comparison_tables import Measured, draw, read_questions
from training.recipes.tiny.recipe import settings_of

CONFIGS = Path("training/recipes/pretrained/configs")


# What the policy reads and writes.


def test_the_template_shortens_evidence_and_nothing_else():
    own = tokenizer(PLAIN)
    short = own.__class__(tokenizer_object=own.backend_tokenizer, eos_token="<|im_end|>", pad_token="<|pad|>")
    short.chat_template = EVIDENCE.read_text(encoding="utf-8") + PLAIN
    reply = (
        "seen: video 1, 0.0-9.0 s (3 frames)\n"
        "[video 1, 0.0-3.0 s] mostly red and white; still\n"
        '[video 1, 3.0-6.0 s] on-screen text "MILL", "BAKE BREAD"; mostly red and white; something moves\n'
        "[video 1, 6.0-9.0 s] silence\n"
        '[video 1, 6.0-9.0 s] "This is the mill."\n'
        "left: 3 turns"
    )
    brief = "Question: Is it still; mostly red?\nVideos:"
    form = ChatFormat(short, "short")
    text = short.decode(form.prompt_ids([SystemMessage("Act."), HumanMessage(brief)], None))
    assert text == f"<|im_start|>system\nAct.<|im_end|>\n<|im_start|>user\n{brief}<|im_end|>\n<|im_start|>assistant\n"
    added = short.decode(form.environment_ids(form.turn_ids(AIMessage("I look.")), [HumanMessage(reply)]))
    lines = '[video 1, 3.0-6.0 s] text "MILL", "BAKE BREAD"\n[video 1, 6.0-9.0 s] "This is the mill."\nleft: 3 turns'
    assert added == f"\n<|im_start|>user\n{lines}<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ("wanted: mill\n?", "Wanted: mill. Unknown."),
        ("wanted: mill, take a nap\n[video 1, mill ?", "Wanted: mill, take a nap. Video 1: mill, unknown."),
        ("[video 2, mill ?; 97.0-148.2", "Video 2: mill is at 97.0-148.2."),
        ("[video 3, mill, bake bread, ?, king: yes", "Video 3: mill, bake bread, unknown, king: yes."),
        ("[video 1, mill, ticket 7 sorted: 7 is 1, ? is 2.", "Video 1: mill, ticket 7. Sorted: 7 is 1, unknown is 2."),
        ("", ""),
    ],
)
def test_notes_become_sentences(notes, words):
    assert sentences(notes) == words


def test_a_turn_is_sentences_and_then_json_that_the_graph_reads():
    cited = [{"video": 2, "start_s": 3.0, "end_s": 4.5, "modality": "audio"}] * 2
    call = {"name": "answer", "args": {"value": "B", "citations": cited}, "id": "answer"}
    turn = in_words(AIMessage("wanted: mill\n[video 2, mill: yes", tool_calls=[call]))
    assert turn.text.splitlines() == [
        "Wanted: mill. Video 2: mill: yes.",
        '{"action": "answer", "arguments": {"value": "B", "citations": '
        '[{"video": 2, "start_s": 3, "end_s": 4.5, "modality": "audio"}]}}',
    ]
    (read_again,) = read_calls(turn, 1)
    assert (read_again.tool, read_again.arguments["value"]) == ("answer", "B")
    without = in_words(AIMessage("", tool_calls=[{**call, "args": {"value": 3, "citations": []}}]))
    assert without.text == '{"action": "answer", "arguments": {"value": 3}}'


# The configurations.


@pytest.mark.parametrize("name", ["smollm2", "gpu"])
def test_the_configurations_are_valid_and_hold_no_training_question_out(name, tmp_path):
    settings = settings_of(CONFIGS / f"{name}.yaml", tmp_path, 1)
    sft_config(settings.model_copy(update={"sft": settings.sft.model_copy(update={"trainer": without_bf16(settings)})}))
    scripts, held_out = settings.scripts.model_copy(update={"each": 30}).load(), settings.held_out_scripts()
    assert {script.task for script in scripts} == {script.task for script in held_out} >= {"STOP", "SPOT", "LOCK"}
    assert not {script.question for script in held_out} & {script.question for script in scripts}
    assert settings.context.dialect == "json"


def without_bf16(settings):
    return {**settings.sft.trainer, "bf16": False}


def test_the_cpu_configuration_has_the_150_questions_and_60_steps_of_24_episodes(tmp_path):
    settings = settings_of(CONFIGS / "smollm2.yaml", tmp_path, 0)
    assert len(settings.held_out_scripts()) == 150
    arguments = grpo_config(settings)
    assert arguments.max_steps == 60
    assert arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps == 24
    assert steps_of_sft(settings, 500) == 250


def test_the_command_explains_itself_and_names_the_steps():
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    assert all(text in shown.output for text in ("--dry-run", "--steps", "Examples"))
    wrong = CliRunner().invoke(app, ["--steps", "ppo"])
    assert isinstance(wrong.exception, InputError)
    assert "Unknown --steps 'ppo'" in str(wrong.exception)


# Estimates.


def test_an_estimate_is_tokens_divided_by_speeds():
    episode = Episode.like([Lengths(500, 1200, 200), Lengths(500, 800, 100)])
    assert (episode.read, episode.sampled) == (850, 150)
    speeds = Speeds(learning=100, reading=200, sampling=50)
    assert episode.seconds(speeds) == 850 / 200 + 150 / 50
    assert episode.learning_seconds(speeds) == episode.seconds(speeds) + 10
    assert (duration(59), duration(5280), duration(5400)) == ("1 min", "88 min", "1.5 h")
    assert episodes_of("offline", 150, 3, 4) == 0
    assert episodes_of("blind", 150, 3, 4) == 150
    assert episodes_of("constant", 150, 3, 4) == 50 * 3 * 4 * 3 + 450


# The tables.


def question(number, share, score, *, valid=1.0):
    return MeasuredQuestion(
        script=f"spot-{number}",
        task="SPOT",
        share=share,
        score=score,
        hit_rate=0.5,
        turns=2,
        frames=4,
        audio_s=0.0,
        looks=[],
        valid=valid,
        calls=4,
        accepted=round(4 * valid),
    )


def test_the_tables_have_budgets_kinds_and_validity(tmp_path):
    found = {
        "before": Measured("before", [[question(n, 1.0, 0.0, valid=0.25) for n in range(4)]]),
        "grpo": Measured("grpo", [[question(n, share, share) for share in (0.25, 0.5, 1.0) for n in range(4)]]),
    }
    before, grpo = by_budget(found).splitlines()[2:]
    assert [cell.strip() for cell in before.split("|")][1:6] == ["before training", "", "", "0 (0-49)", ""]
    assert [cell.strip() for cell in grpo.split("|")][6:8] == ["50", "2.0"]
    validity = [line.split("|")[-3:-1] for line in by_kind(found).splitlines()[2:]]
    assert validity == [[" 25 ", " 25 "], [" 100 ", " 100 "]]
    draw(found, 0.3, tmp_path / "picture.png", titles=MASTERS)
    assert (tmp_path / "picture.png").stat().st_size > 5_000


def test_without_results_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match="There are no results"):
        read(tmp_path)


# The whole recipe.


@pytest.fixture
def run(speaker, tmp_path, monkeypatch):
    """Return a run in this process, with two schedules and one question a kind."""
    monkeypatch.setattr(recipe, "train_in_processes", lambda train, settings, count: train(settings))
    monkeypatch.setattr("agentcvr_training.measures.evaluation.SCHEDULES", recipe_schedules())
    values = yaml.safe_load((CONFIGS / "smollm2.yaml").read_text())
    values["model"]["forward_context"] = ""
    values["scripts"] |= {"tasks": ["STOP", "SPOT"], "each": 4}
    values["held_out"] |= {"tasks": ["STOP", "SPOT"], "each": 1}
    values["graph"]["max_turns"] = 3
    values["rollout"] |= {"max_new_tokens": 3, "max_length": 4096, "live_graphs": 4}
    values["sft"]["trainer"] |= {"max_steps": 2, "save_steps": 1}
    values["grpo"]["trainer"] |= {
        "max_steps": 3,
        "save_steps": 1,
        "num_generations": 2,
        "gradient_accumulation_steps": 2,
    }
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(values))
    settings = settings_of(config, tmp_path / "run", 0)
    return Run(settings, tmp_path / "results" / "seed-0", str(speaker), tokens=6000, choosing=1)


def recipe_schedules():
    from agentcvr_training.baselines.plans import SCHEDULES

    return SCHEDULES[:2]


class Killed(BaseException):
    """Stands for the end of the process: nothing of the recipe catches it."""


def test_every_step_is_taken_once_over_two_sittings(run, monkeypatch):
    def killed_after_two(self, args, state, control, **kwargs):
        marked(self, args, state, control, **kwargs)
        if args.output_dir.endswith("grpo") and state.global_step == 2:
            raise Killed

    marked = callbacks.WholeCheckpoints.on_save
    monkeypatch.setattr(callbacks.WholeCheckpoints, "on_save", killed_after_two)
    console = Console(file=io.StringIO(), width=200)
    with pytest.raises(Killed):
        take(run, STEPS, console)
    monkeypatch.setattr(callbacks.WholeCheckpoints, "on_save", marked)
    assert [one.state for one in states(run)] == ["done", "done", "done", "to do", "to do"]
    assert [one.state for one in outlook(run)] == ["done", "done", "done", "step 2 of 3", "0 of 8 masters"]
    take(replace(run, only=("before", "sft", "grpo"), shares=(1.0,)), ["measures"], console)
    assert f"after GRPO: not yet measured, because there is no {run.folder / 'policy'}" in console.file.getvalue()
    assert [one.state for one in outlook(run)][-1] == "2 of 8 masters"
    before = {step: place.stat().st_mtime_ns for step, place in run.done().items() if place.exists()}
    take(run, STEPS, console)
    assert all(run.done()[step].stat().st_mtime_ns == time_ns for step, time_ns in before.items())
    assert [(one.event, one.name) for one in read_sittings(run.folder)] == [
        ("start", ""),
        *(("step", name) for name in ("model", "demonstrations", "sft")),
        *(("start", ""), ("step", "measures"), ("end", "")),
        ("start", ""),
        *(("step", name) for name in ("grpo", "measures")),
        ("end", ""),
    ]
    steps = [json.loads(line)["step"] for line in (run.folder / "episodes.jsonl").read_text().splitlines()]
    assert steps == [1, 1, 2, 2, 3, 3]
    check_results(run)


def check_results(run):
    shown = list(read_demonstrations(run.done()["demonstrations"]))
    assert {one.imitated_from > 0 for one in shown} == {True, False}
    assert {one.dialect for one in shown} == {"json"}
    form = load_format(run.settings.model)
    assert form.tokenizer.chat_template.startswith(EVIDENCE.read_text(encoding="utf-8").rstrip("\n"))
    files = {name: read_questions(run.results / f"{name}.json.gz") for name in MASTERS}
    assert {name: len(questions) for name, questions in files.items()} == {
        **dict.fromkeys(MASTERS, 6),
        **dict.fromkeys(("before", "blind"), 2),
        "sft": 2,  # measured at one budget
    }
    assert all(one.calls > 0 for questions in files.values() for one in questions)
    assert "| after GRPO |" in report(read(run.results.parent))
    text = Console(file=io.StringIO(), width=200)
    text.print(plan(run), standing(outlook(run)))
    assert "3 steps of 2 episodes, of at most 4,096 tokens" in text.file.getvalue()
    other = Run(run.settings, run.results, run.model, tokens=7000)
    with pytest.raises(InputError, match="tokens was 6000, now it is 7000"):
        take(other, STEPS, Console(file=io.StringIO()))


def test_a_model_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(SetupError, match="There is no model folder"):
        write_model(str(tmp_path / "none"), tmp_path / "initial")
    assert not (tmp_path / "initial").exists()


def test_a_model_is_written_with_the_same_weights(speaker, tmp_path):
    write_model(str(speaker), tmp_path / "initial")
    again = load_format(Model(path=str(tmp_path / "initial"), dtype="float32"))
    assert len(again.tokenizer) == len(load_format(Model(path=str(speaker), dtype="float32")).tokenizer)
