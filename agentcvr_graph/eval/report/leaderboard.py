"""Published results on CrossVid: README of the release, November 2025. Per cent, single pass.

Frames are per question. The averages are those of `benchmarks/crossvid.py`. The authors of the benchmark measured human
performance (arXiv 2511.12263).
"""

from __future__ import annotations

from typing import NamedTuple

COLUMNS = ("O", "C", "T", "M", "CCQA")


class Published(NamedTuple):
    """One published result."""

    model: str
    frames: str
    scores: tuple[float | None, ...]
    """In the order of `COLUMNS`; None where a score is not reported."""


CROSSVID = (
    Published("human", "", (89.2, None, None, None, None)),
    Published("Gemini-2.5-Pro", "128", (50.4, 54.7, 56.0, 28.7, 59.8)),
    Published("GPT-4.1", "<50", (45.2, 47.6, 46.7, 38.4, 44.6)),
    Published("Doubao-1.5-VL-pro", "256", (44.3, 53.8, 36.1, 34.7, 50.1)),
    Published("GPT-4o", "<50", (36.8, 43.1, 35.5, 27.4, 34.2)),
    Published("GLM-4.1V-9B-Thinking", "256", (35.1, 44.7, 23.1, 37.8, 26.9)),
    Published("Qwen2.5-VL-72B", "256", (34.4, 42.1, 29.2, 23.5, 41.2)),
    Published("Qwen2.5-VL-32B", "256", (33.7, 38.3, 26.5, 31.7, 41.2)),
    Published("MiMo-7B", "256", (28.3, 31.2, 23.0, 33.6, 22.0)),
    Published("Kimi-VL-A3B-Thinking", "256", (28.2, 33.4, 17.9, 32.7, 29.2)),
    Published("LLaVA-Video-72B", "128", (27.5, 33.9, 22.0, 27.9, 17.8)),
    Published("InternVL3-78B", "128", (25.8, 33.1, 15.6, 28.1, 23.2)),
    Published("InternVL3-8B", "128", (25.6, 26.1, 20.3, 40.7, 9.7)),
    Published("MiniCPM-O 2.6", "128", (25.6, 26.2, 26.4, 31.4, 9.0)),
    Published("Qwen2.5-Omni-7B", "64", (24.6, 26.7, 21.6, 29.6, 15.3)),
    Published("Qwen2.5-VL-7B", "256", (18.3, 19.3, 20.0, 16.8, 12.0)),
)
