"""The graph on a real LangGraph server, called as in the examples: as a `RemoteGraph` and over MCP.

The tests cover what each interface provides, and also the missing features that clients should know about.
"""

from __future__ import annotations

import ast
import asyncio
import runpy
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.pregel.remote import RemoteGraph
from langgraph.types import Command
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from mcp import Client, MCPError

from agentcvr_graph import CVRContext, InfrastructureError, InputError, as_tool
from agentcvr_graph.demo import CLIPS_DIR
from agentcvr_graph.graph.context import setting
from agentcvr_graph.graph.remote import run_remote
from agentcvr_graph.server import ServerContext
from agentcvr_graph.trajectory import Trajectory
from tests.e2e.conftest import Studio, free_port
from tests.e2e.served_graphs import SLOW_S

ROOT = Path(__file__).resolve().parents[2]
SAID = "This time I am cooking with white wine."
NOWHERE = {"question": "Who?", "videos": ["nowhere.mp4"]}
SCRIPTS = ["script://cc-000002/1", "script://cc-000002/2"]

pytestmark = pytest.mark.enable_socket


def example(name: str) -> dict[str, Any]:
    """Return the namespace of an example."""
    return runpy.run_path(str(ROOT / "docs" / "examples" / f"{name}.py"))


@pytest.fixture
async def client(studio: Studio) -> AsyncIterator[LangGraphClient]:
    """Open a client of the server and close it afterwards; a `RemoteGraph` does not close a client that it creates."""
    async with get_client(url=studio.url) as opened:
        yield opened


def new_thread() -> dict[str, Any]:
    return {"configurable": {"thread_id": str(uuid.uuid4())}}


def new_question() -> dict[str, Any]:
    """Return a question about a video that no other test uses."""
    return {"question": "What is it?", "videos": [f"{uuid.uuid4().hex}.mp4"]}


async def logged(log: Any, line: str) -> None:
    """Wait until a line appears in the log of observations."""
    deadline = time.monotonic() + 300
    while line not in log():
        assert time.monotonic() < deadline, f"{line!r} never came, only {log()}"
        await asyncio.sleep(0.1)


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(("name", "path"), [("remote", ""), ("mcp_client", "/mcp")])
def test_an_example_runs_unchanged(studio: Studio, name: str, path: str) -> None:
    command = [sys.executable, f"docs/examples/{name}.py", f"{studio.url}{path}"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert ran.returncode == 0, ran.stderr
    assert f"'value': '{SAID}'" in ran.stdout
    progress = "listening to video 2" if name == "remote" else "agentcvr_swap: The same graph in swap mode"
    assert progress in ran.stdout


async def test_remote_progress_and_the_reply_reach_the_caller(client: LangGraphClient) -> None:
    remote = RemoteGraph("talking", client=client)
    stages, spoken = [], []
    async for part in remote.astream(new_question(), stream_mode=["custom", "messages"]):
        mode, event, *_ = part
        if mode == "custom":
            stages.append(event["stage"])
        elif event[0]["type"] != "human":
            spoken += [block["text"] for block in event[0]["content"]]
    assert stages == ["brief", "master", "visual_agent", "visual_agent", "master", "conclude"]
    assert spoken == ["a red ball"]


async def test_remote_progress_and_the_reply_reach_the_stream_of_the_parent(client: LangGraphClient) -> None:
    app = example("remote")["parent"](RemoteGraph("talking", client=client)).compile(checkpointer=InMemorySaver())
    stages, spoken = [], []
    new_run = {"given": new_question()}
    async for _, mode, event in app.astream(new_run, new_thread(), stream_mode=["custom", "messages"], subgraphs=True):
        if mode == "custom":
            stages.append(event["stage"])
        elif event[0]["type"] != "human":
            spoken += [block["text"] for block in event[0]["content"]]
    assert stages == ["brief", "master", "visual_agent", "visual_agent", "master", "conclude"]
    assert spoken == ["a red ball"]


async def test_cancelling_the_parent_stops_the_server_run_and_both_can_resume(
    studio: Studio, client: LangGraphClient
) -> None:
    config, question = new_thread(), new_question()
    (video,) = question["videos"]
    remote = RemoteGraph("slow", client=client)
    app = example("remote")["parent"](remote).compile(checkpointer=InMemorySaver())
    task = asyncio.create_task(app.ainvoke({"given": question}, config))
    await logged(lambda: studio.observations(video), "begun 20")
    await cancelled(task)
    await logged(lambda: studio.observations(video), "stopped 20")
    state = await remote.aget_state(config)
    assert state.next == ("visual_agent",) and len(state.values["observations"]) == 1

    output = await app.ainvoke(None, config)
    assert output["answer"]["value"] == "a red ball"
    assert studio.observations(video) == ["begun 0", "done 0", "begun 20", "stopped 20", "begun 20", "done 20"]
    usage = (await remote.aget_state(config)).values["usage"]
    assert (usage["frames"], usage["model_calls"]) == (6, 3)  # the same as in an uninterrupted run


REVIEW = {"review_above_frames": 1}
"""Both looks of the graph `slow` need approval."""
APPROVE = Command(resume={"decisions": [{"type": "approve"}]})


async def test_a_remote_run_that_waits_says_so(client: LangGraphClient) -> None:
    config, remote = new_thread(), RemoteGraph("slow", client=client)
    output = await remote.ainvoke(new_question(), config, context=REVIEW)
    assert output["answer"] is None and output["failure"] is None
    (waiting,) = [one for task in (await remote.aget_state(config)).tasks for one in task.interrupts]
    assert waiting.value["action_requests"][0]["name"] == "observe"
    with pytest.raises(InputError, match=r"waits for a decision.*Call it in a node of a graph with a checkpointer"):
        await run_remote(remote, new_question(), new_thread(), CVRContext(**REVIEW))


async def test_interrupts_of_a_remote_run_pass_through_the_parent(client: LangGraphClient) -> None:
    remote = RemoteGraph("slow", client=client)

    async def look(state: dict[str, Any], config: RunnableConfig) -> dict[str, Any]:
        return {"answer": (await run_remote(remote, state["given"], config, CVRContext(**REVIEW)))["answer"]}

    app = StateGraph(example("remote")["Parent"]).add_node(look).add_edge(START, "look").compile(InMemorySaver())
    config = new_thread()
    output = await app.ainvoke({"given": new_question()}, config)
    for start_s in (0, 20):
        (waiting,) = output["__interrupt__"]
        (target,) = waiting.value["action_requests"][0]["args"]["targets"]
        assert target["start_s"] == start_s
        output = await app.ainvoke(APPROVE, config)
    assert output["answer"]["value"] == "a red ball" and "__interrupt__" not in output
    again = await app.ainvoke({"given": new_question()}, config)  # a new question on the same thread
    assert again["__interrupt__"]


@pytest.mark.parametrize("context", [None, CVRContext(**REVIEW)], ids=["at once", "after two approvals"])
async def test_a_remote_graph_is_a_tool_of_an_agent(client: LangGraphClient, context: CVRContext | None) -> None:
    tool = as_tool(RemoteGraph("slow", client=client), context=context)
    given = new_question()
    calls = [{"name": tool.name, "args": given, "id": "c1", "type": "tool_call"}]
    app = (
        StateGraph(MessagesState).add_node("tools", ToolNode([tool])).add_edge(START, "tools").compile(InMemorySaver())
    )
    config = new_thread()
    output = await app.ainvoke({"messages": [AIMessage("", tool_calls=calls)]}, config)
    for _ in range(2 if context else 0):
        assert output["__interrupt__"]
        output = await app.ainvoke(APPROVE, config)
    reply = output["messages"][-1]
    assert reply.text == "Answer: a red ball"
    run = Trajectory.model_validate(reply.artifact)
    assert run.usage.frames == 6 and [len(one.actions) for one in run.turns] == [1, 1, 1]


CLOCK = {"name": "clock", "args": {}, "id": "c2", "type": "tool_call"}


@tool
def clock() -> str:
    """Return the time."""
    return "noon"


async def replies(remote: RemoteGraph, given: dict[str, Any], context: CVRContext | None = None) -> list[ToolMessage]:
    """Return the replies to a turn of an agent that asks the server and reads the clock, in this order."""
    used = as_tool(remote, context=context)
    calls = [{"name": used.name, "args": given, "id": "c1", "type": "tool_call"}, CLOCK]
    app = StateGraph(MessagesState).add_node("tools", ToolNode([used, clock])).add_edge(START, "tools").compile()
    return (await app.ainvoke({"messages": [AIMessage("", tool_calls=calls)]}))["messages"][1:]


REFUSED: dict[str, tuple[str, dict[str, Any], CVRContext | None, str]] = {
    "a missing file": ("agentcvr", {"videos": ["nowhere.mp4"]}, None, "nowhere.mp4: no such file or folder."),
    "a model that is not allowed": ("agentcvr", {}, ServerContext(vision="openai:x"), "'openai:x' may not be chosen"),
    "a graph that does not exist": ("nothing", {}, None, "nothing"),
    "a wait without a thread": ("slow", {}, CVRContext(**REVIEW), "The server's run waits for a decision"),
}


@pytest.mark.parametrize(("graph", "changes", "context", "says"), REFUSED.values(), ids=REFUSED)
async def test_what_a_server_refuses_is_a_message_and_the_other_calls_survive(
    client: LangGraphClient, graph: str, changes: dict[str, Any], context: CVRContext | None, says: str
) -> None:
    asked, read = await replies(RemoteGraph(graph, client=client), new_question() | changes, context)
    assert asked.status == "error" and says in asked.text
    assert read.text == "noon"


async def test_a_setting_that_the_server_does_not_have_is_a_message(client: LangGraphClient) -> None:
    class Misspelled(CVRContext):
        max_turn: Annotated[int, setting("master", ge=1, description="Not a setting of the server.")] = 3

    asked, read = await replies(RemoteGraph("agentcvr", client=client), new_question(), Misspelled(max_turn=3))
    assert asked.status == "error" and "no setting 'max_turn'" in asked.text and read.text == "noon"


async def test_a_server_that_is_down_is_a_message() -> None:
    async with get_client(url=f"http://127.0.0.1:{free_port()}") as nobody:
        asked, read = await replies(RemoteGraph("slow", client=nobody), new_question())
    assert asked.status == "error" and "cannot be reached" in asked.text and read.text == "noon"


CALLS_WITHOUT_A_LOOP = """
import sys
from langgraph.pregel.remote import RemoteGraph
from agentcvr_graph import as_tool

tool = as_tool(RemoteGraph("talking", url=sys.argv[1]))
for number in "123":
    given = {"question": "What is it?", "videos": [number]}
    reply = tool.invoke({"type": "tool_call", "name": tool.name, "args": given, "id": number})
    print(reply.status, reply.text)
"""


def test_a_tool_of_a_server_runs_again_and_again_without_an_event_loop(studio: Studio) -> None:
    command = [sys.executable, "-c", CALLS_WITHOUT_A_LOOP, studio.url]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert ran.stdout == "success Answer: a red ball\n" * 3, ran.stderr


async def test_a_run_that_another_client_cancels_is_a_message(studio: Studio, client: LangGraphClient) -> None:
    question = new_question()
    (video,) = question["videos"]
    asking = asyncio.create_task(replies(RemoteGraph("slow", client=client), question))
    await logged(lambda: studio.observations(video), "begun 20")
    await client.runs.cancel_many(status="running")
    asked, read = await asking
    assert asked.status == "error" and asked.text and read.text == "noon"


@pytest.mark.parametrize("limit", [4, 5, 6, 12, 25])
async def test_a_parents_recursion_limit_ends_the_remote_run_in_its_last_turn(
    client: LangGraphClient, limit: int
) -> None:
    remote = RemoteGraph("until_told", client=client)
    app = example("remote")["parent"](remote).compile(checkpointer=InMemorySaver())
    given = new_question()
    output = await app.ainvoke({"given": given}, {"recursion_limit": limit, **new_thread()})
    assert output["answer"]["value"] == "a red ball"
    alone = await remote.ainvoke(given, {"recursion_limit": limit})
    assert alone["answer"]["value"] == "a red ball" and len(alone["observations"]) == min(11, (limit - 4) // 2)


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_a_limit_without_a_turn_names_the_setting(client: LangGraphClient, limit: int) -> None:
    remote = RemoteGraph("until_told", client=client)
    app = example("remote")["parent"](remote).compile(checkpointer=InMemorySaver())
    with pytest.raises(InfrastructureError, match="recursion_limit"):
        await app.ainvoke({"given": new_question()}, {"recursion_limit": limit, **new_thread()})


async def test_cancelling_the_server_run_returns_no_answer_to_the_caller(
    studio: Studio, client: LangGraphClient
) -> None:
    config, question = new_thread(), new_question()
    (video,) = question["videos"]
    task = asyncio.create_task(RemoteGraph("slow", client=client).ainvoke(question, config))
    await logged(lambda: studio.observations(video), "begun 20")
    thread_id = config["configurable"]["thread_id"]
    (run,) = await client.runs.list(thread_id)
    await client.runs.cancel(thread_id, run["run_id"], wait=True)
    assert (await client.runs.get(thread_id, run["run_id"]))["status"] == "interrupted"
    output = await task  # the last state: no exception, no answer and no failure
    assert output["answer"] is None and output["failure"] is None and len(output["observations"]) == 1
    assert studio.observations(video)[-1] == "stopped 20"


async def test_the_server_run_continues_after_its_client_disconnects(studio: Studio, client: LangGraphClient) -> None:
    config, question = new_thread(), new_question()
    (video,) = question["videos"]
    task = asyncio.create_task(RemoteGraph("slow", client=client).ainvoke(question, config))
    await logged(lambda: studio.observations(video), "begun 20")
    await cancelled(task)
    await logged(lambda: studio.observations(video), "done 20")
    (run,) = await client.runs.list(config["configurable"]["thread_id"])
    output = await client.runs.join(config["configurable"]["thread_id"], run["run_id"])
    assert output["answer"]["value"] == "a red ball"


async def test_mcp_lists_the_graphs_with_their_input_schemas(studio: Studio) -> None:
    async with Client(f"{studio.url}/mcp") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    schema = tools["agentcvr"].input_schema
    assert set(schema["properties"]) >= {"question", "videos", "options", "kind", "messages"}
    assert all(field["description"] for field in schema["properties"].values())
    assert tools["agentcvr"].description.startswith("Answers a question whose evidence is spread over several videos")


async def test_mcp_returns_the_whole_output_but_no_progress_and_no_thread(
    studio: Studio, client: LangGraphClient
) -> None:
    reports: list[Any] = []
    threads = await client.threads.count()

    async def progress(*event: Any) -> None:
        reports.append(event)

    given = {"question": "Who cooks with white wine?", "videos": SCRIPTS}
    async with Client(f"{studio.url}/mcp") as other:
        output = await example("mcp_client")["ask"](other, "agentcvr_swap", given)
        await other.call_tool("agentcvr_swap", given, progress_callback=progress)
    assert output["answer"]["value"] == SAID and output["failure"] is None
    assert output["answer"]["citations"] == [{"video": 1, "start_s": 6.9, "end_s": 9.3, "modality": "audio"}]
    assert len(output["observations"]) == 3 and output["usage"]["frames"] == 26
    assert reports == [] and await client.threads.count() == threads


async def test_mcp_has_a_graph_with_a_short_output(studio: Studio) -> None:
    clip = {"question": "Which word is shown on screen?", "videos": [f"{CLIPS_DIR / 'cook_red.mp4'}#t=0,4"]}
    async with Client(f"{studio.url}/mcp") as client:
        texts = [(await client.call_tool("ask_videos", given)).content[0].text for given in (clip, NOWHERE)]
    answered, wrong = map(ast.literal_eval, texts)
    assert answered["status"] == "answered" and "HEAT THE PAN" in answered["answer"] and len(texts[0]) < 1500
    assert wrong["status"] == "wrong_input" and "nowhere.mp4: no such file" in wrong["problem"]


async def test_mcp_reports_only_the_type_of_an_error(studio: Studio) -> None:
    ask = example("mcp_client")["ask"]
    async with Client(f"{studio.url}/mcp") as client:
        with pytest.raises(RuntimeError, match=r"^InputError$"):
            await ask(client, "agentcvr", NOWHERE)
        with pytest.raises(MCPError, match="Unknown tool: agentcvr_swop"):
            await ask(client, "agentcvr_swop", {"question": "Who?", "videos": SCRIPTS})


async def test_mcp_offers_an_assistant_with_its_own_settings_as_a_tool(studio: Studio, client: LangGraphClient) -> None:
    given = {"question": "Who cooks with white wine?", "videos": SCRIPTS}
    glance = await client.assistants.create("agentcvr_swap", context={"max_frames": 4}, name="a glance")
    try:
        async with Client(f"{studio.url}/mcp") as other:
            output = await example("mcp_client")["ask"](other, "a_glance", given)
    finally:
        await client.assistants.delete(glance["assistant_id"])
    assert output["usage"]["frames"] <= 4


async def test_mcp_cannot_cancel_a_run(studio: Studio) -> None:
    """The run continues after its call is cancelled or its client disconnects; only its budgets limit it."""
    question = new_question()
    (video,) = question["videos"]
    async with Client(f"{studio.url}/mcp") as client:
        task = asyncio.create_task(client.call_tool("slow", question))
        await logged(lambda: studio.observations(video), "begun 20")
        await cancelled(task)
    await asyncio.sleep(SLOW_S)
    await logged(lambda: studio.observations(video), "done 20")
    assert "stopped 20" not in studio.observations(video)
