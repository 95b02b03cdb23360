"""The control of the feature `verify`: the same claims, judged on random windows of the same videos.

A random window rarely shows what a claim says, so the share of claims that are supported there is the judge's error,
together with claims that are true everywhere in a video. Each random window is as long as the cited one, does not
overlap it, and is observed as the second look was: same modality, same number of frames, no focus. The windows are
drawn from a seed and the question, so a control can be repeated, and that of one run does not depend on the others.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agentcvr_graph.catalogue import Sources
from agentcvr_graph.graph.checks import Look, plan_check, tool_for
from agentcvr_graph.models.claims import ClaimJudge
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.tools import TOOLS, Budget, Features, Toolset
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import ClaimedCitation, Verdict, Verification, VideoInfo
from agentcvr_graph.utils.concurrency import in_order

UNLIMITED = Budget(turns=1, frames=10**6, audio_s=1e9)
CLOSE_TOOLS = Toolset(Features(zoom=True).apply(TOOLS))
AT_ONCE = 4
"""Random windows that are observed at the same time."""


@dataclass
class Control:
    """The verdicts on random windows."""

    verdicts: list[Verdict] = field(default_factory=list[Verdict])
    skipped: int = 0
    """Claims whose video has no other window of that length."""

    @property
    def supported(self) -> float:
        """The share of claims that a random window supports: the judge's error; 0 without claims."""
        return self.verdicts.count("supported") / len(self.verdicts) if self.verdicts else 0.0


async def random_window_control(
    trajectories: Iterable[Trajectory], perception: Perception, judge: ClaimJudge, *, seed: int = 0
) -> Control:
    """Judge the claims of all checked citations of some runs on random windows of the same videos.

    Args:
        trajectories: runs with the feature `verify`; each claim that has a second look counts once.
        perception: what the runs observed with.
        judge: what judged the claims.
        seed: draws the windows.

    Raises:
        InfrastructureError: a window cannot be observed, or the judge failed.
    """
    control = Control()
    drawn: list[tuple[ClaimedCitation, Look, Sequence[VideoInfo]]] = []
    for trajectory in trajectories:
        videos = Sources(trajectory.videos, trajectory.video_count)
        rng = random.Random(f"{seed}/{trajectory.question}")
        for check in (one for one in trajectory.verifications if one.observation is not None):
            elsewhere = random_window(check.citation, trajectory.video(check.citation.video), rng)
            if elsewhere is None:
                control.skipped += 1
            else:
                drawn.append((elsewhere, _look(check), videos))

    async def judged(one: tuple[ClaimedCitation, Look, Sequence[VideoInfo]]) -> Verdict:
        cited, look, videos = one
        tools = CLOSE_TOOLS if look.zooms else TOOLS
        tool = tool_for(cited.modality, tools)
        check = plan_check(cited, look, videos, UNLIMITED, tools, 1, 0)
        seen = await tool.run(tool.load(check.assignment.request), perception, videos)
        return (await judge.judge(cited.claim, seen)).verdict

    control.verdicts = await in_order(judged, drawn, AT_ONCE)
    return control


def random_window(cited: ClaimedCitation, video: VideoInfo, rng: random.Random) -> ClaimedCitation | None:
    """Return a citation of another window of the video, as long and with the same claim; None if there is none."""
    length_s = cited.end_s - cited.start_s
    before_s, after_s = max(0.0, cited.start_s - length_s), max(0.0, video.duration_s - length_s - cited.end_s)
    if before_s + after_s <= 0:
        return None
    place_s = rng.uniform(0.0, before_s + after_s)
    start_s = place_s if place_s < before_s else cited.end_s + place_s - before_s
    return cited.model_copy(update={"start_s": start_s, "end_s": start_s + length_s})


def _look(check: Verification) -> Look:
    """Return how the cited window was looked at again."""
    seen = check.observation
    if seen is None or not seen.frame_times_s:
        return Look()
    return Look(max(1, len(seen.frame_times_s[0])), seen.zooms)
