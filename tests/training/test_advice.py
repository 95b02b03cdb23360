"""The advice of an error works: cause the error, follow its words, and the same command goes through."""

from __future__ import annotations

import re
import shlex

import pytest
from agentcvr_training.config.checks import check
from agentcvr_training.config.settings import load_settings
from agentcvr_training.trainer.checkpoints import RESUME_HINT, WHOLE, restart_hint
from agentcvr_training.trainer.run import open_folder

from agentcvr_graph.errors import SetupError
from tests.support.tiny_models import FORGETS_THOUGHTS, PLAIN
from tests.support.tiny_runs import command, write_settings


def error_of(arguments, monkeypatch, capsys):
    """Return the one line of a command that fails."""
    capsys.readouterr()
    assert command(arguments, monkeypatch) in (1, 2)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    return line


def options(*changes):
    return [word for change in changes for word in ("--set", change)]


FOLLOWED = {
    # What is wrong, what the error advises, and that advice as options.
    "groups": (
        ["grpo.trainer.num_generations=3"],
        "Set grpo.trainer.num_generations to 2 or 4 or 8, or change the batch with per_device_train_batch_size",
        [["grpo.trainer.num_generations=2"], ["grpo.trainer.per_device_train_batch_size=9"]],
    ),
    "a strategy of checkpoints": (
        ["grpo.trainer.save_strategy=epoch"],
        "Set it to steps, with grpo.trainer.save_steps, or to 'no'.",
        [["grpo.trainer.save_strategy=steps", "grpo.trainer.save_steps=1"], ["grpo.trainer.save_strategy='no'"]],
    ),
    "one checkpoint": (["grpo.trainer.save_total_limit=1"], "Set 2 or more.", [["grpo.trainer.save_total_limit=2"]]),
    "parts of a step": (
        ["grpo.trainer.gradient_accumulation_steps=2", "grpo.trainer.steps_per_generation=1"],
        "Set a multiple of gradient_accumulation_steps.",
        [["grpo.trainer.steps_per_generation=4"]],
    ),
    "between two steps": (
        ["grpo.trainer.num_iterations=2", "grpo.trainer.save_steps=3"],
        "Set a multiple of 2.",
        [["grpo.trainer.save_steps=2"]],
    ),
    "a key of ours": (["grpo.trainer.temperature=0.7"], "Set 'rollout.temperature' instead.", None),
    "a fixed setting": (["grpo.trainer.save_only_model=true"], "Leave it out.", None),
    "no groups": (
        ["grpo.trainer.max_steps=-1", "scripts.each=1", "grpo.trainer.num_train_epochs=0.5"],
        "Give more scripts, a smaller batch, or grpo.trainer.max_steps.",
        [
            ["scripts.each=4"],
            ["grpo.trainer.per_device_train_batch_size=4"],
            ["grpo.trainer.max_steps=2"],
        ],
    ),
    "no scripts": (
        ["scripts.tasks=[]"],
        "Give `library: FILE`, or `tasks:` and `each:`; the tasks are ",
        [["scripts.tasks=[CC]", "scripts.each=5"]],
    ),
    "shared scripts": (
        ["held_out.tasks=[CC]", "held_out.each=2"],
        "Give held_out another seed or another library.",
        [["held_out.seed=900"]],
    ),
    "no room": (
        ["rollout.max_length=64"],
        "Set more, or `graph: {dialect: json}` where the tools take most of it.",
        [["rollout.max_length=700"]],
    ),
    "positions": (["rollout.max_length=65536"], "Set 32768 or less.", [["rollout.max_length=32768"]]),
    "modules": (
        ["model.lora.targets=[q_prj]"],
        "Its linear modules are down_proj, gate_proj, k_proj, lm_head, o_proj, q_proj, up_proj, v_proj; `all-linear`",
        [["model.lora.targets=[q_proj]"], ["model.lora.targets=all-linear"]],
    ),
    "an import path": (
        ["tools=agentcvr_graph.tools"],
        "Write it as package.module:name.",
        [["tools=agentcvr_graph.tools:TOOLS"]],
    ),
    "no list of tools": (
        ["tools=agentcvr_graph.tools:Toolset"],
        "Write it as MY_TOOLS = [*agentcvr_graph.tools.TOOLS, MY_TOOL].",
        [["tools=agentcvr_graph.tools:TOOLS"]],
    ),
    "a dialect": (["graph.dialect=schema"], "Choose auto, tools or json;", [["graph.dialect=json"]]),
    "a value": (["grpo.trainer.max_steps"], "Write it as grpo.trainer.max_steps=10.", None),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_configuration_that_follows_the_advice_is_accepted(name, speaker, tmp_path, monkeypatch, capsys):
    wrong, advice, mends = FOLLOWED[name]
    path = write_settings(speaker, tmp_path / "run")
    assert advice in error_of(["dry-run", path, *options(*wrong)], monkeypatch, capsys)
    # Advice without options of its own: another key in place of the wrong one, or the wrong one left out.
    other = {
        "a key of ours": ["rollout.temperature=0.7"],
        "a fixed setting": [],
        "a value": ["grpo.trainer.max_steps=10"],
    }
    for mend in [other[name]] if mends is None else [[*wrong, *mend] for mend in mends]:
        assert command(["dry-run", path, *options(*mend)], monkeypatch) == 0, capsys.readouterr().err


def test_a_chat_template_is_replaced_as_advised(speaker, tmp_path, monkeypatch, capsys):
    (tmp_path / "forgets.jinja").write_text(FORGETS_THOUGHTS)
    (tmp_path / "plain.jinja").write_text(PLAIN)
    path = write_settings(speaker, tmp_path / "run", rollout__max_length=20000)
    wrong = options(f"model.chat_template={tmp_path / 'forgets.jinja'}")
    found = re.search(r"--set model\.chat_template=FILE", error_of(["dry-run", path, *wrong], monkeypatch, capsys))
    advised = shlex.split(found[0].replace("FILE", str(tmp_path / "plain.jinja")))
    assert command(["dry-run", path, *advised], monkeypatch) == 0, capsys.readouterr().err


def test_the_dialect_json_makes_room_where_tools_took_it(speaker, tmp_path, monkeypatch, capsys):
    """The template of this model lists whole schemas of the tools; the dialect has signatures."""
    template = tmp_path / "schemas.jinja"
    template.write_text("{{ tools | tojson if tools else '' }}" + PLAIN)
    path = write_settings(speaker, tmp_path / "run", model__chat_template=str(template), rollout__max_length=20000)
    tokens = {
        name: check(load_settings(path, {"graph.dialect": name})).first_prompt_tokens for name in ("json", "tools")
    }
    between = f"rollout.max_length={(tokens['json'] + tokens['tools']) // 2}"
    wrong = ["dry-run", path, *options(between, "graph.dialect=tools")]
    assert "`graph: {dialect: json}`" in error_of(wrong, monkeypatch, capsys)
    advised = options(between, "graph={dialect: json}")
    assert command(["dry-run", path, *advised], monkeypatch) == 0, capsys.readouterr().err


def test_a_run_with_other_settings_is_continued_in_the_three_ways_that_are_advised(
    speaker, tmp_path, monkeypatch, capsys
):
    output = tmp_path / "run"
    path = write_settings(speaker, output, grpo__trainer__max_steps=2)
    assert command(["grpo", path], monkeypatch) == 0
    wrong = error_of(["grpo", path, "--set", "seed=1"], monkeypatch, capsys)
    assert "Give another `output`, remove that folder, or set it back." in wrong
    assert command(["grpo", path, *options("seed=1", f"output={tmp_path / 'other'}")], monkeypatch) == 0
    assert command(["grpo", path, *options("seed=0")], monkeypatch) == 0
    (folder,) = re.findall(rf"{re.escape(str(output))}\S*", wrong)[:1]
    for file in sorted(output.parent.joinpath(folder).rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    assert command(["grpo", path, *options("seed=1")], monkeypatch) == 0, capsys.readouterr().err


def test_the_node_that_the_policy_is_asked_at_can_be_trained_on(speaker, tmp_path, monkeypatch, capsys):
    path = write_settings(speaker, tmp_path / "run", grpo__trainer__max_steps=2)
    wrong = error_of(["grpo", path, "--set", "rollout.train_on=[mastr]"], monkeypatch, capsys)
    (nodes,) = re.findall(r"The policy is asked at: (.*)\.$", wrong)
    assert command(["grpo", path, "--set", f"rollout.train_on=[{nodes}]"], monkeypatch) == 0, capsys.readouterr().err


class Arguments:
    learning_rate = 3e-7

    def __init__(self, folder):
        self.output_dir = str(folder)


def test_the_restart_hint_can_be_pasted_into_a_shell(tmp_path):
    folder = tmp_path / "my run" / "grpo"
    (folder / "checkpoint-4").mkdir(parents=True)
    (folder / "checkpoint-4" / WHOLE).touch()
    words = shlex.split(restart_hint(Arguments(folder)))
    assert words[words.index("--set") :] == options(
        "grpo.trainer.learning_rate=1e-07",
        f"output={tmp_path / 'my run'}-restarted",
        f"model.path={folder / 'checkpoint-4'}",
    )


def test_what_is_in_the_way_is_not_answered_with_more_room(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="Name another folder, or move what is in the way") as caught:
        open_folder(tmp_path / "file")
    assert RESUME_HINT not in str(caught.value)
    assert open_folder(tmp_path / "other").is_dir()
