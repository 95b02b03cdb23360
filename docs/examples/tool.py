"""The graph as a tool of an agent: python docs/examples/tool.py [openai:gpt-4.1], or a stand-in that needs no key."""

import asyncio
import sys

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage

from agentcvr_graph import CVRContext, Trajectory, as_tool, create_cvr_graph
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.testing import FakeMaster

QUESTION, VIDEOS = "Who cooks with white wine?", ["script://cc-000002/1", "script://cc-000002/2"]


def agent(model, cvr, **options):
    return create_agent(model, tools=[as_tool(cvr, context=CVRContext(max_frames=64))], **options)


def stand_in(messages) -> AIMessage:
    if isinstance(messages[-1], ToolMessage):
        return AIMessage(f"I have asked. {messages[-1].text}")
    args = {"question": QUESTION, "videos": VIDEOS}
    return AIMessage("", tool_calls=[{"name": "ask_videos", "args": args, "id": "1"}])


async def main(model) -> None:
    cvr = create_cvr_graph(resolve_chat_model("offline"), ScriptedPerception(bundled_library())).compile()
    asked = ("user", f"{QUESTION} The videos are {' and '.join(VIDEOS)}.")
    for message in (await agent(model, cvr).ainvoke({"messages": [asked]}))["messages"]:
        message.pretty_print()  # what the agent reads of a run are a few lines; an app has all of it:
        if isinstance(message, ToolMessage):
            print(Trajectory.model_validate(message.artifact).usage)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if sys.argv[1:] else FakeMaster(turns=[stand_in] * 2)))
