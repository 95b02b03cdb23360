"""A snapshot of every character that the master sees in one episode.

A change here changes the text that policies are trained on. After a deliberate change, run
`UPDATE_SNAPSHOTS=1 pytest tests/unit/test_policy_view.py` and read the diff.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.graph.builder import dependencies_of
from agentcvr_graph.graph.dialects import instructions
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.chat_format import hermes
from agentcvr_graph.perception.noise import MILD
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn
from agentcvr_graph.tools import TOOL_SCHEMAS
from agentcvr_graph.tools.features import BY_NAME, features_named

SNAPSHOT = Path(__file__).parent / "snapshots" / "policy_view.txt"
FEATURES_SNAPSHOT = SNAPSHOT.with_name("policy_view_features.txt")
SWAP_SNAPSHOT = SNAPSHOT.with_name("policy_view_swap.txt")


CLAIM = {"video": 1, "start_s": 0, "end_s": 9, "modality": "visual", "claim": "The ball is blue."}


def compare(view: str, snapshot: Path) -> None:
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_text(view)
    assert view == snapshot.read_text()


async def test_what_the_master_sees():
    turns = [
        turn("An overview first.", observe((1, 0, 60, 4), (2, 0, 60, 4), focus="red"), listen(3, 0, 5, id="bad")),
        turn("Too early?", listen(1, 10, 20, focus="names", id="call_1")),
        turn("Now.", answer("Z", id="wrong")),
        turn("Sure.", answer("B", "a red ball", [{"video": 1, "start_s": 0, "end_s": 9, "modality": "visual"}])),
    ]
    master = FakeMaster(turns=turns)
    graph = create_cvr_graph(master, FakePerception()).compile()
    output = await graph.ainvoke(
        {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["the first", "the second"]},
        context=CVRContext(max_turns=4),
    )
    shown = [f"--- {message.type}\n{message.text}" for message in policy_messages(output)]
    tools = json.dumps(TOOL_SCHEMAS, indent=1)
    view = "\n".join([*shown, "--- tools", tools, "--- JSON dialect", instructions("json")]) + "\n"
    compare(view, SNAPSHOT)


async def test_what_the_master_sees_with_all_features():
    features = features_named(BY_NAME, "features")
    search = {"name": "find", "args": {"query": "ball", "videos": [1, 7], "limit": 2}, "id": "search"}
    turns = [
        turn("Where is it?", search),
        turn("An overview first.", observe((1, 0, 60, 4), (2, 0, 60, 4), focus="red")),
        turn("Sure.", with_arguments(answer("B", "a blue ball", [CLAIM], id="first"), confidence=0.9)),
        turn("Then so.", with_arguments(answer("B", "a red ball"), confidence=0.9)),
    ]
    graph = create_cvr_graph(FakeMaster(turns=turns), FakePerception(), features=features).compile()
    output = await graph.ainvoke(
        {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["the first", "the second"]}
    )
    shown = [f"--- {message.type}\n{message.text}" for message in policy_messages(output)]
    tools = dependencies_of(graph).tools
    written = ["--- JSON dialect", instructions("json", tools), "--- a template without tools"]
    written.append(hermes.instructions(tools.schemas))
    view = "\n".join([*shown, "--- tools", json.dumps(tools.schemas, indent=1), *written]) + "\n"
    compare(view, FEATURES_SNAPSHOT)
    assert output["answer"] is not None
    assert output["answer"].confidence == 0.9


def with_arguments(call: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    """Return a call with more arguments."""
    return {**call, "args": {**call["args"], **arguments}}


async def test_what_the_master_sees_in_swap_mode():
    """The same snapshot for a bundled script with mild noise, which is the text that policies are trained on."""
    script = bundled_library().get("cc-000001")
    turns = [
        turn("An overview.", observe((1, 0, 20, 4), (2, 0, 20, 4), (3, 0, 20, 4), focus="salt")),
        turn("", listen(1, 0, 20, id="a"), listen(2, 5, 9, id="b"), listen(9, 0, 1, id="c")),
        turn("", answer("A", "it is so", [{"video": 1, "start_s": 0, "end_s": 9, "modality": "audio"}])),
    ]
    graph = create_cvr_graph(FakeMaster(turns=turns), ScriptedPerception(bundled_library(), MILD)).compile()
    output = await graph.ainvoke(as_input(script.as_question()))
    compare(
        "\n".join(f"--- {message.type}\n{message.text}" for message in policy_messages(output)) + "\n", SWAP_SNAPSHOT
    )


async def test_the_messages_of_each_turn_are_a_prefix_of_the_next():
    """Training rows are the previous prefix plus new tokens, so a message that the master has seen may not change."""
    turns = [
        turn("", observe((1, 0, 5, 1), (2, 0, 5, 1))),
        turn("", listen(1, 0, 5, id="call_1")),
        turn("", answer("A")),
    ]
    master = FakeMaster(turns=turns)
    graph = create_cvr_graph(master, FakePerception()).compile()
    await graph.ainvoke({"question": "Which?", "videos": ["a", "b"], "options": ["x", "y"]})
    views = [[(m.type, m.text) for m in messages] for messages in master.seen]
    assert views[1][: len(views[0])] == views[0]
    assert views[2][: len(views[1])] == views[1]
