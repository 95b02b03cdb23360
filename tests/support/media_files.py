"""Small real media files for tests, made by ffmpeg."""

from __future__ import annotations

import subprocess
from pathlib import Path


def ffmpeg(arguments: str, path: Path) -> Path:
    """Run ffmpeg with an output file."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments.split(), str(path)], check=True)
    return path


def counting(path: Path, *, seconds: int = 8, fps: int = 10, group: int = 20, more: str = "") -> Path:
    """Make a video whose brightness encodes the time (luma is 20 + 25 x second), with a 440 Hz tone from 2 to 4 s."""
    picture = f"color=black:s=320x180:r={fps}:d={seconds},geq=lum='20+25*floor(T)':cb=128:cr=128"
    sound = f"aevalsrc='0.5*sin(2*PI*440*t)*between(t,2,4)':d={seconds}:s=44100"
    codec = f"-c:v libx264 -g {group} -keyint_min {group} -sc_threshold 0 -pix_fmt yuv420p -c:a aac -shortest"
    return ffmpeg(f"-f lavfi -i {picture} -f lavfi -i {sound} {codec} {more}", path)


def second_of(pixels) -> int:
    """Return the second that a frame of `counting` shows."""
    return round((float(pixels.mean()) * 219 / 255 + 16 - 20) / 25)
