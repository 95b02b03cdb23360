"""Voice detection: where a voice is, by the Silero model that comes with faster-whisper.

In: samples. Out: the first and last sample of each part with a voice. Music, noise, drums and silence are no parts, so
neither recogniser gets to invent words for them. The model knows no languages and no words: it also finds babble.
"""

from __future__ import annotations

from typing import Any, cast

from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Samples

PAUSE_S = 0.35
"""A pause of this length ends a part."""
MARGIN_S = 0.2
"""Sound before and after a voice that belongs to its part."""
LEAST_S = 0.1
"""A shorter sound is no voice."""
UNCLEAR_S = 1.0
"""Shorter unclear speech is not reported: a drum or a cough may sound like it."""
THRESHOLD = 0.5
"""Probability from which a sound is a voice."""


def voiced_parts(samples: Samples, *, longest_s: float = float("inf")) -> list[tuple[int, int]]:
    """Return the first and last sample of each part with a voice; longer parts are cut at a pause."""
    from faster_whisper import vad  # takes a while to import

    options = vad.VadOptions(
        threshold=THRESHOLD,
        max_speech_duration_s=longest_s,
        min_speech_duration_ms=round(LEAST_S * 1000),
        min_silence_duration_ms=round(PAUSE_S * 1000),
        speech_pad_ms=round(MARGIN_S * 1000),
    )
    found = cast(list[dict[str, Any]], cast(Any, vad).get_speech_timestamps(samples, options, SAMPLE_RATE_HZ))
    return [(int(part["start"]), int(part["end"])) for part in found]
