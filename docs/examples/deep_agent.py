"""A deep agent delegates to the graph: python docs/examples/deep_agent.py [MODEL]"""

import asyncio
import sys

from deepagents import CompiledSubAgent, create_deep_agent
from langchain_core.messages import AIMessage, ToolMessage

from agentcvr_graph import ScriptedPerception, as_agent, create_cvr_graph
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.testing import FakeMaster

QUESTION = "Who cooks with white wine? script://cc-000002/1 script://cc-000002/2"
ABOUT = "Answers a question about videos. Name the files or URLs in the request."


def agent(model, cvr, **options):
    videos = CompiledSubAgent(name="videos", description=ABOUT, runnable=as_agent(cvr))
    return create_deep_agent(model=model, subagents=[videos], **options)


def stand_in(messages) -> AIMessage:  # the agent's model where none is named
    if isinstance(messages[-1], ToolMessage):  # the outcome as JSON
        return AIMessage(f"The videos say: {messages[-1].text}")
    task = {"description": QUESTION, "subagent_type": "videos"}
    return AIMessage("", tool_calls=[{"name": "task", "args": task, "id": "1"}])


async def main(model) -> None:
    perception = ScriptedPerception(bundled_library())
    cvr = create_cvr_graph(resolve_chat_model("offline"), perception).compile()
    reply = await agent(model, cvr).ainvoke({"messages": [("user", QUESTION)]})
    print(reply["messages"][-1].text)


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] or [FakeMaster(turns=[stand_in] * 2)])))
