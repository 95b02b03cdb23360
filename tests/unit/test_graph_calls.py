"""How much of its own code the graph runs for a trajectory, with all features off."""

import sys
from pathlib import Path

import agentcvr_graph
from agentcvr_graph import create_cvr_graph
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn

PACKAGE = str(Path(agentcvr_graph.__file__).parent)
QUESTION = {"question": "Which?", "videos": ["a.mp4", "b.mp4"], "options": ["x", "y"]}
TURNS = 6
MOST_CALLS = 4300
"""A tenth above the calls of 3.11. Later versions of Python count fewer, because comprehensions are no calls there."""


async def test_calls_of_a_trajectory_stay_within_their_bound():
    looks = [observe((1, 0, 9, 2), (2, 0, 9, 2)) if n % 2 == 0 else listen(1, 0, 5) for n in range(TURNS)]
    script = [*(turn("look", look) for look in looks), turn("sure", answer("A"))]
    graph = create_cvr_graph(FakeMaster(turns=[*script, *script]), FakePerception()).compile()
    await graph.ainvoke(QUESTION)  # what is computed once in a process
    calls = 0

    def count(frame, event, _):
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename.startswith(PACKAGE)

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        output = await graph.ainvoke(QUESTION)
    finally:
        sys.setprofile(before)
    assert output["answer"].value == "A"
    assert calls <= MOST_CALLS, f"{calls} calls of this package, of which {MOST_CALLS} are allowed"
