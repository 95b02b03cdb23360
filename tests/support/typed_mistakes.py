"""A user's program with the mistakes that type checkers must find, each marked `# wrong`.

`test_public_types.py` runs pyright and mypy over it and compares the marked lines with the reported ones.
"""

from __future__ import annotations

from agentcvr_graph import CVRContext, answered, create_cvr_graph, resolve_chat_model, resolve_perception

app = create_cvr_graph(resolve_chat_model("offline"), resolve_perception()).compile()


async def misspelt() -> None:
    """The input has no key `video`."""
    await app.ainvoke({"question": "Which?", "video": ["a.mp4"]})  # wrong


async def context_of_another_type() -> None:
    """The context is a `CVRContext`."""
    await app.ainvoke({"question": "Which?", "videos": ["a.mp4"]}, context={"max_turns": 3})  # wrong


async def unchecked() -> str:
    """A run may fail, and then has no answer."""
    output = await app.ainvoke({"question": "Which?", "videos": ["a.mp4"]}, context=CVRContext(max_turns=3))
    return output["answer"].text  # wrong


async def unknown_key() -> object:
    """The output has no key `answers`."""
    output = await app.ainvoke({"question": "Which?", "videos": ["a.mp4"]})
    return output["answers"]  # wrong


async def right() -> str:
    """Where a run ended in an answer, the answer is not None."""
    output = await app.ainvoke({"question": "Which?", "videos": ["a.mp4"]})
    if answered(output):
        return output["answer"].text
    return str(output["failure"])
