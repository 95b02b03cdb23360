"""Use the graph of a server as a node: python docs/examples/remote.py [URL]"""

import asyncio
import sys
import uuid

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.pregel.remote import RemoteGraph
from typing_extensions import TypedDict

from agentcvr_graph.graph.remote import run_remote

VIDEOS = ["script://cc-000002/1", "script://cc-000002/2"]


class Parent(TypedDict):
    given: dict  # question, videos, options: the server's input schema
    answer: dict


def parent(remote: RemoteGraph) -> StateGraph:
    async def look(state: Parent, config: RunnableConfig) -> dict:
        output = await run_remote(remote, state["given"], config)
        return {"answer": output["answer"] or output["failure"]}

    return StateGraph(Parent).add_node(look).add_edge(START, "look")


async def main(url: str) -> None:
    remote = RemoteGraph("agentcvr_swap", url=url)
    app = parent(remote).compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": str(uuid.uuid4())}}  # servers want UUIDs
    given = {"given": {"question": "Who cooks with white wine?", "videos": VIDEOS}}
    async for _, event in app.astream(
        given, config, stream_mode="custom", subgraphs=True
    ):
        print(event["text"])
    print((await app.aget_state(config)).values["answer"])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if sys.argv[1:] else "http://127.0.0.1:2024"))
