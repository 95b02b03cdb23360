"""The graph on a server, as a node of a graph here: `langgraph dev`, then python docs/examples/remote.py [URL]"""

import asyncio
import sys
import uuid

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.pregel.remote import RemoteGraph
from typing_extensions import TypedDict


class Parent(TypedDict):
    asked: dict  # question, videos, options: the server's input schema
    answer: dict


def parent(remote: RemoteGraph) -> StateGraph:
    async def look(state: Parent, config: RunnableConfig) -> dict:
        thread = {"thread_id": config["configurable"]["thread_id"], "if_exists": "do_nothing"}
        fresh = (await remote.client.threads.create(**thread))["status"] == "idle"
        given = state["asked"] if fresh else None  # None: go on where the run was stopped
        output = await remote.ainvoke(given, config, on_disconnect="cancel")
        return {"answer": output["answer"] or output["failure"]}

    return StateGraph(Parent).add_node(look).add_edge(START, "look")


async def main(url: str) -> None:
    app = parent(RemoteGraph("agentcvr_swap", url=url)).compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": str(uuid.uuid4())}}  # as a server's threads are called
    asked = {"question": "Who cooks with white wine?", "videos": ["script://cc-000002/1", "script://cc-000002/2"]}
    async for _, event in app.astream({"asked": asked}, config, stream_mode="custom", subgraphs=True):
        print(event["text"])
    print((await app.aget_state(config)).values["answer"])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if sys.argv[1:] else "http://127.0.0.1:2024"))
