"""The control of the feature `verify`: claims on random windows of the same videos."""

from __future__ import annotations

import random
from typing import Any

from agentcvr_graph import Observation, Trajectory, create_cvr_graph, trajectory_of
from agentcvr_graph.eval.claim_control import random_window, random_window_control
from agentcvr_graph.models.claims import Judgement, WordClaimJudge
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn
from agentcvr_graph.tools import Features
from agentcvr_graph.types import ClaimedCitation, Observe, Video, VideoInfo

VIDEO = VideoInfo(number=1, video=Video(source="a.mp4"), duration_s=30.0, width=640, height=360)


def cited(start_s: float, end_s: float, modality: Any = "visual") -> ClaimedCitation:
    return ClaimedCitation(video=1, start_s=start_s, end_s=end_s, modality=modality, claim="A ball is red.")


def test_random_windows_are_as_long_stay_in_the_video_and_do_not_overlap_the_cited_one():
    rng = random.Random(0)
    for window in (cited(0, 10), cited(12, 15), cited(25, 30), cited(2, 12), cited(0, 14.9)):
        for _ in range(50):
            other = random_window(window, VIDEO, rng)
            assert other is not None
            assert abs(other.duration_s - window.duration_s) < 1e-9 and other.overlap_s(window) < 1e-9
            assert other.start_s >= 0 and other.end_s <= VIDEO.duration_s + 1e-9 and other.claim == window.claim


def test_a_window_that_fills_its_video_has_no_other():
    assert random_window(cited(0, 30), VIDEO, random.Random(0)) is None
    assert random_window(cited(10, 25), VIDEO, random.Random(0)) is None


async def checked_run() -> Trajectory:
    """Run a question whose answer cites three windows; the last one fills its video."""
    windows = (cited(0, 6), cited(6, 12, "audio"), cited(0, 60))
    turns = [
        turn("", observe((1, 0, 60, 4)), listen(1, 0, 20, id="l")),
        turn("", answer("A", "", [one.model_dump() for one in windows])),
        turn("", answer("A", "", [], id="again")),
    ]
    graph = create_cvr_graph(FakeMaster(turns=turns), FakePerception(), features=Features(verify=True)).compile()
    return trajectory_of(await graph.ainvoke({"question": "q", "videos": ["a.mp4"], "options": ["x", "y"]}))


class Recorder:
    """A judge that supports every second claim."""

    name = "recorder"

    def __init__(self) -> None:
        self.count = 0

    async def judge(self, claim: str, seen: Observation) -> Judgement:
        self.count += 1
        return Judgement("supported" if self.count % 2 else "unclear")


async def test_the_share_that_random_windows_support_is_the_error_of_the_judge():
    control = await random_window_control([await checked_run()], FakePerception(), Recorder())
    assert (control.supported, len(control.verdicts), control.skipped) == (0.5, 2, 1)


async def test_random_windows_are_observed_as_the_second_looks_were_and_can_be_repeated():
    runs = [await checked_run()]
    one, other, another = FakePerception(), FakePerception(), FakePerception()
    await random_window_control(runs, one, WordClaimJudge(), seed=3)
    await random_window_control(runs, other, WordClaimJudge(), seed=3)
    await random_window_control(runs, another, WordClaimJudge(), seed=4)
    assert one.requests == other.requests != another.requests
    look = next(request for request in one.requests if isinstance(request, Observe))
    assert (look.focus, look.frames) == ("", 8) and len(one.requests) == 2


async def test_without_claims_there_is_no_error():
    assert (await random_window_control([], FakePerception(), WordClaimJudge())).supported == 0
