"""Perception noise of the simulator: a few named error rates, and how they change evidence.

Every error is drawn from a seed and its place (script, video, scene, part, time of the first frame), so the same
request always has the same errors, and another request may do better. Errors remove and garble; what they insert comes
from fixed lists, so noise never carries anything from elsewhere in the script.

`OFF` makes no errors, but loses details in calls with many frames, as models that see several pictures at once do.
`CLEAR` loses nothing, like the offline vision model, which looks at every frame by itself. `MILD` makes a policy doubt
what it reads. `fitted()` has the rates of the offline vision and audio models, measured on rendered videos
(`agentcvr scripts sim-gap` wrote the file).
"""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from pydantic import Field, ValidationError

from agentcvr_graph.errors import InputError
from agentcvr_graph.types import FrozenModel

Rate = Field(default=0.0, ge=0, le=1)
LOOKALIKES = {
    "O": "0",
    "0": "O",
    "I": "1",
    "1": "I",
    "S": "5",
    "5": "S",
    "B": "8",
    "8": "B",
    "E": "F",
    "G": "6",
    "Z": "2",
}
MISHEARD = ("the", "a", "and", "it", "in", "to", "of", "that", "is", "he", "was", "on", "they", "one", "at", "her")
FITTED = "fitted"


class Noise(FrozenModel):
    """Error rates of simulated perception; rates are probabilities from 0 to 1."""

    name: str = "off"
    seed: int = 0
    missed_description: float = Rate
    """What the scene shows is not described (a model that reads text and measures, but does not describe pictures)."""
    missed_text: float = Rate
    """A line of on-screen text is not seen."""
    misread_text: float = Rate
    """A line of on-screen text is read with an error."""
    missed_colour: float = Rate
    """The colours are not named."""
    missed_motion: float = Rate
    """The movement is not noticed."""
    missed_speech: float = Rate
    """A caption is not heard at all."""
    garbled_speech: float = Field(default=1.0, ge=0, le=1)
    """Share of the captions that have wrong words at all: a recogniser gets most sentences right and some not."""
    word_errors: float = Rate
    """Share of the words of such a caption that are wrong or gone."""
    missed_sound: float = Rate
    """A sound that is not speech is not noticed."""
    time_jitter_s: float = Field(default=0.0, ge=0)
    """Standard deviation in seconds of the ends of a heard window."""
    crowded_frames: int = Field(default=32, ge=1)
    """Above this number of frames in one call details are lost; above twice the number, all but the gist."""

    @property
    def affects_vision(self) -> bool:
        """Whether visual evidence can have errors."""
        return (
            self.missed_description + self.missed_text + self.misread_text + self.missed_colour + self.missed_motion > 0
        )

    @property
    def affects_audio(self) -> bool:
        """Whether speech can have errors."""
        return any((self.missed_speech, self.word_errors, self.time_jitter_s))

    def at(self, *place: object) -> random.Random:
        """Return the random stream of one place."""
        return random.Random("|".join(str(part) for part in (self.seed, *place)))


OFF = Noise()
CLEAR = Noise(name="clear", crowded_frames=10_000)
MILD = Noise(
    name="mild",
    missed_description=0.05,
    missed_text=0.05,
    misread_text=0.05,
    missed_colour=0.1,
    missed_motion=0.1,
    missed_speech=0.02,
    word_errors=0.05,
    missed_sound=0.1,
    time_jitter_s=0.2,
)


@functools.cache
def fitted() -> Noise:
    """Return the measured rates of the offline perception."""
    return Noise.model_validate_json((files("agentcvr_graph.perception") / "offline_noise.json").read_bytes())


def resolve_noise(spec: str | Noise) -> Noise:
    """Return the noise for `off`, `clear`, `mild`, `fitted` or a JSON file of rates.

    Raises:
        InputError: none of these.
    """
    if isinstance(spec, Noise):
        return spec
    named = {"off": lambda: OFF, "clear": lambda: CLEAR, "mild": lambda: MILD, FITTED: fitted}
    if spec in named:
        return named[spec]()
    path = Path(spec).expanduser()
    if not path.is_file():
        raise InputError(f"There is no noise {spec!r}.", fix="Use off, clear, mild, fitted, or a JSON file of rates.")
    try:
        return Noise.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path}: {place}: {first['msg']}.", fix=f"Known rates: {', '.join(Noise.model_fields)}."
        ) from None


def misread(line: str, rng: random.Random) -> str:
    """Return a line with one letter taken for another, or without its last one where none looks like another."""
    places = [n for n, letter in enumerate(line) if letter.upper() in LOOKALIKES]
    if not places:
        return line[:-1] or line
    place = rng.choice(places)
    return line[:place] + LOOKALIKES[line[place].upper()] + line[place + 1 :]


def misheard(words: Sequence[str], rate: float, rng: random.Random) -> list[str]:
    """Return words with a share of them replaced by common ones, or gone."""
    heard: list[str] = []
    for word in words:
        if rng.random() >= rate:
            heard.append(word)
        elif rng.random() < 0.7:
            heard.append(rng.choice(MISHEARD))
    return heard
