"""The graphs of a server as MCP tools: `langgraph dev`, then python docs/examples/mcp_client.py [URL]"""

import ast
import asyncio
import sys

from mcp import Client

ASKED = {"question": "Who cooks with white wine?", "videos": ["script://cc-000002/1", "script://cc-000002/2"]}


async def ask(client: Client, tool: str, asked: dict) -> dict:
    """What the graph gives: `answer`, `failure`, `observations`, `usage`, `messages`, ...

    Raises:
        RuntimeError: the question could not be asked; the server names the kind of error and no more.
    """
    result = await client.call_tool(tool, asked)
    text = result.content[0].text
    if result.is_error:
        raise RuntimeError(text)
    return ast.literal_eval(text)  # the server writes JSON's values as Python's literals


async def main(url: str) -> None:
    async with Client(url) as client:
        for tool in (await client.list_tools()).tools:
            print(f"{tool.name}: {tool.description}")
        output = await ask(client, "agentcvr_swap", ASKED)
        print(output["answer"] or output["failure"])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if sys.argv[1:] else "http://127.0.0.1:2024/mcp"))
