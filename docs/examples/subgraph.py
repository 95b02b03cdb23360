"""The graph as a node of a parent graph with a state of its own. Needs no key: python docs/examples/subgraph.py"""

import asyncio

from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.demo import CLIPS_DIR
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.factory import resolve_perception


class Archive(TypedDict):
    wanted: str
    clips: list[str]
    found: str  # one of the clips, or why there is none


def parent(cvr) -> StateGraph:
    async def search(archive: Archive) -> dict:
        options = [f"Video {number}" for number, _ in enumerate(archive["clips"], start=1)]
        given = {"question": archive["wanted"], "videos": archive["clips"], "options": options}
        output = await cvr.ainvoke(given, context=CVRContext(max_turns=8))
        answer, failure = output["answer"], output["failure"]
        return {"found": archive["clips"][options.index(answer.text)] if answer else failure.message}

    return StateGraph(Archive).add_node(search).add_edge(START, "search")


async def main(wanted: str) -> None:
    app = parent(create_cvr_graph(resolve_chat_model("offline"), resolve_perception()).compile()).compile()
    asked = {"wanted": wanted, "clips": [str(CLIPS_DIR / f"cook_{name}.mp4") for name in ("blue", "green")]}
    async for space, mode, event in app.astream(asked, stream_mode=["custom", "updates"], subgraphs=True):
        if mode == "custom" or not space:  # the child's progress, and the parent's own steps
            print(event.get("text", event))


if __name__ == "__main__":
    asyncio.run(main("Which cook adds the salt before the meat and says that they cook with olive oil?"))
