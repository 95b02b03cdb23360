"""A tool fits in one file: this one adds `glance`, which no other file of the package defines.

The tool spends frames, waits for a reviewer, resumes under strict msgpack, runs on fakes, on scripts and in training
(rollouts, demonstrations and rows to imitate), and appears in the HTML report. `docs/how-to/extend.md` has the same
tool.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging

import pytest
from agentcvr_training.config.checks import check, check_settings
from agentcvr_training.config.settings import load_settings
from agentcvr_training.demonstrations import demonstrate, read_demonstrations, record
from agentcvr_training.inference.base import Sampled
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.episodes import RolloutRunner, RolloutTask
from agentcvr_training.rollout.policy import PolicyChatModel
from agentcvr_training.sft import rows_of
from langchain_core.messages import ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command
from markupsafe import escape
from pydantic import BaseModel, Field

from agentcvr_graph import CVRContext, Trajectory, Window, create_cvr_graph, retake, trajectory_of
from agentcvr_graph.demo import CLIPS_DIR
from agentcvr_graph.errors import ActionError, InputError, SetupError
from agentcvr_graph.graph.dialects import write_calls
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.base import ModelOutput
from agentcvr_graph.perception.live import LivePerception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.render import window_label
from agentcvr_graph.report import render_report
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn
from agentcvr_graph.tools import (
    ANSWER,
    OBSERVE,
    TOOLS,
    AnswerArgs,
    Features,
    ToolSchema,
    Toolset,
    ToolSpec,
    clip_window,
    find_video,
)
from agentcvr_graph.types import Cost, Evidence, Observe, Request, Target
from tests.support.tiny_models import model, tokenizer
from tests.support.tiny_runs import write_settings
from tests.training.test_demonstrations import Echo


class GlanceArgs(BaseModel):
    """Glance at a whole video: a few frames, evenly spread."""

    video: int = Field(description="Number of the video, from 1.")


class Glance(Request):
    window: Window
    frames: int

    @property
    def windows(self):
        return (self.window,)


def plan_glance(arguments, videos, budget):
    info = find_video(arguments.video, videos)
    window = Window(video=info.number, start_s=0, end_s=info.duration_s)
    frames = min(3, budget.frames_for_call)
    if frames == 0:
        raise ActionError("The frame budget is spent.")
    notes = () if frames == 3 else (f"Only {frames} frames: the budget ends there.",)
    return Glance(window=clip_window(window, videos, "visual"), frames=frames), notes


async def run_glance(request, perception, videos):
    target = Target(**request.window.model_dump(), frames=request.frames)
    return await perception.observe(Observe(targets=(target,)), videos)


GLANCE = ToolSpec(
    name="glance",
    arguments=GlanceArgs,
    hint="shows a few frames of a whole video.",
    request=Glance,
    modality="visual",
    node="visual_agent",
    plan=plan_glance,
    run=run_glance,
    cost=lambda request: Cost(frames=request.frames),
    to_arguments=lambda request: {"video": request.window.video},
)
WITH_GLANCE = [*TOOLS, GLANCE]


class FinishArgs(AnswerArgs):
    """Finish: give the answer and how sure it is."""

    sure: bool = Field(description="Whether the evidence suffices.")


FINISH = ToolSchema(name="finish", arguments=FinishArgs, hint="ends the question.")
GLANCE_AND_FINISH = [GLANCE, FINISH]
QUESTION = {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["the first", "the second"]}
CITED = {"video": 1, "start_s": 2.0, "end_s": 4.0, "modality": "visual"}


def glance(video, id=None):
    return {"name": "glance", "args": {"video": video}, "id": id}


def replies(output):
    return {m.tool_call_id: m.text for m in policy_messages(output) if isinstance(m, ToolMessage)}


async def run(turns, perception=None, context=None, given=QUESTION, tools=WITH_GLANCE):
    master = FakeMaster(turns=list(turns))
    graph = create_cvr_graph(master, perception or FakePerception(), tools=tools).compile()
    return await graph.ainvoke(given, context=context), master


async def test_a_custom_tool_is_offered_and_spends_frames():
    looks = turn("", glance(1, "x"), glance(2, "y"), glance(1, "z"))
    output, master = await run([looks, turn("", answer("A", "", [CITED]))], context=CVRContext(max_frames=4))
    assert "\n- glance: shows a few frames of a whole video.\n" in master.seen[0][0].text
    assert replies(output)["x"].startswith("seen: video 1, 0.0-60.0 s (3 frames)")
    assert "note: Only 1 frames" in replies(output)["y"] and "left: 11 turns, 0 frames" in replies(output)["y"]
    assert replies(output)["z"] == "error: The frame budget is spent."
    assert output["usage"].frames == 4 and len(output["answer"].citations) == 1


async def test_the_reply_to_a_turn_without_an_action_lists_the_custom_tool():
    output, _ = await run([turn("hm"), turn("", glance(1), glance(2, "y")), turn("", answer("A"))])
    assert policy_messages(output)[3].text == "That turn held no action. Call observe, listen, answer or glance."


async def test_a_custom_tool_runs_on_its_own_node():
    own = dataclasses.replace(GLANCE, node="glance_agent")
    master = FakeMaster(turns=[turn("", glance(1), glance(2, "y")), turn("", answer("A"))])
    app = create_cvr_graph(master, FakePerception(), tools=[own, ANSWER]).compile()
    assert "glance_agent" in app.get_graph().nodes and "visual_agent" not in app.get_graph().nodes
    events = [event async for event in app.astream(QUESTION, stream_mode="custom")]
    seen = [(event["stage"], event["text"]) for event in events if event["windows"] and event["event"] == "start"]
    assert sorted(seen) == [
        ("glance_agent", "running glance on video 1, 0.0-60.0 s"),
        ("glance_agent", "running glance on video 2, 0.0-60.0 s"),
    ]


async def test_a_custom_tool_waits_for_review_and_resumes_under_strict_msgpack(tmp_path, monkeypatch, caplog):
    # LANGGRAPH_STRICT_MSGPACK=true sets this when a process starts: only types that the graph's state names may load.
    monkeypatch.setattr("langgraph._internal._serde.STRICT_MSGPACK_ENABLED", True)
    config = {"configurable": {"thread_id": "t"}}
    context = CVRContext(review_above_frames=2, min_evidence=0)

    async def go_on(given, *turns):
        """Run the graph as another process would, sharing only the database."""
        async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "runs.sqlite")) as saver:
            saver.serde = JsonPlusSerializer(allowed_msgpack_modules=None)
            graph = create_cvr_graph(FakeMaster(turns=list(turns)), perception := FakePerception(), tools=WITH_GLANCE)
            return await graph.compile(checkpointer=saver).ainvoke(given, config, context=context), perception

    with caplog.at_level(logging.WARNING):
        output, perception = await go_on(QUESTION, turn("", glance(1)))
        (waiting,) = output["__interrupt__"]
        (action,) = waiting.value["action_requests"]
        assert action["args"] == {"video": 1} and action["name"] == "glance" and perception.requests == []
        assert action["description"] == "Approval needed: running glance on video 1, 0.0-60.0 s."
        edit = {"type": "edit", "edited_action": {"name": "glance", "args": {"video": 2}}}
        output, perception = await go_on(Command(resume={"decisions": [edit]}), turn("", answer("B")))
    assert [request.targets[0].video for request in perception.requests] == [2]
    assert output["answer"].value == "B" and output["usage"].frames == 3
    assert "deserializ" not in caplog.text.lower()  # neither blocked nor unregistered


async def test_a_run_can_be_retaken_with_a_custom_tool():
    config, context = {"configurable": {"thread_id": "t"}}, CVRContext(min_evidence=0)
    master = FakeMaster(turns=[turn("", observe((1, 0, 9, 8))), turn("", answer("A")), turn("", answer("B", id="e"))])
    app = create_cvr_graph(master, FakePerception(), tools=WITH_GLANCE).compile(checkpointer=InMemorySaver())
    await app.ainvoke(QUESTION, config, context=context)
    fork = await retake(app, config, turn=1, calls=[{"name": "glance", "args": {"video": 2}}], context=context)
    output = await app.ainvoke(None, fork, context=context)
    assert output["answer"].value == "B" and output["usage"].frames == 3


class FrameCounter:
    """A vision model that reports how many frames it received."""

    name = "frame-counter"

    async def look(self, sampled, focus):
        return ModelOutput(tuple(Evidence(text=f"{len(part.frames)} frames", window=part.window) for part in sampled))


async def test_a_custom_tool_runs_on_real_video(tmp_path):
    live = LivePerception(FrameCounter(), None, MediaLibrary(cache_dir=tmp_path))
    given = {"question": "What is it?", "videos": [str(CLIPS_DIR / "cook_red.mp4")]}
    output, _ = await run([turn("", glance(1)), turn("", answer("a cook"))], live, given=given)
    assert output["observations"][0].evidence[0].text == "3 frames" and output["usage"].frames == 3


async def test_a_custom_tool_runs_on_scripts_and_appears_in_the_report():
    script = bundled_library().get("cc-000001")
    turns = [turn("Where?", glance(1), glance(2, "b"), glance(3, "c")), turn("", answer("A"))]
    scripted, _ = await run(turns, ScriptedPerception(bundled_library()), given=as_input(script.as_question()))
    assert len(scripted["observations"]) == 3 and scripted["usage"].frames == 9
    page = render_report(trajectory_of(scripted))
    for observation in scripted["observations"]:
        (window,) = observation.windows
        assert f"Observed {window_label(window)}" in page
        assert str(escape(observation.evidence[0].text)) in page


def test_duplicate_tool_names_and_a_missing_answer_tool_are_refused():
    with pytest.raises(SetupError, match="same name"):
        Toolset([*TOOLS, OBSERVE])
    with pytest.raises(SetupError, match="No tool ends"):
        Toolset([OBSERVE, GLANCE])
    with pytest.raises(SetupError, match="'glance' ends the question, but its arguments are no AnswerArgs"):
        Toolset([ANSWER, ToolSchema(name="glance", arguments=GlanceArgs, hint="")])


def finish(value, **more):
    return {"name": "finish", "args": {"value": value, "sure": True, **more}, "id": None}


async def test_a_custom_tool_can_end_the_question():
    turns = [turn("", glance(1)), turn("", finish("A", sure="?")), turn("", glance(2), finish("A", citations=[CITED]))]
    output, _ = await run(turns, tools=GLANCE_AND_FINISH, context=CVRContext(min_evidence=0))
    assert "error: finish: sure: " in policy_messages(output)[5].text
    assert output["answer"].value == "A" and len(output["answer"].citations) == 1
    trajectory = trajectory_of(output)
    assert [[(a.tool, a.ends) for a in t.actions] for t in trajectory.turns] == [
        [("glance", False)],
        [("finish", True)],
        [("glance", False), ("finish", True)],
    ]
    assert Trajectory.model_validate_json(trajectory.model_dump_json()) == trajectory
    page = render_report(trajectory)
    assert page.count("value: A") == 1  # the arguments of the answer that was sent back; the head has the other


async def test_a_name_that_is_no_tool_of_the_graph_does_not_end_the_question():
    output, _ = await run([turn("", answer("A")), turn("", finish("B"))], tools=GLANCE_AND_FINISH)
    first, *_ = trajectory_of(output).turns
    assert not first.actions[0].ends and first.actions[0].reply.startswith("error: There is no tool 'answer'")


class Spoken:
    """An engine that returns given texts, one per turn."""

    def __init__(self, form, texts):
        self.form, self.texts, self.turns = form, texts, {}

    async def sample(self, call):
        number = self.turns[call.session] = self.turns.get(call.session, -1) + 1
        await asyncio.sleep(0)
        ids = self.form.tokenizer.encode(self.texts[number], add_special_tokens=False)
        return Sampled([*ids, self.form.end_of_turn[0]], [-0.5] * (len(ids) + 1))

    def release(self, session):
        self.turns.pop(session, None)


def spoken_call(name, **arguments):
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


async def test_a_custom_tool_is_rolled_out_and_rewarded_in_training():
    script = bundled_library().get("cc-000001")
    form = ChatFormat(tokenizer())
    texts = [
        "".join(spoken_call("glance", video=n + 1) for n in range(len(script.videos))),
        spoken_call("answer", value=script.key),
    ]
    policy = PolicyChatModel(engine=Spoken(form, texts), form=form, max_length=100_000)
    runner = RolloutRunner(policy, ScriptedPerception(bundled_library()), CVRContext(), tools=WITH_GLANCE, strict=True)
    (episode,) = await runner.run([RolloutTask(script, 1)])
    (row,) = episode.rows
    assert episode.reward["answer"] == episode.reward["format"] == 1.0 and episode.reward["economy"] > 0.9
    assert episode.summary["frames"] == 3 * len(script.videos)
    assert "seen: video 1" in form.tokenizer.decode(row.completion_ids)
    assert sum(row.mask) == sum(len(form.tokenizer.encode(text, add_special_tokens=False)) + 1 for text in texts)


async def test_a_library_is_searched_in_training():
    """The brief lists 20 of 30 videos; the policy finds the 26th, listens to it and is rewarded for its answer."""
    script = bundled_library().get("lib-000006")
    form = ChatFormat(tokenizer())
    cited = [one.model_dump() for one in script.evidence if one.modality == "audio"]
    texts = [
        spoken_call("find", query="black dragon", limit=1),
        spoken_call("listen", video=26, start_s=0, end_s=20),
        spoken_call("answer", value=script.key, citations=cited),
    ]
    policy = PolicyChatModel(engine=Spoken(form, texts), form=form, max_length=100_000)
    tools = Features(find=True).apply(TOOLS)
    runner = RolloutRunner(policy, ScriptedPerception(bundled_library()), CVRContext(), tools=tools, strict=True)
    (episode,) = await runner.run([RolloutTask(script, 1)])
    (row,) = episode.rows
    assert episode.reward["answer"] == episode.reward["format"] == 1.0
    assert episode.summary["frames"] == 0
    read = form.tokenizer.decode(row.completion_ids)
    assert "found:" in read and "26" in read


@pytest.mark.parametrize("dialect", ["tools", "json"])
@pytest.mark.parametrize("tools", [WITH_GLANCE, GLANCE_AND_FINISH], ids=["added", "alone"])
async def test_a_demonstration_with_custom_tools_becomes_the_row_of_their_rollout(tools, dialect):
    script = bundled_library().get("cc-000001")
    form, context = ChatFormat(tokenizer()), CVRContext(dialect=dialect)
    perception = ScriptedPerception(bundled_library())
    end = finish if tools is GLANCE_AND_FINISH else answer
    calls = [[glance(n + 1, f"g{n}") for n in range(len(script.videos))], [end(script.key)]]
    master = FakeMaster(turns=[write_calls(called, dialect) for called in calls])
    (shown,) = [one async for one in demonstrate(master, perception, [script], context, tools=tools)]
    (row,) = rows_of([shown], form, context, tools)
    assert shown.score == 1 and "glance" in form.tokenizer.decode(row.prompt_ids)
    policy = PolicyChatModel(engine=Echo(form, shown), form=form, max_length=100_000)
    (episode,) = await RolloutRunner(policy, perception, context, tools=tools, strict=True).run(
        [RolloutTask(script, 0)]
    )
    assert row.ids == episode.rows[0].ids and row.mask == episode.rows[0].mask
    assert episode.reward["answer"] == episode.reward["format"] == 1.0


def test_a_configuration_names_its_tools(tmp_path):
    """The whole command line of training reads `tools`: the recording, the prompts of a dry run, and GRPO."""
    folder = tmp_path / "model"
    model(max_position_embeddings=16_384).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    changes = {"rollout__max_length": 16_000, "tools": f"{__name__}:WITH_GLANCE"}
    settings = load_settings(write_settings(folder, tmp_path / "run", **changes))
    assert settings.load_tools().names == ("observe", "listen", "answer", "glance")
    without = check(settings.model_copy(update={"tools": ""}))
    assert check(settings).first_prompt_tokens > without.first_prompt_tokens
    scripts = settings.scripts.load()[:1]
    assert record(tmp_path / "shown.jsonl", "offline", scripts, settings, dialect="", live_graphs=1) == 0
    (shown,) = read_demonstrations(tmp_path / "shown.jsonl")
    assert "\n- glance: " in shown.conversation()[0].text


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("GLANCE", "is no list of tools"),
        ("QUESTION", "is no list of tools"),
        ("MISSING", "has no 'MISSING'"),
        ("[", "has no '\\['"),
    ],
)
def test_tools_that_cannot_be_used_are_an_error_of_the_configuration(tmp_path, named, problem):
    path = write_settings(tmp_path, tmp_path / "run", tools=f"{__name__}:{named}")
    with pytest.raises(InputError, match=problem):
        check_settings(load_settings(path))
