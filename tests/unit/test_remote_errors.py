"""Errors of a server behind `as_tool(RemoteGraph)` and `run_remote`: messages for an agent, typed errors for a program.

The client is a fake that raises or streams what LangGraph's client would; `tests/e2e` has a real server.
"""

from __future__ import annotations

import httpx
import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import errors
from langgraph_sdk.schema import StreamPart

from agentcvr_graph import InfrastructureError, InputError, SetupError, as_tool
from agentcvr_graph.graph.as_tool import CORRECT
from agentcvr_graph.graph.remote import WaitingError, run_remote

GIVEN = {"question": "Which is red?", "videos": ["a.mp4"]}
REQUEST = httpx.Request("POST", "http://server/runs/stream")
SERVER = "The server of 'agentcvr'"


class FakeClient:
    """A client of a server: `runs.stream` yields parts, and raises an exception among them."""

    def __init__(self, *parts, state=None):
        self.runs = self.threads = self
        self.parts = parts
        self.state = state or {"next": [], "values": {}, "tasks": []}
        self.sent = []

    async def create(self, **given):
        self.sent.append(given)

    async def get_state(self, thread_id):
        return self.state

    async def stream(self, **given):
        self.sent.append(given)
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part


def refused(status, detail="odd"):
    """Return what the client raises for an HTTP status."""
    response = httpx.Response(status, json={"detail": detail}, request=REQUEST)
    return errors._map_status_error(response, {"detail": detail})


def failed(kind, message):
    return StreamPart("error", {"error": kind, "message": message})


def remote(*parts):
    return RemoteGraph("agentcvr", client=FakeClient(*parts))


def waits(value="look?"):
    return StreamPart("updates", {"__interrupt__": [{"value": value, "id": "i1"}]})


@tool
def clock() -> str:
    """Return the time."""
    return "noon"


async def replies(*parts, checkpointer=None, config=None):
    """Return the replies to a turn that asks the server and reads the clock."""
    calls = [{"name": "ask_videos", "args": GIVEN, "id": "ask"}, {"name": "clock", "args": {}, "id": "clock"}]
    node = ToolNode([as_tool(remote(*parts)), clock])
    app = StateGraph(MessagesState).add_node("tools", node).add_edge(START, "tools").compile(checkpointer)
    output = await app.ainvoke({"messages": [AIMessage("", tool_calls=calls)]}, config)
    return {reply.tool_call_id: reply for reply in output["messages"][1:]}


FAILURES = {
    "a bad setting": (refused(400, "max_turns is no number"), f"{SERVER} refused the request (HTTP 400: max_turns is"),
    "no such graph": (refused(404, "Assistant 'x' not found"), "HTTP 404: Assistant 'x' not found"),
    "a busy thread": (refused(409), f"{SERVER} is busy or broken (HTTP 409: odd)."),
    "an invalid input": (refused(422), f"{SERVER} refused the request (HTTP 422: odd)."),
    "too many requests": (refused(429), f"{SERVER} is busy or broken (HTTP 429: odd)."),
    "a broken server": (refused(503), f"{SERVER} is busy or broken (HTTP 503: odd)."),
    "a server that is down": (
        httpx.ConnectError("All connection attempts failed", request=REQUEST),
        f"{SERVER} cannot be reached (All connection attempts failed).",
    ),
    "a connection that breaks": (httpx.RemoteProtocolError("peer closed connection"), f"{SERVER} cannot be reached"),
    "a server that hangs": (httpx.ReadTimeout("", request=REQUEST), f"{SERVER} did not answer in time."),
    "a run that failed": (failed("KeyError", "'x'"), f"{SERVER} reported that the run failed (KeyError: 'x')."),
    "an error without a class": (StreamPart("error", "gone"), "reported that the run failed (gone)."),
    "a wrong setting": (
        failed("InputError", "The setting 'x' cannot be 3."),
        "(InputError: The setting 'x' cannot be 3.)",
    ),
    "an unknown setting": (failed("InputError", "There is no setting 'x'."), "There is no setting 'x'."),
    "a setting that it may not choose": (failed("SettingsError", "'x' may not be chosen here."), "may not be chosen"),
    "a limit of steps": (
        failed("SettingsError", "`recursion_limit` leaves 2 supersteps."),
        "`recursion_limit` leaves 2",
    ),
    "a run without an output": (StreamPart("metadata", {}), "ended the run of 'agentcvr' without an output."),
    "a cancelled run": (StreamPart("values", {"answer": None, "failure": None}), "stopped on the server before it"),
}


@pytest.mark.parametrize(("part", "says"), FAILURES.values(), ids=FAILURES)
async def test_a_server_that_fails_is_a_message_and_the_other_calls_survive(part, says):
    found = await replies(part)
    assert says in found["ask"].text and CORRECT not in found["ask"].text
    assert found["ask"].status == "error" and found["clock"].text == "noon"


@pytest.mark.parametrize("kind", ["InputError", "VideoError"])
async def test_what_the_agent_can_correct_says_so(kind):
    found = await replies(failed(kind, "x.mp4: no such file.\ny.mp4: no such file."))
    assert found["ask"].status == "error" and found["clock"].text == "noon"
    assert found["ask"].text == f"x.mp4: no such file.\ny.mp4: no such file.\n{CORRECT}"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_raised_and_names_the_variable(status):
    with pytest.raises(SetupError, match=r"refused the API key.*LANGSMITH_API_KEY"):
        await replies(refused(status))


async def test_a_key_in_a_servers_error_is_masked(monkeypatch):
    monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2-secret-key")
    for part in (
        failed("InputError", "lsv2-secret-key"),
        failed("Odd", "lsv2-secret-key"),
        refused(400, "lsv2-secret-key"),
    ):
        assert "lsv2-secret-key" not in (await replies(part))["ask"].text


async def test_an_unknown_exception_of_the_client_is_raised():
    with pytest.raises(ZeroDivisionError):
        await replies(ZeroDivisionError())


async def test_a_run_that_waits_without_a_thread_is_a_message():
    found = await replies(waits())
    assert found["ask"].status == "error" and found["clock"].text == "noon"
    assert "waits for a decision: look?" in found["ask"].text and CORRECT not in found["ask"].text


async def test_a_tool_outside_of_a_graph_reports_that_the_run_waits():
    state = {"next": ["visual_agent"], "values": {}, "tasks": [{"interrupts": [{"value": "look?", "id": "i"}]}]}
    client = FakeClient(StreamPart("values", {"answer": None, "failure": None}), state=state)
    call = {"type": "tool_call", "name": "ask_videos", "args": GIVEN, "id": "1"}
    used = as_tool(RemoteGraph("agentcvr", client=client))
    reply = await used.ainvoke(call, {"configurable": {"thread_id": "t"}})
    assert reply.status == "error" and "waits for a decision: look?" in reply.text


async def test_a_run_that_waits_interrupts_a_parent_that_can_wait():
    calls = [{"name": "ask_videos", "args": GIVEN, "id": "ask"}]
    app = StateGraph(MessagesState).add_node("tools", ToolNode([as_tool(remote(waits()))])).add_edge(START, "tools")
    config = {"configurable": {"thread_id": "t"}}
    output = await app.compile(InMemorySaver()).ainvoke({"messages": [AIMessage("", tool_calls=calls)]}, config)
    assert output["__interrupt__"][0].value == "look?"


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (failed("VideoError", "x.mp4: no such file."), InputError),
        (failed("SetupError", "No key."), InfrastructureError),
        (refused(401), SetupError),
        (httpx.ConnectError("refused"), InfrastructureError),
    ],
)
async def test_a_program_gets_typed_errors(part, kind):
    with pytest.raises(kind):
        await run_remote(remote(part), GIVEN, {})


async def test_temporary_failures_are_marked_for_a_retry():
    for part, transient in ((refused(503), True), (refused(409), True), (refused(400), False)):
        with pytest.raises(InfrastructureError) as caught:
            await run_remote(remote(part), GIVEN, {})
        assert caught.value.transient is transient and caught.value.__cause__ is part


async def test_a_program_without_a_thread_cannot_wait():
    async def look(state, config):
        await run_remote(remote(waits()), GIVEN, config)

    app = StateGraph(MessagesState).add_node(look).add_edge(START, "look").compile()
    with pytest.raises(WaitingError, match="Call it in a node of a graph with a checkpointer"):
        await app.ainvoke({"messages": []})
