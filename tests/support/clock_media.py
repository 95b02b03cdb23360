"""Media in which the second can be read off the picture and heard in the sound, in many containers and with odd clocks.

The picture's luma is 20 + 15 x second, the sound is a tone of 400 + 100 x second Hz, for twelve seconds. `CLOCKS` says
how each file is made from that clip, and which second of it should be seen and heard when.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agentcvr_graph.media.base import Clip
from tests.support.disk_cache import cached_folder

SECONDS = 12
_PICTURE = f"color=c=black:s=96x64:r=25:d={SECONDS},format=yuv420p,geq=lum='20+15*floor(T+0.0001)':cb=128:cr=128"
_SOUND = f"aevalsrc='0.5*sin(2*PI*(400+100*floor(t))*t)':s=48000:d={SECONDS}"
_X264 = "-c:v libx264 -preset veryfast -crf 12 -g 25 -sc_threshold 0 -bf 2"


@dataclass(frozen=True)
class Clock:
    """How a file is made, and what it holds."""

    how: str
    """Shell commands; `F` is ffmpeg, `$B` the clip, `$O` the result."""
    length_s: float = float(SECONDS)
    picture_s: float | None = 0.0
    """Time of the file at which second 0 is seen; None without a picture."""
    sound_s: float | None = 0.0
    """Time of the file at which second 0 is heard; None without sound."""
    silent_s: tuple[float, float] = (0.0, 0.0)
    note: str = ""
    """A part of the note that is expected."""

    @property
    def tolerance_s(self) -> float:
        """How much the length may differ: a file cut at a byte ends somewhere near its middle."""
        return 1.5 if "head -c" in self.how else 0.15


_NO_SOUND_4_8 = """-af "aselect='not(between(t,4,8))'" """
_LATE_PICTURE = "F -itsoffset 3 -i $B -i $B -map 0:v -map 1:a -c copy $O"
_LATE_SOUND = "F -itsoffset 3 -i $B -i $B -map 1:v -map 0:a -c copy $O"
_CUT_IN_HALF = "head -c $(($(stat -c %s whole) / 2)) whole > $O"
CLOCKS: dict[str, Clock] = {
    "plain.mp4": Clock("F -i $B -c copy $O"),
    "plain.mov": Clock(f"F -i $B {_X264} -c:a pcm_s16le $O"),
    "plain.mkv": Clock("F -i $B -c copy $O"),
    "plain.webm": Clock("F -i $B -c:v libvpx -deadline realtime -cpu-used 8 -g 25 -b:v 1M -c:a libopus $O"),
    "plain.avi": Clock("F -i $B -c:v mpeg4 -q:v 2 -bf 2 -c:a libmp3lame $O"),
    "plain.flv": Clock("F -i $B -c copy $O"),
    "plain.asf": Clock("F -i $B -c:v wmv2 -q:v 2 -c:a wmav2 $O"),
    "plain.ts": Clock("F -i $B -c copy $O"),
    "plain.mpg": Clock("F -i $B -c:v mpeg2video -q:v 2 -c:a mp2 $O"),
    "plain.ogv": Clock("F -i $B -vf noise=alls=2 -c:v libtheora -q:v 9 -g 25 -c:a libvorbis -f ogg $O"),
    "fragmented.mp4": Clock("F -i $B -c copy -movflags frag_keyframe+empty_moov+default_base_moof -f mp4 - | cat > $O"),
    "streamed.mkv": Clock("F -i $B -c copy -f matroska - | cat > $O"),
    "streamed.flv": Clock("F -i $B -c copy -flvflags no_duration_filesize -f flv - | cat > $O"),
    "bare.h264": Clock("F -i $B -c copy -an $O", sound_s=None),
    "bare.hevc": Clock(
        "F -i $B -an -c:v libx265 -preset ultrafast -x265-params log-level=0:keyint=25 $O", sound_s=None
    ),
    "bare.aac": Clock("F -i $B -c copy -vn $O", picture_s=None),
    "bare.ac3": Clock("F -i $B -vn $O", picture_s=None),
    "xing.mp3": Clock("F -i $B -vn -c:a libmp3lame $O", picture_s=None),
    "variable.mp3": Clock("F -i $B -vn -c:a libmp3lame -q:a 9 -write_xing 0 $O", picture_s=None),
    "plain.opus": Clock("F -i $B -vn -c:a libopus $O", picture_s=None),
    "plain.ogg": Clock("F -i $B -vn -c:a libvorbis $O", picture_s=None),
    "plain.m4a": Clock("F -i $B -vn -c copy $O", picture_s=None),
    "plain.wav": Clock("F -i $B -vn $O", picture_s=None),
    "plain.flac": Clock("F -i $B -vn $O", picture_s=None),
    "hole.mp4": Clock(f"F -i $B -c:v copy {_NO_SOUND_4_8} -c:a aac $O", silent_s=(4, 8)),
    "hole.mkv": Clock(f"F -i $B -c:v copy {_NO_SOUND_4_8} -c:a libopus $O", silent_s=(4, 8)),
    "hole.ts": Clock(f"F -i $B -c:v copy {_NO_SOUND_4_8} -c:a aac $O", silent_s=(4, 8)),
    "hole.flv": Clock(f"F -i $B -c:v copy {_NO_SOUND_4_8} -c:a aac $O", silent_s=(4, 8)),
    "hole.mpg": Clock(f"F -i $B -c:v mpeg2video -q:v 2 {_NO_SOUND_4_8} -c:a mp2 $O", silent_s=(4, 8)),
    "late-picture.mp4": Clock(_LATE_PICTURE, 15, 3, 0, silent_s=(12, 15), note="no picture yet"),
    "late-picture.mkv": Clock(_LATE_PICTURE, 15, 3, 0, silent_s=(12, 15), note="no picture yet"),
    "late-picture.ts": Clock(_LATE_PICTURE, 15, 3, 0, silent_s=(12, 15), note="no picture yet"),
    "late-sound.mp4": Clock(_LATE_SOUND, 15, 0, 3, silent_s=(0, 3), note="no picture any more"),
    "late-sound.mkv": Clock(_LATE_SOUND, 15, 0, 3, silent_s=(0, 3), note="no picture any more"),
    "late-sound.ts": Clock(_LATE_SOUND, 15, 0, 3, silent_s=(0, 3), note="no picture any more"),
    "offset.mkv": Clock("F -itsoffset 5 -i $B -c copy $O"),
    "offset.ts": Clock("F -i $B -c copy -output_ts_offset 30 $O"),
    "offset.mpg": Clock("F -i $B -c:v mpeg2video -q:v 2 -c:a mp2 -output_ts_offset 30 $O"),
    "offset-sound.ts": Clock("F -i $B -vn -c copy -output_ts_offset 3 $O", picture_s=None),
    "wrapping.ts": Clock("F -i $B -c copy -output_ts_offset 95440 $O"),
    "edited.mp4": Clock("F -ss 3.4 -i $B -c copy $O", 8.6, -3.4, -3.4),
    "edited.mov": Clock("F -ss 3.4 -i $B -c copy $O", 8.6, -3.4, -3.4),
    "one-key.ts": Clock(f"F -i $B {_X264} -g 1000 -c:a copy $O"),
    "one-key.mkv": Clock(f"F -i $B {_X264} -g 1000 -c:a copy $O"),
    "one-key.mp4": Clock(f"F -i $B {_X264} -g 1000 -c:a copy $O"),
    "uneven.mkv": Clock(f"F -i $B -vf \"select='lt(t,4)+not(mod(n,5))'\" -fps_mode vfr {_X264} -c:a copy $O"),
    "jumping.ts": Clock(
        "F -t 6 -i $B -c copy -muxdelay 0 1.ts; F -ss 6 -i $B -c copy -muxdelay 0 -output_ts_offset 3600 2.ts;"
        " cat 1.ts 2.ts > $O",
        note="clock jumps forward by 3",
    ),
    "restarting.ts": Clock(
        "F -t 6 -i $B -c copy -muxdelay 0 1.ts; F -ss 6 -i $B -c copy -muxdelay 0 2.ts; cat 1.ts 2.ts > $O",
        note="clock jumps back by",
    ),
    "restarting.mpg": Clock(
        "F -t 6 -i $B -c:v mpeg2video -q:v 2 -c:a mp2 1.mpg; F -ss 6 -i $B -c:v mpeg2video -q:v 2 -c:a mp2 2.mpg;"
        " cat 1.mpg 2.mpg > $O",
        note="clock jumps back by",
    ),
    "chained.opus": Clock(
        "F -t 6 -i $B -vn -c:a libopus -serial_offset 5 1.opus;"
        " F -ss 6 -i $B -vn -c:a libopus -serial_offset 99 2.opus; cat 1.opus 2.opus > $O",
        picture_s=None,
        note="clock jumps back by",
    ),
    "recording.vob": Clock("F -i $B -c:v mpeg2video -q:v 2 -c:a mp2 -f vob $O"),
    "programs.ts": Clock(
        "F -i $B -itsoffset 2 -f lavfi -i sine=5000:d=12 -map 0 -map 1 -c copy -c:a aac"
        " -program title=A:st=0:st=1 -program title=B:st=2 $O"
    ),
    "changing-sound.ts": Clock(
        "F -t 6 -i $B -c:v copy -ac 1 -ar 22050 -c:a aac -muxdelay 0 1.ts;"
        " F -ss 6 -i $B -c:v copy -ac 2 -ar 48000 -c:a aac -muxdelay 0 -output_ts_offset 6 2.ts; cat 1.ts 2.ts > $O",
    ),
    "changing-picture.ts": Clock(
        f"F -t 6 -i $B {_X264} -c:a copy -muxdelay 0 1.ts;"
        f" F -ss 6 -i $B -s 192x128 {_X264} -pix_fmt yuv444p -c:a copy -muxdelay 0 -output_ts_offset 6 2.ts;"
        " cat 1.ts 2.ts > $O",
    ),
    "cut.mkv": Clock(f"F -i $B -c copy -f matroska whole; {_CUT_IN_HALF}", 6, note="cut off"),
    "cut.mp4": Clock(f"F -i $B -c copy -movflags +faststart -f mp4 whole; {_CUT_IN_HALF}", 6, note="cut off"),
    "cut.avi": Clock(f"F -i $B -c:v mpeg4 -q:v 2 -c:a libmp3lame -f avi whole; {_CUT_IN_HALF}", 6, note="cut off"),
    "cut.ts": Clock(f"F -i $B -c copy -f mpegts whole; {_CUT_IN_HALF}", 6),
    "cut.wav": Clock(f"F -i $B -vn -f wav whole; {_CUT_IN_HALF}", 6, picture_s=None, note="cut off"),
    "cut.mp3": Clock(f"F -i $B -vn -f mp3 whole; {_CUT_IN_HALF}", 6, picture_s=None),
}
"""File name -> how it is made and what it holds."""


def clock_folder() -> Path:
    """Return the folder of all files of `CLOCKS`, made once."""
    return cached_folder("clocks", [Path(__file__)], make_clocks)


def seen_second(pixels) -> float:
    """Return the second that a frame shows."""
    return (float(pixels.mean()) * 219 / 255 + 16 - 20) / 15


def heard_second(samples) -> float:
    """Return the second that a part of the sound belongs to; -1 for silence."""
    if np.abs(samples).max() < 0.05:
        return -1
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return (float(spectrum.argmax()) * 16_000 / len(samples) - 400) / 100


def expected_second(clock: Clock, start_s: float, time_s: float) -> int | None:
    """Return the second that belongs to a time of the file; None outside the clip, and at the edge of a second."""
    own_s = time_s - start_s
    whole = int(own_s)
    inside = 0.15 < own_s - whole < 0.85 and own_s < min(SECONDS, clock.length_s - start_s) - 0.4
    return whole if own_s > 0 and inside else None


def times_of(clock: Clock) -> list[float]:
    """Return the times at which a file is looked at and listened to: two a second."""
    return [0.35 + 0.5 * n for n in range(int(2 * clock.length_s) - 1)]


def reads_as_it_plays(media: Clip, clock: Clock) -> bool:
    """Return whether a file has the length that a player shows, and the right seconds are seen and heard in it."""
    end_s = media.info.duration_s
    if abs(end_s - clock.length_s) > clock.tolerance_s:
        return False
    times_s = [time_s for time_s in times_of(clock) if time_s < end_s - 0.4]
    return all(_is_seen(media, clock, time_s) and _is_heard(media, clock, time_s) for time_s in times_s)


def _is_seen(media: Clip, clock: Clock, time_s: float) -> bool:
    second = None if clock.picture_s is None else expected_second(clock, clock.picture_s, time_s)
    return second is None or abs(seen_second(media.frames([time_s])[0].pixels) - second) <= 0.35


def _is_heard(media: Clip, clock: Clock, time_s: float) -> bool:
    second = None if clock.sound_s is None else expected_second(clock, clock.sound_s, time_s)
    if second is None:
        return True
    heard = heard_second(media.sound(time_s - 0.1, time_s + 0.1))
    return heard == -1 if clock.silent_s[0] - 0.05 < time_s < clock.silent_s[1] else abs(heard - second) <= 0.2


def make_clocks(folder: Path) -> None:
    """Make all files of `CLOCKS` in a folder."""
    run = 'F() { ffmpeg -v error -y "$@"; }; set -eo pipefail; '
    base = f"F -f lavfi -i $'{_quoted(_PICTURE)}' -f lavfi -i $'{_quoted(_SOUND)}' {_X264} -c:a aac -b:a 96k base.mp4"
    subprocess.run(["bash", "-c", run + base], cwd=folder, check=True)
    for name, clock in CLOCKS.items():
        subprocess.run(["bash", "-c", f"{run} B=base.mp4; O={name}; {clock.how}"], cwd=folder, check=True)


def _quoted(text: str) -> str:
    return text.replace("'", "\\'")
