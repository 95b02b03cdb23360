"""Call a server's graphs as MCP tools.

Start `langgraph dev`, then run: python docs/examples/mcp_client.py [URL]
"""

import ast
import asyncio
import sys

from mcp import Client

QUESTION = "Who cooks with white wine?"
VIDEOS = ["script://cc-000002/1", "script://cc-000002/2"]


async def ask(client: Client, tool: str, given: dict) -> dict:
    """Return the graph's output: `answer`, `failure`, `observations`, `usage`, ...

    Raises:
        RuntimeError: the run failed; the server names the kind of error only.
    """
    result = await client.call_tool(tool, given)
    text = result.content[0].text
    if result.is_error:
        raise RuntimeError(text)
    return ast.literal_eval(text)  # the server writes values as Python literals


async def main(url: str) -> None:
    async with Client(url) as client:
        for tool in (await client.list_tools()).tools:
            print(f"{tool.name}: {tool.description}")
        given = {"question": QUESTION, "videos": VIDEOS}
        output = await ask(client, "agentcvr_swap", given)
        print(output["answer"] or output["failure"])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if sys.argv[1:] else "http://127.0.0.1:2024/mcp"))
