"""A user's program with the mistakes that type checkers must find, each marked `# wrong`.

`test_public_types.py` runs pyright and mypy over it and compares the marked lines with the reported ones.
"""

from __future__ import annotations

from agentcvr_graph import CVRContext, create_cvr_graph, resolve_chat_model, resolve_perception

app = create_cvr_graph(resolve_chat_model("offline"), resolve_perception()).compile()


async def misspelt() -> None:
    """The input has no key `video`."""
    await app.ainvoke({"question": "Which?", "video": ["a.mp4"]})  # wrong


async def context_of_another_type() -> None:
    """The context is a `CVRContext`."""
    await app.ainvoke({"question": "Which?", "videos": ["a.mp4"]}, context={"max_turns": 3})  # wrong


async def unchecked() -> str:
    """A run that fails has no answer."""
    output = await app.ainvoke({"question": "Which?", "videos": ["a.mp4"]}, context=CVRContext(max_turns=3))
    return output["answer"].text  # wrong


async def unknown_key() -> object:
    """The output has no key `answers`."""
    output = await app.ainvoke({"question": "Which?", "videos": ["a.mp4"]})
    return output["answers"]  # wrong


async def compared_with_none() -> str:
    """An answer that is not None has a text."""
    answer = (await app.ainvoke({"question": "Which?", "videos": ["a.mp4"]}))["answer"]
    return answer.text if answer is not None else ""


async def without_failure() -> str:
    """If the failure is None, the answer is not; pyright does not narrow a dictionary by a key that is None."""
    output = await app.ainvoke({"question": "Which?", "videos": ["a.mp4"]})
    if output["failure"] is None:
        return output["answer"].text  # pyright: ignore[reportOptionalMemberAccess]
    return output["failure"].message
