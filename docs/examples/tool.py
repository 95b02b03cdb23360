"""Use the graph as a tool: python docs/examples/tool.py [openai:gpt-4.1]"""

import asyncio
import sys

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage

from agentcvr_graph import (
    CVRContext,
    ScriptedPerception,
    Trajectory,
    as_tool,
    create_cvr_graph,
    resolve_chat_model,
)
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.testing import FakeMaster

QUESTION = "Who cooks with white wine?"
VIDEOS = ["script://cc-000002/1", "script://cc-000002/2"]


def agent(model, cvr, **options):
    tool = as_tool(cvr, context=CVRContext(max_frames=64))
    return create_agent(model, tools=[tool], **options)


def stand_in(messages) -> AIMessage:  # the agent's model where none is named
    if isinstance(messages[-1], ToolMessage):
        return AIMessage(f"I have asked. {messages[-1].text}")
    call = {"name": "ask_videos", "args": {"question": QUESTION, "videos": VIDEOS}}
    return AIMessage("", tool_calls=[{**call, "id": "1"}])


async def main(model) -> None:
    perception = ScriptedPerception(bundled_library())
    cvr = create_cvr_graph(resolve_chat_model("offline"), perception).compile()
    messages = [("user", f"{QUESTION} The videos: {', '.join(VIDEOS)}.")]
    reply = await agent(model, cvr).ainvoke({"messages": messages})
    for message in reply["messages"]:
        message.pretty_print()  # the agent reads a few lines of the run
        if isinstance(message, ToolMessage):  # the app gets all of it
            print(Trajectory.model_validate(message.artifact).usage)


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] or [FakeMaster(turns=[stand_in] * 2)])))
