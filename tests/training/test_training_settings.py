"""Every key of a configuration is validated, and an error is reported in one line."""

from __future__ import annotations

import pytest
import yaml
from agentcvr_training.config.settings import Scripts, load_settings, read_overrides
from agentcvr_training.config.trainer_settings import grpo_config, reporters, sft_config
from agentcvr_training.rollout.trl_rollout import reward_functions
from agentcvr_training.trainer.data_order import groups_a_batch, script_order, steps_a_batch

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.generators.procedural import make_script
from tests.support.tiny_runs import command, settings_of


def loaded(tmp_path, overrides=None, **changes):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings_of(tmp_path / "model", tmp_path / "run", **changes)))
    return load_settings(path, overrides)


WRONG = {
    "unknown part": (
        {"modle": {}},
        "there is no key 'modle'; did you mean 'model'? (known are features, graph, grpo, held_out",
    ),
    "unknown key": ({"rollout.temprature": 1}, "there is no key 'rollout.temprature'; did you mean 'temperature'?"),
    "unknown key two parts down": (
        {"model.lora": {"rnk": 3}},
        "there is no key 'model.lora.rnk'; did you mean 'rank'?",
    ),
    "unknown setting": ({"graph.max_turn": 3}, "there is no key 'graph.max_turn'; did you mean 'max_turns'?"),
    "unknown key of TRL": (
        {"grpo.trainer.learning_rat": 1},
        "there is no key 'grpo.trainer.learning_rat'; did you mean 'learning_rate'? (there are ",
    ),
    "a word for a number": ({"seed": "one"}, "seed: Input should be a valid integer, unable to parse"),
    "a word for a number of turns": (
        {"graph.max_turns": "many"},
        "setting 'max_turns' cannot be 'many'. Give a whole",
    ),
    "a number out of range": (
        {"graph.max_turns": 0},
        "setting 'max_turns' cannot be 0. Give a whole",
    ),
    "a word for a number of TRL": (
        {"grpo.trainer.learning_rate": "fast"},
        "grpo.trainer.learning_rate: Input should be a valid number, unable to parse string as a number (it is 'fast')",
    ),
    "a list for a number of TRL": ({"grpo.trainer.max_steps": [3]}, "grpo.trainer.max_steps: Input should be a valid"),
    "a list for a part": ({"model": [1]}, "model: Input should be a valid dictionary or instance of Model (it is [1])"),
    "nothing for a part": ({"model": None}, "model: Input should be a valid dictionary or instance of Model"),
    "a missing key": ({"model": {"dtype": "float32"}}, "the key 'model.path' is missing."),
    "another precision": ({"model.dtype": "float16"}, "model.dtype: Input should be 'float32' or 'bfloat16'"),
    "an unknown task": ({"scripts.tasks": ["XX"]}, "scripts.tasks.0: Input should be 'BU', "),
    "no temperature": ({"rollout.temperature": 0}, "rollout.temperature: Input should be greater than 0 (it is 0)."),
    "no node": ({"rollout.train_on": []}, "rollout.train_on: Tuple should have at least 1 item"),
    "an unknown difficulty setting": (
        {"scripts.difficulty_settings": {"scenez": 6}},
        "config.yaml: scripts.difficulty_settings: There is no difficulty setting 'scenez'. Choose from: videos, ",
    ),
    "a difficulty of a library": (
        {"scripts": {"library": "none.jsonl", "difficulty_settings": {"videos": 1}}},
        "config.yaml: scripts.difficulty_settings: The difficulty videos=1 is outside 2 to 8.",
    ),
    "a reward for a confidence that cannot be stated": (
        {"reward.preset": "calibrated"},
        "config.yaml: the reward `brier` has the weight 0.5, and no answer can state a confidence. Add `features: ",
    ),
    "an unknown preset": (
        {"reward.preset": "mine"},
        "reward.preset: Input should be 'default', 'paper', 'answer' or 'calibrated'",
    ),
    "an unknown reward": ({"reward.weights": {"beauty": 1}}, "Input should be 'answer', 'format', 'grounding'"),
    "TRL's name for ours": ({"grpo.trainer.seed": 3}, "grpo.trainer.seed does not belong here. Set 'seed' instead."),
    "no effect": (
        {"grpo.trainer.generation_kwargs": {}},
        "grpo.trainer.generation_kwargs={} cannot be set here: the trainer sets it.",
    ),
    "of ours": ({"grpo.trainer.top_k": 3}, "grpo.trainer.top_k does not belong here. Set 'rollout.top_k' instead."),
    "what TRL refuses": ({"grpo.trainer.num_generations": 1}, "GRPO requires at least 2 generations per prompt"),
    "a mask": (
        {"graph": {"dialect": "schema"}},
        "graph: dialect='schema' is for inference: a mask changes what is sampled",
    ),
    "two sizes": (
        {"grpo.trainer.generation_batch_size": 8, "grpo.trainer.steps_per_generation": 1},
        "can not be both configured at the same time",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_invalid_configuration_is_a_one_line_error(name, tmp_path, monkeypatch, capsys):
    changes, complaint = WRONG[name]
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings_of(tmp_path / "model", tmp_path / "run", **changes)))
    assert command(["grpo", path], monkeypatch) == 2
    (reported,) = capsys.readouterr().err.splitlines()
    assert reported.startswith("error: ")
    assert complaint in reported
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "holds no keys. See the shipped ones: agentcvr train grpo --help."),
        (b"- 1\n", "holds no keys."),
        (b"a: [1\n", "is not YAML: "),
        (b"a: \xff\n", "is not YAML: "),
    ],
)
def test_a_file_that_is_not_a_configuration_raises_input_error(content, complaint, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_settings(path)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_scripts_that_are_left_out_are_counted(tmp_path, caplog):
    """Two scripts, one of them twice, and a line that is none."""
    first, second = (make_script("SPOT", number).model_dump_json() for number in range(2))
    path = tmp_path / "worlds.jsonl"
    path.write_text("\n".join([first, second, first, '{"bad": 1}']))
    assert [script.id for script in Scripts(library=str(path)).load()] == ["spot-000000", "spot-000001"]
    assert caplog.messages == [
        f"2 scripts in {path} cannot be used and are left out. See what is wrong with: agentcvr scripts check {path}"
    ]


def test_command_line_values_override_the_file(tmp_path):
    given = ["seed=7", "grpo.trainer.learning_rate=1e-5", "held_out.each=3", "held_out.tasks=[CC]", "model.lora.rank=4"]
    settings = loaded(tmp_path, read_overrides(given), held_out=None)
    assert (settings.seed, settings.held_out.each, settings.held_out.tasks) == (7, 3, ("CC",))
    assert settings.model.lora.rank == 4
    arguments = grpo_config(settings)
    assert (arguments.seed, arguments.learning_rate) == (7, 1e-5)  # YAML reads 1e-5 as a string


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("seed", "--set 'seed' is not NAME=VALUE. Write it as grpo.trainer.max_steps=10."),
        ("seed=[", "--set 'seed=[': the value is not YAML:"),
    ],
)
def test_a_malformed_override_raises_input_error(given, complaint):
    with pytest.raises(InputError) as caught:
        read_overrides([given])
    assert complaint in str(caught.value)


def test_settings_are_passed_to_trl(tmp_path):
    settings = loaded(
        tmp_path,
        rollout__temperature=0.8,
        rollout__top_p=0.9,
        graph__max_frames=33,
        held_out={"tasks": ["CC"], "each": 1, "seed": 99},
        grpo__trainer__loss_type="grpo",
        model__dtype="bfloat16",
    )
    arguments = grpo_config(settings)
    assert arguments.temperature == 0.8
    assert arguments.loss_type == "grpo"
    assert arguments.bf16 is True
    assert arguments.eval_strategy.value == "steps"
    assert (arguments.num_generations, arguments.generation_batch_size) == (4, 8)
    assert settings.context.max_frames == 33
    assert settings.rollout.held_out_temperature == 0
    assert arguments.output_dir == str(tmp_path / "run" / "grpo")
    assert grpo_config(loaded(tmp_path)).eval_strategy.value == "no"
    warm = sft_config(loaded(tmp_path, sft={"demonstrations": "x", "trainer": {"learning_rate": "2e-4"}}))
    assert (warm.learning_rate, warm.packing, warm.max_length) == (2e-4, False, 700)


@pytest.mark.parametrize(
    ("reward", "weights"),
    [
        ({}, (1.0, 0.1, 0.2, 0.1, 0.0)),
        ({"preset": "paper"}, (1.0, 0.1, 0.0, 0.0, 0.0)),
        ({"preset": "answer"}, (1.0, 0.0, 0.0, 0.0, 0.0)),
        ({"preset": "calibrated"}, (1.0, 0.1, 0.2, 0.1, 0.5)),
        ({"weights": {"answer": 2.0, "economy": 0.5}}, (2.0, 0.0, 0.0, 0.5, 0.0)),
    ],
)
def test_reward_presets_and_weights_are_passed_to_the_trainer(reward, weights, tmp_path):
    found = loaded(tmp_path, reward=reward, features=["confidence"]).reward.resolve()
    assert found == dict(zip(("answer", "format", "grounding", "economy", "brier"), weights, strict=True))
    functions, numbers = reward_functions(found)
    assert {function.__name__: number for function, number in zip(functions, numbers, strict=True)} == found


def ordered(tmp_path, ids, **trainer):
    changes = {f"grpo__trainer__{name}": value for name, value in trainer.items()}
    return script_order(ids, grpo_config(loaded(tmp_path, **changes)))


def test_every_pass_uses_each_script_once(tmp_path):
    ids = ["a", "b", "c", "d", "e"]
    order = ordered(tmp_path, ids, max_steps=8)  # two scripts per step
    assert len(order) == 16
    passes = [order[n : n + 5] for n in (0, 5, 10)]
    assert all(sorted(one) == ids for one in passes)
    assert len({tuple(one) for one in passes}) == 3
    assert ordered(tmp_path, ids, max_steps=2) == order[:4]  # a shorter run is a prefix
    assert ordered(tmp_path, ids, max_steps=8, shuffle_dataset=False) == (ids * 4)[:16]
    # Two passes of five make five full batches of two.
    assert sorted(ordered(tmp_path, ids, max_steps=-1, num_train_epochs=2)) == sorted(ids * 2)


def test_one_batch_can_be_used_for_several_steps(tmp_path):
    arguments = grpo_config(
        loaded(
            tmp_path,
            grpo__trainer__num_iterations=2,
            grpo__trainer__steps_per_generation=2,
            grpo__trainer__save_steps=4,
        )
    )
    assert groups_a_batch(arguments) == 4
    assert steps_a_batch(arguments) == 4
    assert len(script_order(["a"], arguments)) == 4  # one batch for the four steps of the run


def test_metrics_go_to_the_installed_reporters(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if name != "trackio" else None)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert reporters() == ["tensorboard"]
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert reporters() == ["tensorboard", "wandb"]
