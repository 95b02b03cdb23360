"""Chat with a server as a web chat does: python docs/examples/chat_client.py [URL]"""

import asyncio
import sys
import uuid

from langgraph_sdk import get_client

TURNS = [
    "Who cooks with white wine? script://cc-000002/1 script://cc-000002/2",
    "And what does the cook in the first video say at 7 to 9 s?",
]


async def ask(client, thread, text) -> dict:
    """Send what agent-chat-ui sends for a message, and return the state it shows."""
    content = [{"type": "text", "text": text}]
    message = {"id": str(uuid.uuid4()), "type": "human", "content": content}
    given = {"messages": [message]}
    how = {
        "stream_mode": ["values"],
        "stream_subgraphs": True,
        "stream_resumable": True,
    }
    async for part in client.runs.stream(thread, "agentcvr_swap", input=given, **how):
        if part.event == "values":
            state = part.data
    return state


async def main(url="http://127.0.0.1:2024") -> None:
    client = get_client(url=url)
    thread = (await client.threads.create())["thread_id"]
    for text in TURNS:
        state = await ask(client, thread, text)
        print(state["messages"][-1]["content"][0]["text"], "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
