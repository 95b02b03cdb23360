"""The recipe of the tiny master: tokenizer and template, demonstrator, initialization, curriculum and evaluation."""

from __future__ import annotations

import asyncio
import io
import json
import random
import re
import statistics
from collections import Counter
from pathlib import Path

import pytest
import torch
from agentcvr_training.config.settings import load_settings
from agentcvr_training.demonstrations import Demonstration, demonstrate
from agentcvr_training.rollout.chat_format import ChatFormat
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from rich.console import Console

from agentcvr_graph import CVRContext
from agentcvr_graph.answers import parse_answer, score_answer
from agentcvr_graph.errors import InputError
from agentcvr_graph.models.offline.master.reading import read
from agentcvr_graph.perception.blind import BlindPerception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.chance import chance_level
from agentcvr_graph.scripts.generators.procedural import GENERATORS, make_script, make_scripts
from agentcvr_graph.scripts.generators.procedural.base import Difficulty
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.tools import TOOL_SCHEMAS
from training.recipes.exploration.random_demonstrator import RandomExplorationMaster
from training.recipes.exploration.reasoning_trace import reasoning_trace_of
from training.recipes.tiny import __main__ as command
from training.recipes.tiny.curriculum import EXPLORATION, READING, Chunk, batched_by_length, interleaved, record_chunk
from training.recipes.tiny.evaluation import ScoredQuestion
from training.recipes.tiny.initialization import Size, untrained
from training.recipes.tiny.language import train_tokenizer
from training.recipes.tiny.recipe import Scale, recipe_of, run_seed, settings_of, warm_up
from training.recipes.tiny.summary import Measures, measured_alike, summary, table

TASKS = ("BU", "PEA", "PSS", "FSA", "NUM")
SMALL = Difficulty(videos=2, scenes=4)


def recorded(scripts, noise="off", **how):
    async def run():
        perception = ScriptedPerception(ScriptLibrary.of(scripts), noise)
        return [one async for one in demonstrate(RandomExplorationMaster(**how), perception, scripts, CVRContext())]

    return sorted(asyncio.run(run()), key=lambda one: one.script_id)


@pytest.fixture(scope="module")
def shown():
    return recorded(list(make_scripts(dict.fromkeys(TASKS, 12), 70, SMALL)), "fitted")


@pytest.fixture(scope="module")
def form(shown):
    texts = [message.text for one in shown for message in one.conversation()[1:]]
    return ChatFormat(train_tokenizer(texts), "tiny")


# The tokenizer and the chat template.


def test_a_word_has_the_same_tokens_in_any_context(form):
    def ids(text):
        return form.tokenizer.encode(text, add_special_tokens=False)

    words = ids("OPEN THE DOOR")
    for text in (
        "\n[video 2, OPEN THE DOOR; 12.0",
        "Which people open the door before they dance?",
        '"Open the door."',
    ):
        assert any(ids(text)[n : n + len(words)] == words for n in range(len(ids(text))))
    assert form.tokenizer.convert_ids_to_tokens(ids("\n[video 2, 12.0-18.5 s] silence"))[:6] == [
        *("\n[video 2, ", "12", ".0", "-", "18", ".5")
    ]


def test_turns_decode_and_encode_to_the_same_tokens(form, shown):
    """A server receives the text of a turn and encodes it again; the ids must equal the sampled ones."""
    for one in shown:
        for message in one.conversation():
            if isinstance(message, AIMessage):
                ids = form.turn_ids(message)
                assert form.tokenizer.encode(form.tokenizer.decode(ids), add_special_tokens=False) == ids


def test_the_template_drops_evidence_that_no_question_needs(form):
    evidence = (
        "seen: video 1, 0.0-9.0 s (3 frames)\n"
        "[video 1, 0.0-3.0 s] mostly red and white; still\n"
        '[video 1, 3.0-6.0 s] on-screen text "AXLE"; mostly red and white; something moves\n'
        "[video 1, 6.0-9.0 s] silence\n"
        "left: 3 turns"
    )
    rendered = form.tokenizer.decode(
        form.prompt_ids(
            [
                SystemMessage("long instructions"),
                HumanMessage("Question: what?"),
                ToolMessage(evidence, tool_call_id="1"),
            ],
            list(TOOL_SCHEMAS),
        )
    )
    assert "instructions" not in rendered and "mostly" not in rendered and "silence" not in rendered
    assert "left" in rendered and "moves" not in rendered and "seen" not in rendered
    assert re.search(r"\[video 1, +axle; 3\.0-6\.0\n", rendered)


def test_on_screen_text_may_contain_the_delimiters_of_the_template(form):
    lines = '[video 3, 3.0-6.0 s] on-screen text "A, B", "C] D s] E"; mostly red\n[video 3, 4.4-5.0 s] "F s] on, G."'
    text = form.tokenizer.decode(form.prompt_ids([HumanMessage("?"), ToolMessage(lines, tool_call_id="1")], None))
    assert "a, b, c] d s] e; 3.0-6.0\n[video 3, 4 f s] on, g.; 4.4-5.0<|end|>" in re.sub(" +", " ", text)


def test_text_from_live_video_has_no_unknown_tokens(form):
    text = "żółć 漢字 zzxqv"
    assert form.tokenizer.decode(form.tokenizer.encode(text)).strip() == text


# The demonstrator.


def test_the_demonstrator_explores_randomly_with_valid_actions(shown):
    for one in shown:
        conversation = one.conversation()
        assert not [
            m for m in conversation if isinstance(m, ToolMessage) and m.status == "error" and "Not yet" not in m.text
        ]
        assert any(call["name"] == "answer" for call in conversation[-2].tool_calls)
    windows = [
        target["start_s"]
        for one in shown
        for message in one.conversation()
        if isinstance(message, AIMessage)
        for call in message.tool_calls
        if call["name"] == "observe"
        for target in call["args"]["targets"]
    ]
    assert 0.2 < sum(start == 0 for start in windows) / len(windows) < 0.8
    assert statistics.fmean(one.score for one in shown) < 0.7


def test_the_same_seed_gives_the_same_demonstration():
    scripts = list(make_scripts({"PSS": 3}, 5, SMALL))
    one, again, other = (recorded(scripts, seed=seed) for seed in (1, 1, 2))
    assert [d.messages[2]["data"]["tool_calls"] for d in one] == [d.messages[2]["data"]["tool_calls"] for d in again]
    assert [d.messages[2]["data"]["tool_calls"] for d in one] != [d.messages[2]["data"]["tool_calls"] for d in other]


class Thorough(RandomExplorationMaster):
    """A demonstrator that observes and hears every video once, then answers from the full evidence."""

    def _turn(self, reading, rng):
        if reading.turn:
            return super()._turn(reading, random.Random(0)) if reading.missing else self._answered(reading)
        windows = [{"video": c.number, "start_s": 0.0, "end_s": c.duration_s} for c in reading.readable]
        calls = [{"name": "observe", "args": {"targets": [{**w, "frames": 32} for w in windows]}, "id": "o"}]
        calls += [{"name": "listen", "args": window, "id": f"l{n}"} for n, window in enumerate(windows)]
        return AIMessage("", tool_calls=calls)

    def _answered(self, reading):
        worked = reasoning_trace_of(reading, random.Random(0))
        value = list(worked.value) if isinstance(worked.value, tuple) else worked.value
        return AIMessage(worked.text, tool_calls=[{"name": "answer", "args": {"value": value}, "id": "a"}])


@pytest.mark.parametrize(("task", "least"), [("BU", 0.95), ("PEA", 0.95), ("PSS", 0.95), ("FSA", 0.6), ("NUM", 0.95)])
def test_full_evidence_gives_the_right_answer(task, least):
    scripts = list(make_scripts({task: 20}, 300))

    async def run():
        perception = ScriptedPerception(ScriptLibrary.of(scripts))
        return [one async for one in demonstrate(Thorough(), perception, scripts, CVRContext())]

    assert statistics.fmean(one.score for one in asyncio.run(run())) >= least


def test_missing_evidence_appears_as_a_question_mark():
    script = make_script("NUM", 3, SMALL)
    thing = script.question.rpartition(" the ")[2]
    brief = (
        f'Question: {script.question}\nAnswer format (number): a number\nVideos:\n1. "room 1": 9.0 s, 640x360, sound'
    )
    reading = read([SystemMessage("s"), HumanMessage(brief)])
    worked = reasoning_trace_of(reading, random.Random(0))
    assert worked.notes.endswith(": ? ?.") and worked.notes.split(":")[0] in script.question and thing
    assert 1 <= worked.value <= 40 and worked.support == []


# The initialization.


def test_an_untrained_model_is_determined_by_its_seed(form):
    one, again, other = (untrained(form.tokenizer, seed, Size()) for seed in (1, 1, 2))
    assert 5e5 < one.num_parameters() < 2e6
    assert len(one.model.layers) == Size().layers
    for a, b in zip(one.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_an_untrained_model_predicts_only_repeated_context(form):
    """In a random sequence that occurs twice, the model predicts tokens of the second half only, from the first."""
    once = torch.randperm(len(form.tokenizer), generator=torch.Generator().manual_seed(3))[:60]
    ids = torch.cat([once, once])[None]
    with torch.no_grad():
        said = [untrained(form.tokenizer, seed, Size()).eval()(ids).logits[0].argmax(-1) for seed in range(4)]
    assert statistics.fmean((one[60:-1] == ids[0, 61:]).float().mean().item() for one in said) > 0.3
    assert max((one[:59] == ids[0, 1:60]).float().mean().item() for one in said) < 0.1


def test_batches_have_rows_of_similar_length():
    lines = [f"{'x' * (n % 50)}\n" for n in range(400)]
    order = list(batched_by_length(lines, 8, random.Random(0)))
    assert sorted(order) == sorted(lines)
    spread = [max(map(len, order[n : n + 8])) - min(map(len, order[n : n + 8])) for n in range(0, 400, 8)]
    assert max(spread) <= 2
    assert order != sorted(order, key=len)


def test_curricula_are_interleaved_evenly():
    assert "".join(interleaved(["abcdef", "xyz"])) == "axbcydezf"


# The evaluation.


async def test_the_blind_baseline_receives_no_evidence():
    script = make_script("CC", 0)
    whole = ScriptedPerception(ScriptLibrary.of([script]))
    cut = BlindPerception(whole)
    info = await cut.probe(script.video(1), 1)
    assert info == await whole.probe(script.video(1), 1)
    from agentcvr_graph.types import Listen, Observe, Target, Window

    looked = await cut.observe(Observe(targets=(Target(video=1, start_s=0, end_s=9, frames=9),)), [info])
    heard = await cut.listen(Listen(window=Window(video=1, start_s=0, end_s=9)), [info])
    assert looked.evidence == heard.evidence == ()


def test_the_chance_level_equals_the_hand_calculation():
    assert chance_level([make_script("PEA", 0)]) == pytest.approx(1 / 3)
    assert chance_level([make_script("BU", 0)]) == pytest.approx(1 / 15)
    assert chance_level([make_script("PSS", 0), make_script("PEA", 0)]) == pytest.approx((1 / 24 + 1 / 3) / 2)
    assert 0 < chance_level(list(make_scripts({"FSA": 50}))) < 0.1
    assert 0 <= chance_level(list(make_scripts({"NUM": 200}))) < 0.06


def scored(script, score, turns=2):
    return ScoredQuestion(script=script, task=script[:2], score=score, turns=turns, frames=4, audio_s=1.5)


def test_the_summary_equals_the_hand_calculation():
    seeds = [
        Measures(
            seed=n,
            seconds={"warm start": 40.0, "reinforcement learning": 50.0},
            questions={
                "sft": [scored("a1", 0.0), scored("b1", 0.0)],
                "grpo": [scored("a1", 1.0, 3), scored("b1", n)],
                "live": [scored("b1", 1.0)],
            },
        )
        for n in (0, 1)
    ]
    found = summary(seeds, 0.25)
    assert found["seeds"] == [0, 1] and found["held_out"] == 2 and found["live_questions"] == 1
    assert found["accuracy"] == {"sft": 0.0, "grpo": 0.75, "scripted_live": 0.5, "live": 1.0}
    assert found["by_seed"]["grpo"] == [0.5, 1.0]
    assert found["by_task"]["grpo"] == {"a1": 1.0, "b1": 0.5}
    assert found["turns"]["grpo"] == 2.5
    assert found["minutes_a_seed"] == [1.5, 1.5]
    low, high = found["interval"]["grpo"]
    assert 0.5 <= low <= 0.75 <= high <= 1.0
    assert "| after GRPO | 75.0 (" in table(found)
    assert json.loads(json.dumps(found)) == found
    seeds[1].questions.pop("live")
    assert set(summary(seeds, 0.25)["accuracy"]) == {"sft", "grpo"}, "only conditions that every seed has"


def test_measures_are_equal_after_writing_and_reading(tmp_path):
    kept = Measures(seed=3, questions={"sft": [scored("a1", 0.5)]})
    kept.write(tmp_path / "deep" / "m.json")
    assert Measures.read(tmp_path / "deep" / "m.json") == kept


def test_seeds_of_another_recipe_are_excluded(tmp_path):
    for seed, recipe in ((0, "new"), (1, "old"), (2, "new")):
        Measures(seed=seed, recipe=recipe).write(tmp_path / f"seed-{seed}.json")
    assert [one.seed for one in measured_alike(tmp_path, "new")] == [0, 2]


def test_the_recipe_id_depends_on_the_configuration_and_not_on_the_seed(tmp_path):
    config = Path("training/recipes/tiny/configs/tiny.yaml")
    one, other = (settings_of(config, tmp_path / name, seed) for seed, name in enumerate("ab"))
    assert one.scripts.seed != other.scripts.seed and recipe_of(one, Scale()) == recipe_of(other, Scale())
    harder = load_settings(config, {"graph.max_turns": 4})
    larger = (Scale(demonstrations=2.0), Scale(Size(width=256)))
    assert recipe_of(harder, Scale()) != recipe_of(one, Scale())
    assert all(recipe_of(one, scale) != recipe_of(one, Scale()) for scale in larger)


def test_a_run_of_another_recipe_is_not_resumed(tmp_path):
    settings = settings_of(Path("training/recipes/tiny/configs/tiny.yaml"), tmp_path, 0)
    Measures(seed=0, recipe="older").write(tmp_path / "measures.json")
    with pytest.raises(InputError, match="another configuration"):
        run_seed(settings, Scale(), 0, Console(file=io.StringIO()))


def recorded_stage(stage, each=4):
    settings = settings_of(Path("training/recipes/tiny/configs/tiny.yaml"), Path("runs/none"), 0)
    exact = settings.rollout.model_copy(update={"noise": "off"})
    settings = settings.model_copy(update={"rollout": exact})
    lines = record_chunk(Chunk(settings, stage, 70, each))
    return [Demonstration.model_validate_json(line) for line in lines]


def test_demonstrations_from_full_evidence_imitate_answers_only():
    assert {one.imitated_from for one in recorded_stage(EXPLORATION[0])} == {0}
    for one in recorded_stage(READING[0]):
        turns = [message for message in one.conversation() if isinstance(message, AIMessage)]
        assert {call["name"] for turn in turns[: one.imitated_from] for call in turn.tool_calls} <= {
            "observe",
            "listen",
        }
        assert {call["name"] for turn in turns[one.imitated_from :] for call in turn.tool_calls} == {"answer"}


def solved(script, question):
    """Return the solver's answer to another question about a script; None if no scene mentions its subject."""
    try:
        return GENERATORS[script.task].solve(script.model_copy(update={"question": question}))
    except StopIteration:
        return None


def test_follow_up_questions_use_the_same_evidence():
    """The solvers, which read the script, give the expected answers; observation noise is off."""
    follow_ups = Counter()
    for one in recorded_stage(READING[2], each=16):
        task, seed = one.script_id.split("-")
        script = make_script(task.upper(), int(seed), READING[2].difficulty)
        messages = one.conversation()
        questions = [message.text for message in messages if message.text.startswith("Question: ")][1:]
        turns = [message for message in messages if isinstance(message, AIMessage)][one.imitated_from + 1 :]
        follow_ups[script.task] += len(questions)
        for question, turn in zip(questions, turns, strict=True):
            given, key = turn.tool_calls[0]["args"]["value"], solved(script, question.removeprefix("Question: "))
            if script.task == "BU":
                # For a video that does not show both events, the notes leave the order open.
                assert set(key) <= set(given)
            elif key is not None and "?" not in turn.text:  # eight frames may miss an object
                assert score_answer(script.kind, parse_answer(given, script.kind, (), 2).value, key) > 0.6
    assert follow_ups["PEA"] == follow_ups["PSS"] == 0
    assert min(follow_ups["BU"], follow_ups["FSA"], follow_ups["NUM"]) > 5


def test_a_round_starts_from_the_warm_start_of_an_earlier_one(tmp_path):
    settings = settings_of(
        Path("training/recipes/tiny/configs/tiny.yaml"), tmp_path / "second" / "seed-0", 0, {"scripts.tasks": ["NUM"]}
    )
    folder = Path(settings.output)
    scale = Scale(first=tmp_path / "first")
    with pytest.raises(InputError, match=r"There is no policy in .*first/seed-0/warm"):
        warm_up(settings, scale, Console(file=io.StringIO()))
    assert not folder.exists()  # no demonstrations were made for a round that cannot begin
    for made in ("demonstrations.jsonl", "warm"):
        (folder / made).mkdir(parents=True)
    earlier = tmp_path / "first" / "seed-0" / "warm"
    earlier.mkdir(parents=True)
    (earlier / "model.safetensors").write_bytes(b"weights")
    warm_up(settings, scale, Console(file=io.StringIO()))
    assert (folder / "initial" / "model.safetensors").read_bytes() == b"weights"


def test_the_best_seed_gives_its_curves_and_is_released(tmp_path, monkeypatch):
    """Seed 1 answers everything, seed 0 nothing."""

    def run(settings, scale, live, console):
        folder = Path(settings.output)
        for name in (*(f"policy/{file}" for file in command.RELEASED), "grpo.png", "trajectories/step-1/a.html"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"seed {settings.seed}")
        one = ScoredQuestion(script="a", task="NUM", score=settings.seed, turns=1, frames=1, audio_s=1.0)
        return Measures(seed=settings.seed, recipe=recipe_of(settings, scale), questions={"grpo": [one]})

    released, results = tmp_path / "tiny", tmp_path / "results"
    released.mkdir()
    monkeypatch.setattr(command, "run_seed", run)
    monkeypatch.setattr(command, "TINY", released)
    command.main(seeds=[0, 1], folder=tmp_path / "runs", results=results)
    assert {path.name: path.read_text() for path in results.iterdir() if path.suffix != ".json"} == {
        "grpo.png": "seed 1",
        "trajectory.html": "seed 1",
    }
    assert not list(released.iterdir())
    command.main(seeds=[0], folder=tmp_path / "runs", results=results, release=True)
    assert (results / "grpo.png").read_text() == "seed 1"
    assert {path.name: path.read_text() for path in released.iterdir()} == dict.fromkeys(command.RELEASED, "seed 1")
    with pytest.raises(InputError, match=r"The best seed has no policy in .*seed-1/policy"):
        command.main(seeds=[0], folder=tmp_path / "other", results=results, release=True)
