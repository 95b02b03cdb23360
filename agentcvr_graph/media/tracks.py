"""Choose the tracks of a file: one picture, one sound, one track of subtitles, by the same rule everywhere.

The chosen track is the one that a player starts by default. Commentary, audio description, karaoke and cover pictures
serve other purposes and rank last or are left out. The ranks below are compared in order, and the first track of the
best rank is chosen:

- picture: not a cover or thumbnail, marked as default, largest picture;
- sound: not commentary or description (by its flags or its title), marked as default;
- subtitles: words (not pictures of words), never forced ones alone, not commentary, the language of the sound, not for
  the hard of hearing, marked as default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from agentcvr_graph.media.languages import language_code
from agentcvr_graph.types import Tracks

_COVER = Disposition.attached_pic | Disposition.timed_thumbnails
_ASIDE = (
    Disposition.comment
    | Disposition.descriptions
    | Disposition.visual_impaired
    | Disposition.hearing_impaired
    | Disposition.karaoke
    | Disposition.clean_effects
    | Disposition.non_diegetic
)
_ASIDE_TITLE = re.compile(
    r"comment(ary|aries|aire)|kommentar|comentario|descripti(on|ve)|audiodes[ck]|described|karaoke|\bAD\b|\bDVS\b",
    re.IGNORECASE,
)
_FORCED_TITLE = re.compile(r"\bforced\b|\bsigns\b|\bforc[ée]s?\b|\berzwungen\b", re.IGNORECASE)
_DEAF_TITLE = re.compile(r"\bSDH\b|\bCC\b|hearing|\bHI\b", re.IGNORECASE)
_BITMAPS = ("hdmv_pgs_subtitle", "pgssub", "dvd_subtitle", "dvdsub", "dvb_subtitle", "dvbsub", "xsub")


def picture_stream(container: InputContainer) -> VideoStream | None:
    """Return the video track that is shown; the cover picture of a sound file does not count."""
    shown = [s for s in container.streams.video if known(s) and not s.disposition & _COVER]
    return max(shown, key=lambda s: (_default(s), s.codec_context.width * s.codec_context.height), default=None)


def sound_stream(container: InputContainer) -> AudioStream | None:
    """Return the sound track that is heard."""
    heard = [s for s in container.streams.audio if known(s)]
    return max(heard, key=lambda s: (not _aside(s), _default(s)), default=None)


def subtitle_stream(container: InputContainer) -> SubtitleStream | None:
    """Return the subtitle track that is read: text in the language of the sound; None if there are only forced ones."""
    read = [s for s in container.streams.subtitles if known(s) and is_text(s) and not is_forced(s)]
    if len(read) < 2:
        return next(iter(read), None)
    sound = sound_stream(container)
    language = language_code(language_of(sound)) if sound is not None else ""
    return max(read, key=lambda s: _subtitle_rank(s, language), default=None)


def chosen_tracks(container: InputContainer) -> Tracks:
    """Return in words which tracks are used, of how many."""
    picture, sound, words = picture_stream(container), sound_stream(container), subtitle_stream(container)
    streams = container.streams
    return Tracks(
        picture=_named(picture, streams.video),
        sound=_named(sound, streams.audio),
        subtitles=_named(words, streams.subtitles),
    )


def known(stream: Stream) -> bool:
    """Return whether the stream has a decoder; PyAV's types claim that it always has."""
    return stream.codec_context is not None  # pyright: ignore[reportUnnecessaryComparison]


def is_text(stream: SubtitleStream) -> bool:
    """Return whether a subtitle track holds words, and not pictures of words."""
    return stream.codec_context.name not in _BITMAPS


def is_forced(stream: Stream) -> bool:
    """Return whether a subtitle track translates foreign parts only, by its flag or its title."""
    return bool(stream.disposition & Disposition.forced or _FORCED_TITLE.search(_title(stream)))


def language_of(stream: Stream) -> str:
    """Return the language tag of a track as the file states it; empty if it states none."""
    return stream.metadata.get("language", "")


def _default(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.default)


def _aside(stream: Stream) -> bool:
    return bool(stream.disposition & _ASIDE or _ASIDE_TITLE.search(_title(stream)))


def _subtitle_rank(stream: SubtitleStream, language: str) -> tuple[bool, bool, bool, bool]:
    deaf = bool(stream.disposition & Disposition.hearing_impaired or _DEAF_TITLE.search(_title(stream)))
    comment = bool(stream.disposition & Disposition.comment or _ASIDE_TITLE.search(_title(stream)))
    return not comment, bool(language) and language_code(language_of(stream)) == language, not deaf, _default(stream)


def _title(stream: Stream) -> str:
    return f"{stream.metadata.get('title', '')} {stream.metadata.get('handler_name', '')}"


def _named(stream: Stream | None, among: Iterable[Stream]) -> str:
    if stream is None:
        return ""
    tracks = list(among)
    number = next(n for n, other in enumerate(tracks, 1) if other.index == stream.index)
    about = [stream.metadata.get("language", ""), stream.metadata.get("title", ""), _default(stream) and "default"]
    said = ", ".join(str(part) for part in about if part)
    return f"track {number} of {len(tracks)}" + (f" ({said})" if said else "")
