"""Demonstrations: record them from any master, read them back, and convert them to the row of a policy's rollout."""

from __future__ import annotations

import json

import pytest
from agentcvr_training import demonstrations
from agentcvr_training.demonstrations import demonstrate, read_demonstrations
from agentcvr_training.inference.base import Sampled
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.episodes import RolloutRunner, RolloutTask
from agentcvr_training.rollout.policy import PolicyChatModel
from agentcvr_training.sft import rows_of
from langchain_core.messages import AIMessage

from agentcvr_graph import CVRContext
from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.models.chat_base import ChatModelBase
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.extraction.questions import jobs_of, write_questions
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary, write_scripts
from agentcvr_graph.utils.jsonl_log import exclusive_writer
from tests.support.question_author import QuestionAuthor, kitchen_videos
from tests.support.tiny_models import PLAIN, WITHOUT_TOOLS, tokenizer
from tests.support.tiny_runs import command, write_settings

SCRIPTS = list(make_scripts({"CC": 1, "FSA": 1, "PSS": 1}))
PERCEPTION = ScriptedPerception(ScriptLibrary.of(SCRIPTS))


class Echo:
    """An engine that replays the turns of a demonstration."""

    def __init__(self, form, demonstration):
        self.turns = [
            form.turn_ids(message) for message in demonstration.conversation() if isinstance(message, AIMessage)
        ]

    async def sample(self, call):
        ids = self.turns.pop(0)
        return Sampled(ids, [0.0] * len(ids))

    def release(self, session):
        pass


class Broken(ChatModelBase):
    """A master whose server is down."""

    def _reply(self, request):
        raise InfrastructureError("nobody is there")


@pytest.mark.parametrize("template", [PLAIN, WITHOUT_TOOLS])
@pytest.mark.parametrize("dialect", ["tools", "json"])
async def test_a_demonstration_becomes_the_row_of_a_policy_with_the_same_turns(template, dialect):
    form, context = ChatFormat(tokenizer(template)), CVRContext(dialect=dialect)
    by_id = {script.id: script for script in SCRIPTS}
    async for shown in demonstrate(resolve_chat_model("offline"), PERCEPTION, SCRIPTS, context):
        policy = PolicyChatModel(engine=Echo(form, shown), form=form, max_length=100_000)
        (episode,) = await RolloutRunner(policy, PERCEPTION, context, strict=True).run(
            [RolloutTask(by_id[shown.script_id], 0)]
        )
        (row,) = rows_of([shown], form, context)
        assert row.ids == episode.rows[0].ids
        assert row.mask == episode.rows[0].mask
        assert shown.score == episode.reward["answer"]


async def test_questions_about_extracted_videos_give_demonstrations(tmp_path):
    jobs = jobs_of({"CC": 1, "PSS": 1}, 0, "own")
    await write_questions(jobs, kitchen_videos(), QuestionAuthor(), tmp_path / "own.jsonl")
    library = ScriptLibrary(tmp_path / "own.jsonl")
    scripts = list(library)
    context = CVRContext(max_turns=3)
    master = resolve_chat_model("offline")
    found = [one async for one in demonstrate(master, ScriptedPerception(library), scripts, context)]
    assert sorted(one.script_id for one in found) == ["cc-own-000000", "pss-own-000000"]
    assert all(any("Step" in str(message) for message in one.messages) for one in found)


async def test_an_infrastructure_error_yields_no_demonstration():
    context = CVRContext(dialect="json")
    scripts = SCRIPTS[:1]
    assert [one async for one in demonstrate(Broken(), PERCEPTION, scripts, context)] == [None]


def test_an_interrupted_recording_resumes(tmp_path, monkeypatch, capsys):
    path = tmp_path / "new" / "shown.jsonl"
    arguments = ["--task", "CC", "-t", "fsa", "--each", 3, "--seed", 40, "--out", path]
    assert command(["demonstrate", *arguments], monkeypatch) == 0
    assert capsys.readouterr().out == f"6 demonstrations: {path}\n"
    whole = path.read_text()
    names = [json.loads(line)["script_id"] for line in whole.splitlines()]
    assert sorted(names) == [f"{task}-{n:06d}" for task in ("cc", "fsa") for n in (40, 41, 42)]

    lines = whole.splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:50])  # killed while it wrote the fourth line
    assert command(["demonstrate", *arguments], monkeypatch) == 0
    again = path.read_text()
    assert again.startswith("".join(lines[:3]))
    assert sorted(json.loads(line)["script_id"] for line in again.splitlines()) == sorted(names)
    assert command(["demonstrate", *arguments], monkeypatch) == 0
    assert path.read_text() == again
    assert all(one.score == 1 for one in read_demonstrations(path) if one.script_id.startswith("cc"))


def test_two_recordings_do_not_write_one_file(tmp_path, monkeypatch, capsys):
    path = tmp_path / "shown.jsonl"
    with exclusive_writer(path):
        assert command(["demonstrate", "--task", "CC", "--each", 1, "--out", path], monkeypatch) == 2
    assert f"{path}: another run is writing it." in capsys.readouterr().err
    assert not path.exists()


def test_scripts_and_graph_settings_are_read_from_the_configuration(tmp_path, monkeypatch):
    config = write_settings(tmp_path, tmp_path / "run", scripts={"tasks": ["NC"], "each": 2})
    path = tmp_path / "shown.jsonl"
    assert command(["demonstrate", config, "--out", path], monkeypatch) == 0
    found = list(read_demonstrations(path))
    assert {one.script_id for one in found} == {"nc-000000", "nc-000001"}
    assert {one.dialect for one in found} == {"json"}
    library = tmp_path / "scripts.jsonl"
    write_scripts(SCRIPTS[:1], library)
    more = [config, "--scripts", library, "--dialect", "tools", "--out", tmp_path / "more.jsonl"]
    assert command(["demonstrate", *more], monkeypatch) == 0
    (one,) = read_demonstrations(tmp_path / "more.jsonl")
    assert (one.script_id, one.dialect) == (SCRIPTS[0].id, "tools")


def test_an_unreachable_master_is_reported_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demonstrations, "resolve_chat_model", lambda spec: Broken())
    path = tmp_path / "shown.jsonl"
    arguments = ["--task", "CC", "--each", 60, "--dialect", "json", "--live-graphs", 2, "--out", path]
    assert command(["demonstrate", *arguments], monkeypatch) == 1
    reported = capsys.readouterr()
    assert f"0 demonstrations: {path}" in reported.out
    assert f"failed in {demonstrations.MOST_FAILURES}; the same command retries" in reported.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--task", "XX"], "Unknown --task 'XX'. Choose one of: BU, NC"),
        (["--task", "CC", "--difficulty", "mad"], "Unknown --difficulty 'mad'. Choose one of: easy, normal, hard."),
        (["--task", "CC", "--dialect", "xml"], "Unknown --dialect 'xml'. Choose one of: auto, tools, json."),
        (["--task", "CC", "--scripts", "a.jsonl"], "names a library (a.jsonl) and tasks. Give `library`, or `tasks`."),
        (["--scripts", "nowhere.jsonl"], "nowhere.jsonl: no such file or folder."),
        (["nowhere.yaml"], "The configuration nowhere.yaml cannot be read: No such file or directory."),
        ([], "The configuration names no scripts."),
        (["--task", "CC", "--master", "moon"], "moon"),
    ],
)
def test_invalid_input_prints_one_line_and_exits_with_status_2(arguments, complaint, tmp_path, monkeypatch, capsys):
    assert command(["demonstrate", "--out", tmp_path / "x.jsonl", *arguments], monkeypatch) == 2
    reported = capsys.readouterr().err.splitlines()
    assert len(reported) == 1
    assert complaint in reported[0]


def test_help_shows_examples(monkeypatch, capsys):
    assert command(["demonstrate", "--help"], monkeypatch) == 0
    assert "agentcvr train demonstrate minute --out" in capsys.readouterr().out
