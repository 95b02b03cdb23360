"""A supervisor hands over to the graph: python docs/examples/supervisor.py"""

import asyncio

from langchain_core.messages import AIMessage, ToolMessage
from langgraph_supervisor import create_supervisor

from agentcvr_graph import ScriptedPerception, as_agent, create_cvr_graph
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.testing import FakeMaster

QUESTION = "Who cooks with white wine? script://cc-000002/1 script://cc-000002/2"


def team(model, cvr):
    return create_supervisor([as_agent(cvr, name="videos")], model=model)


def stand_in(messages) -> AIMessage:  # in place of the supervisor's chat model
    if isinstance(messages[-1], ToolMessage):  # it has handed the turn back
        said = [one for one in messages if one.name == "videos" and not one.tool_calls]
        return AIMessage(f"The videos say: {said[-1].text}")
    call = {"name": "transfer_to_videos", "args": {}, "id": str(len(messages))}
    return AIMessage("", tool_calls=[call])


async def main(model) -> None:
    perception = ScriptedPerception(bundled_library())
    cvr = create_cvr_graph(resolve_chat_model("offline"), perception).compile()
    reply = await team(model, cvr).compile().ainvoke({"messages": [("user", QUESTION)]})
    print(reply["messages"][-1].text)


if __name__ == "__main__":
    asyncio.run(main(FakeMaster(turns=[stand_in] * 2)))
