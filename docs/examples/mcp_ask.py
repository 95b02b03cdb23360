"""Ask about videos over MCP.

Start `agentcvr mcp --http --swap`, then run: python docs/examples/mcp_ask.py [URL]
"""

import asyncio
import sys

from mcp import Client

GIVEN = {
    "question": "Who cooks with white wine?",
    "videos": ["script://cc-000002/1", "script://cc-000002/2"],
}


async def show(progress: float, total: float | None, message: str | None) -> None:
    print(f"{progress:.0f}. {message}")


async def main(url: str) -> None:
    async with Client(url) as client:
        for tool in (await client.list_tools()).tools:
            print(f"{tool.name}: {tool.description}")
        result = await client.call_tool("ask_videos", GIVEN, progress_callback=show)
        if result.is_error:
            raise SystemExit(result.content[0].text)
        answer = result.structured_content
        print(answer["answer"] or answer["problem"])
        for cited in answer["evidence"]:
            print("  video {video}, {start_s}-{end_s} s, {modality}".format(**cited))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if sys.argv[1:] else "http://127.0.0.1:8000/mcp"))
