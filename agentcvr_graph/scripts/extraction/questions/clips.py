"""Clips of extracted videos: the scenes of a window, with times from its start, as `FILE#t=start,end` has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agentcvr_graph.errors import InputError
from agentcvr_graph.media.segments import read_span
from agentcvr_graph.perception.clipping import clip_evidence
from agentcvr_graph.render import spoken
from agentcvr_graph.scripts.extraction.extracted import ExtractedVideo, find_video
from agentcvr_graph.scripts.schema import Scene
from agentcvr_graph.types import Evidence, Window, later

_MARK = "#t="
_SHORTEST_S = 0.05


def clip(video: ExtractedVideo, start_s: float, end_s: float) -> ExtractedVideo:
    """Return the part of a video between two times as a video of its own, which starts at 0.

    >>> from agentcvr_graph.scripts.schema import Scene, ScriptedVideo
    >>> scenes = (Scene(start_s=0, end_s=4, visual="a pan"), Scene(start_s=4, end_s=9, visual="a pot"))
    >>> part = clip(ExtractedVideo(name="a.mp4", video=ScriptedVideo(duration_s=9, scenes=scenes)), 4, 8)
    >>> part.name, part.video.duration_s, part.video.scenes[0].visual
    ('a.mp4#t=4,8', 4.0, 'a pot')

    Raises:
        InputError: the window is empty or ends after the video.
    """
    whole_s = video.video.duration_s
    if not 0 <= start_s < end_s <= whole_s + _SHORTEST_S:
        raise InputError(
            f"{video.name} has no clip from {start_s:g} to {end_s:g} s.", fix=f"Choose times from 0 to {whole_s:g} s."
        )
    end_s = min(end_s, whole_s)
    scenes = tuple(_clipped(video.video.scenes, start_s, end_s))
    scripted = video.video.model_copy(update={"duration_s": _rounded(end_s - start_s), "scenes": scenes})
    return video.model_copy(update={"name": _clip_name(video.name, start_s, end_s), "video": scripted})


def named_video(videos: Sequence[ExtractedVideo], source: str) -> ExtractedVideo:
    """Return the video, or the clip of one, that a question names: `soup.mp4`, `clips/soup`, `soup.mp4#t=0:10,0:25`.

    Raises:
        InputError: no extracted video has that name, several have it, it is not so long, or the clip is not understood.
    """
    name, is_clip, value = source.rpartition(_MARK)
    try:
        return _by_path(videos, source)  # the mark may be part of a name
    except InputError:
        if not is_clip:
            raise
    whole = _by_path(videos, name)
    try:
        start_s, end_s = read_span(value)
    except ValueError:
        raise InputError(
            f"the clip 't={value}' of {name!r} is not understood.", fix=f"Write it as '{name}#t=12.5,40'."
        ) from None
    end_s = whole.video.duration_s if end_s is None else end_s
    return whole if (start_s, end_s) == (0.0, whole.video.duration_s) else clip(whole, start_s, end_s)


def _clip_name(name: str, start_s: float, end_s: float) -> str:
    """Return the name of a clip; a clip of a clip counts from the start of the file."""
    file, is_clip, value = name.rpartition(_MARK)
    try:
        from_s = read_span(value)[0] if is_clip else 0.0
    except ValueError:  # the mark is part of a name
        is_clip, from_s = "", 0.0
    file = file if is_clip else name
    return f"{file}#t={_rounded(from_s + start_s):g},{_rounded(from_s + end_s):g}"


def _by_path(videos: Sequence[ExtractedVideo], name: str) -> ExtractedVideo:
    """Return a video by its name, or, of a path in other words, by its last part."""
    last = re.split(r"[/\\]", name)[-1]
    try:
        return find_video(videos, name)
    except InputError:
        if last in ("", name):
            raise
    try:
        return find_video(videos, last)
    except InputError as error:
        raise InputError(error.message.replace(repr(last), repr(name)), fix=error.fix) from None


def _clipped(scenes: Sequence[Scene], start_s: float, end_s: float) -> Iterator[Scene]:
    """Yield what a window shows and says; a scene and its words are cut at the edges."""
    for scene in scenes:
        first_s, last_s = max(scene.start_s, start_s), min(scene.end_s, end_s)
        if last_s - first_s > _SHORTEST_S:
            times = {"start_s": _rounded(first_s - start_s), "end_s": _rounded(last_s - start_s)}
            yield scene.model_copy(update={**times, **_speech(scene, start_s, end_s), **_sounds(scene, start_s, end_s)})


def _speech(scene: Scene, start_s: float, end_s: float) -> dict[str, object]:
    if not scene.caption:
        return {"speech_s": None, "word_times_s": ()}
    window = Window(video=1, start_s=start_s, end_s=end_s)
    said_s = Window(video=1, start_s=scene.spoken_s[0], end_s=scene.spoken_s[1])
    said = Evidence(text=spoken(scene.caption), window=said_s, word_times_s=scene.word_times_s)
    heard = clip_evidence(said, window)
    if heard is None or heard.window is None:
        return {"caption": "", "speech_s": None, "word_times_s": ()}
    whole = heard.window == said_s
    caption = scene.caption if whole else heard.text.strip('"')
    return {
        "caption": caption,
        "speech_s": (_rounded(heard.window.start_s - start_s), _rounded(heard.window.end_s - start_s)),
        "word_times_s": later(heard.word_times_s, -start_s),
    }


def _sounds(scene: Scene, start_s: float, end_s: float) -> dict[str, object]:
    kept = tuple(
        sound.model_copy(
            update={
                "start_s": _rounded(max(sound.start_s, start_s) - start_s),
                "end_s": _rounded(min(sound.end_s, end_s) - start_s),
            }
        )
        for sound in scene.facts.sounds
        if min(sound.end_s, end_s) - max(sound.start_s, start_s) > _SHORTEST_S
    )
    return {"facts": scene.facts.model_copy(update={"sounds": kept})}


def _rounded(time_s: float) -> float:
    return round(time_s, 3)
