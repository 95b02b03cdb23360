"""Which videos a job is about, drawn from those that were extracted.

Most tasks take different videos: one at random, and others that share many words with it, because questions compare.
Sorting (PSS) takes the shuffled parts of one video, whose order is the key, and plot inference (PI) the beginning and
the end of one, whose middle only the writer sees. Videos that are too long for one request are cut to a clip, and the
question is about the clip.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from agentcvr_graph.errors import InputError
from agentcvr_graph.models.focus import stems
from agentcvr_graph.scripts.extraction.extracted import ExtractedVideo
from agentcvr_graph.scripts.extraction.questions.clips import clip
from agentcvr_graph.scripts.extraction.questions.notes import notes_of
from agentcvr_graph.scripts.generators.llm.jobs import Job
from agentcvr_graph.scripts.schema import ScriptedVideo, Task

MOST_CHARACTERS = 12_000
"""Notes on one video in a request: about 3,000 tokens."""
NEAREST = 8
"""Videos among which the others of a question are drawn."""
PARTS: dict[Task, int] = {"PSS": 4, "PI": 3}
"""Tasks about the parts of one video -> the smallest number of scenes that it needs."""

IN_WORK = 128
"""Jobs whose videos are kept."""
HIDDEN = 3
"""Number of the hidden middle of PI in its notes."""


@dataclass(frozen=True)
class Chosen:
    """The videos of a job."""

    videos: tuple[ExtractedVideo, ...]
    key: str = ""
    """The right answer where the videos decide it: the order of PSS."""
    hidden: tuple[str, ...] = ()
    """Notes that only the writer sees: the middle of PI."""

    @property
    def scripted(self) -> tuple[ScriptedVideo, ...]:
        return tuple(video.video for video in self.videos)

    @property
    def names(self) -> list[str]:
        return [video.name for video in self.videos]


def require_enough(tasks: Collection[Task], videos: Sequence[ExtractedVideo]) -> None:
    """Check that there are videos for each task.

    Raises:
        InputError: there are not.
    """
    for task in sorted(tasks):
        least = PARTS.get(task)
        if least is None and len(videos) < 2:
            raise InputError(
                f"{task} needs at least 2 extracted videos, and there is {len(videos)}.",
                fix=f"Extract more videos, or choose from {', '.join(PARTS)}, which ask about parts of one video.",
            )
        if least is not None and not _with_scenes(videos, least):
            raise InputError(
                f"{task} needs a video of at least {least} scenes, and none has so many.",
                fix="Extract longer videos, or choose other tasks with -t.",
            )


class Pool:
    """The extracted videos, from which jobs draw. The same job and attempt draw the same videos."""

    draw: Callable[[Job], Chosen]
    """Return the videos of a job; kept for the jobs in work, which need them for the request and for each draft."""

    def __init__(self, videos: Sequence[ExtractedVideo]) -> None:
        self._videos = list(videos)
        self.draw = functools.lru_cache(maxsize=IN_WORK)(self._drawn)
        self._words: dict[str, frozenset[str]] = {}
        """Word stems of what a video shows and says, by its name; filled as they are needed."""

    def _drawn(self, job: Job) -> Chosen:
        if job.task not in PARTS:
            return Chosen(tuple(_short_enough(video, job) for video in self._related(job)))
        rng = job.rng("own videos")
        whole = _short_enough(rng.choice(_with_scenes(self._videos, PARTS[job.task])), job)
        if job.task == "PI":
            beginning, middle, end = _parts(whole, 3)
            return Chosen((beginning, end), hidden=tuple(notes_of(middle.video, HIDDEN)))
        parts = _parts(whole, min(job.videos, len(whole.video.scenes)))
        order = rng.sample(range(len(parts)), len(parts))  # order[n] is the part that is shown as video n + 1
        key = "->".join(str(order.index(n) + 1) for n in range(len(parts)))
        return Chosen(tuple(parts[n] for n in order), key)

    def _related(self, job: Job) -> list[ExtractedVideo]:
        """Draw one video, and the others among the `NEAREST` that share most words with it; in any order."""
        rng = job.rng("own videos")
        count = min(job.videos, len(self._videos))
        first = rng.choice(self._videos)
        others = [video for video in self._videos if video.name != first.name]
        if len(others) > NEAREST:
            others = sorted(others, key=lambda video: self._likeness(first, video), reverse=True)[:NEAREST]
        return rng.sample([first, *rng.sample(others, count - 1)], count)

    def _likeness(self, one: ExtractedVideo, other: ExtractedVideo) -> float:
        """Return the share of common words (Jaccard)."""
        mine, its = self._words_of(one), self._words_of(other)
        return len(mine & its) / max(1, len(mine | its))

    def _words_of(self, video: ExtractedVideo) -> frozenset[str]:
        if video.name not in self._words:
            texts = (text for scene in video.video.scenes for text in (scene.visual, scene.caption, *scene.facts.text))
            self._words[video.name] = frozenset[str]().union(*map(stems, texts))
        return self._words[video.name]


def _with_scenes(videos: Sequence[ExtractedVideo], least: int) -> list[ExtractedVideo]:
    return [video for video in videos if len(video.video.scenes) >= least]


def _short_enough(video: ExtractedVideo, job: Job) -> ExtractedVideo:
    """Return the video, or a clip of whole scenes whose notes are not too long."""
    scenes = video.video.scenes
    lengths = [sum(map(len, notes_of(video.video.model_copy(update={"scenes": (scene,)}), 1))) for scene in scenes]
    if sum(lengths) <= MOST_CHARACTERS:
        return video
    first = last = job.rng(f"clip of {video.name}").randrange(len(scenes))
    size = lengths[first]
    while True:
        after = last + 1 < len(scenes) and size + lengths[last + 1] <= MOST_CHARACTERS
        before = first > 0 and size + lengths[first - 1] <= MOST_CHARACTERS
        if after:
            last += 1
            size += lengths[last]
        elif before:
            first -= 1
            size += lengths[first]
        else:
            return clip(video, scenes[first].start_s, scenes[last].end_s)


def _parts(video: ExtractedVideo, count: int) -> list[ExtractedVideo]:
    """Return a video cut between scenes into parts with equally many scenes."""
    scenes = video.video.scenes
    firsts = [round(n * len(scenes) / count) for n in range(count)]
    starts_s = [0.0, *(scenes[first].start_s for first in firsts[1:])]
    ends_s = [*starts_s[1:], video.video.duration_s]
    return [clip(video, start_s, end_s) for start_s, end_s in zip(starts_s, ends_s, strict=True)]
