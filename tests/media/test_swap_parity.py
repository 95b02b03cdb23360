"""Scripted and live runs use the same graph, tools and prompts, and their messages have the same structure.

The live side uses rendered videos of the script, read by the offline models.
"""

from __future__ import annotations

import re

import pytest
from pydantic import PrivateAttr

from agentcvr_graph import create_cvr_graph
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.offline.audio import OfflineAudio
from agentcvr_graph.models.offline.vision import OfflineVision
from agentcvr_graph.perception.live import LivePerception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_script
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.video import rendered_question
from agentcvr_graph.testing import FakeMaster, answer, listen, observe, turn
from agentcvr_graph.tools import TOOL_SCHEMAS
from tests.support.rendered_clips import rendered

SCRIPT = make_script("PI", 1, LEVELS["easy"])
TURNS = [
    turn("An overview.", observe((1, 0, 8, 4), (2, 2, 9.5, 3), focus="door"), listen(1, 0, 9, id="l1")),
    turn("Wrong windows.", observe((3, 0, 5, 2), id="o2"), listen(2, 900, 950, id="l2")),
    turn("No such tool.", {"name": "peek", "args": {}, "id": "p"}),
    turn("Done.", answer("B", "the door", [{"video": 1, "start_s": 0, "end_s": 8, "modality": "visual"}])),
]


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Return a question and a perception for the script itself and for its rendered videos."""
    folder = tmp_path_factory.mktemp("rendered")
    live = LivePerception(OfflineVision(), OfflineAudio(), MediaLibrary(cache_dir=folder / "cache"))
    question = rendered_question(SCRIPT, rendered(SCRIPT))
    return {
        "scripted": (SCRIPT.as_question(), ScriptedPerception(ScriptLibrary.of([SCRIPT]))),
        "live": (question, live),
    }


class Recording(FakeMaster):
    """A fake master that records the tools bound to it."""

    _tools: list = PrivateAttr(default_factory=list)

    def bind_tools(self, tools, **kwargs):
        self._tools = list(tools)
        return self


async def run(case):
    question, perception = case
    master = Recording(turns=[message.model_copy() for message in TURNS])
    graph = create_cvr_graph(master, perception).compile()
    return graph, master, await graph.ainvoke(as_input(question))


def skeleton(message):
    """Return a message without its evidence and without notes on how the evidence was sampled."""
    lines = [line for line in message.text.splitlines() if not re.match(r"\[video |note: |Nothing to ", line)]
    # A rendered video is as long as its script to within a frame.
    text = re.sub(r"\b\d+\.\d s\b", lambda found: f"{float(found[0][:-2]):.0f} s", "\n".join(lines))
    calls = [(call["name"], call["args"]) for call in getattr(message, "tool_calls", [])]
    return message.type, text, calls, getattr(message, "tool_call_id", None)


async def test_scripted_and_live_runs_use_the_same_graph(cases):
    graphs = [create_cvr_graph(FakeMaster(turns=[]), perception).compile() for _, perception in cases.values()]
    drawings = [graph.get_graph(xray=True).draw_mermaid() for graph in graphs]
    assert drawings[0] == drawings[1]
    assert "visual_agent" in drawings[0]


async def test_the_master_receives_the_same_messages_except_for_the_evidence(cases):
    (_, scripted_master, scripted), (_, live_master, live) = [await run(case) for case in cases.values()]
    assert scripted_master._tools == live_master._tools == list(TOOL_SCHEMAS)
    assert [skeleton(m) for m in policy_messages(scripted)] == [skeleton(m) for m in policy_messages(live)]
    assert policy_messages(scripted)[1].text == policy_messages(live)[1].text  # the brief, to the letter
    assert len(scripted_master.seen) == len(live_master.seen) == 4


async def test_scripted_and_live_observations_agree(cases):
    (_, _, scripted), (_, _, live) = [await run(case) for case in cases.values()]
    for one, other in zip(scripted["observations"], live["observations"], strict=True):
        assert (one.modality, one.windows, one.focus) == (other.modality, other.windows, other.focus)
        for times_s, real_s in zip(one.frame_times_s, other.frame_times_s, strict=True):
            # Where samples lie further apart than key frames (1 s here), live perception uses the nearest key frame.
            assert times_s == pytest.approx(real_s, abs=0.51)
    signs = [
        {sign for said in output["observations"][0].evidence for sign in re.findall(r'"([^"]*)"', said.text)}
        for output in (scripted, live)
    ]
    assert signs[0] == signs[1] != set()
