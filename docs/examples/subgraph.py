"""Use the graph as a node of a parent graph: python docs/examples/subgraph.py"""

import asyncio

from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from agentcvr_graph import create_cvr_graph, resolve_chat_model, resolve_perception
from agentcvr_graph.demo import demo_videos


class Archive(TypedDict):
    wanted: str
    clips: list[str]
    found: str  # one of the clips, or why there is none


def parent(cvr) -> StateGraph:
    async def search(archive: Archive) -> dict:
        clips = archive["clips"]
        options = [f"Video {number}" for number in range(1, len(clips) + 1)]
        given = {"question": archive["wanted"], "videos": clips, "options": options}
        output = await cvr.ainvoke(given)
        answer, failure = output["answer"], output["failure"]
        return {"found": clips[options.index(answer.text)] if answer else str(failure)}

    return StateGraph(Archive).add_node(search).add_edge(START, "search")


async def main(wanted: str) -> None:
    cvr = create_cvr_graph(resolve_chat_model("offline"), resolve_perception())
    app = parent(cvr.compile()).compile()
    given = {"wanted": wanted, "clips": demo_videos()[1:3]}
    modes = ["custom", "updates"]
    async for path, mode, event in app.astream(
        given, stream_mode=modes, subgraphs=True
    ):
        if mode == "custom" or not path:  # the child's progress, the parent's steps
            print(event.get("text", event))


if __name__ == "__main__":
    asyncio.run(main("Which cook adds the salt before the meat, and uses olive oil?"))
