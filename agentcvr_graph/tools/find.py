"""`find`: search what is known of the videos, and return the best windows with their statements.

What is found proves nothing: the observation has no windows, so it supports no citation and does not count as evidence.
The master observes or listens to the windows that it needs. Videos that are not indexed yet are indexed first, as far
as a fifth of the remaining budget allows; that is the planned cost, and the observation has the true one. Scripts are
indexed at no cost, and need no reserve.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, Field

from agentcvr_graph.catalogue import Sources
from agentcvr_graph.errors import ActionError
from agentcvr_graph.index.finder import Finder, Found, Query
from agentcvr_graph.index.windows import FoundWindow
from agentcvr_graph.index.words import query_words
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.render import quoted
from agentcvr_graph.tools.budget import Budget
from agentcvr_graph.tools.spec import ToolSpec
from agentcvr_graph.types import Cost, Evidence, Observation, Request, VideoInfo, Window

RESERVE = 5
"""One part in this many of the remaining budget may be spent on indexing."""
MOST_WINDOWS = 20
SHOWN_PROBLEMS = 3
"""Videos that cannot be indexed and are named with the reason."""


class FindArgs(BaseModel):
    # The policy reads this docstring and these descriptions.
    """Search what is seen, said and written in the videos: tells the best windows. Observe or listen to them next."""

    query: str = Field(description="Words to search for.")
    videos: list[int] = Field(default=[], description="Numbers of the videos to search; empty for all.")
    modality: Literal["", "visual", "audio"] = Field(default="", description="'visual', 'audio', or empty for both.")
    limit: int = Field(default=5, ge=1, description="How many windows to tell, at most.")


class Find(Request):
    """The request of `find`; `focus` is the query."""

    numbers: tuple[int, ...]
    """The videos to search; empty for all."""
    modality: Literal["", "visual", "audio"] = ""
    limit: int = 5
    reserve: Cost = Cost()
    """What may be spent on videos that are not indexed."""

    @property
    def windows(self) -> tuple[Window, ...]:
        return ()


def plan_find(arguments: FindArgs, videos: Sequence[VideoInfo], budget: Budget) -> tuple[Find, tuple[str, ...]]:
    """Check the numbers of the videos, and reserve a part of the budget.

    Raises:
        ActionError: the query has no words, or no video has one of the numbers.
    """
    if not query_words(arguments.query):
        raise ActionError("find: query: there is no word to search for.")
    known = [number for number in dict.fromkeys(arguments.videos) if 1 <= number <= len(videos)]
    unknown = [number for number in dict.fromkeys(arguments.videos) if number not in known]
    notes: list[str] = []
    if unknown:
        notes.append(f"There is no video {listed(unknown)}; the videos are 1 to {len(videos)}.")
        if not known:
            raise ActionError(notes[0])
    if arguments.limit > MOST_WINDOWS:
        notes.append(f"At most {MOST_WINDOWS} windows are told.")
    request = Find(
        focus=arguments.query,
        numbers=tuple(known),
        modality=arguments.modality,
        limit=min(arguments.limit, MOST_WINDOWS),
        reserve=_reserve(videos, budget),
    )
    return request, tuple(notes)


def _reserve(videos: Sequence[VideoInfo], budget: Budget) -> Cost:
    if isinstance(videos, Sources) and not videos.index_costs:
        return Cost()
    return Cost(frames=max(0, budget.frames) // RESERVE, audio_s=max(0.0, budget.audio_s) / RESERVE)


def find_progress(request: Find) -> str:
    """Return `searching 2 videos for "salt"`."""
    count = len(request.numbers)
    places = f"{count} video{'' if count == 1 else 's'}" if count else "all videos"
    return f"searching {places} for {quoted(request.focus)}"


def find_tool(finder: Finder) -> ToolSpec[FindArgs, Find]:
    """Return the tool over the indexes that a finder keeps."""

    async def run(request: Find, perception: Perception, videos: Sequence[VideoInfo]) -> Observation:
        numbers = request.numbers or tuple(range(1, len(videos) + 1))
        query = Query(request.focus, numbers, request.modality or None, request.limit)
        return _observation(request, await finder.find(query, perception, videos, request.reserve))

    return ToolSpec(
        name="find",
        arguments=FindArgs,
        hint="searches what is seen, said and written in many videos and tells the best windows. It proves nothing: "
        "observe or listen to these windows before you answer.",
        request=Find,
        aliases={"search": {}, "search_videos": {}},
        modality="index",
        node="search",
        plan=plan_find,
        run=run,
        cost=lambda request: request.reserve,
        progress=find_progress,
        reaches_all=True,
        to_arguments=lambda request: {
            "query": request.focus,
            "videos": list(request.numbers),
            "modality": request.modality,
            "limit": request.limit,
        },
    )


def _observation(request: Find, found: Found) -> Observation:
    return Observation(
        modality="index",
        windows=(),
        focus=request.focus,
        evidence=tuple(said for number, window in found.windows for said in _evidence(number, window)),
        notes=tuple(_notes(found)),
        model="index",
        cost=found.cost,
    )


def _evidence(number: int, window: FoundWindow) -> Iterable[Evidence]:
    for said in window.statements:
        yield Evidence(text=said.text, window=Window(video=number, start_s=said.start_s, end_s=said.end_s))


def _notes(found: Found) -> Iterable[str]:
    if found.beyond:
        one = len(found.beyond) == 1
        videos = f"Video {found.beyond[0]} was" if one else f"Videos {listed(found.beyond)} were"
        yield f"{videos} not searched: not indexed yet, and a search may spend a fifth of what is left."
    for number, reason in found.problems[:SHOWN_PROBLEMS]:
        yield f"Video {number} could not be searched: {reason}"
    if more := [number for number, _ in found.problems[SHOWN_PROBLEMS:]]:
        yield f"Nor could video {listed(more)}."
    if found.note:
        yield found.note


def listed(numbers: Iterable[int]) -> str:
    """Return numbers with their runs shortened.

    >>> listed([3, 5, 6, 7, 12])
    '3, 5-7, 12'
    """
    ordered = sorted(numbers)
    starts = ordered[:1] + [after for before, after in pairwise(ordered) if after != before + 1]
    ends = [before for before, after in pairwise(ordered) if after != before + 1] + ordered[-1:]
    runs = zip(starts, ends, strict=True)
    return ", ".join(str(start) if start == end else f"{start}-{end}" for start, end in runs)


FIND = find_tool(Finder())
"""The tool over the indexes of this process: one file for each cache folder, and scripts in memory."""
