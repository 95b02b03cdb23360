"""Rules that guess a library question without finding its video: by a title, by a decoy, or by a count over all."""

from __future__ import annotations

import functools
import re
from collections import Counter
from string import ascii_uppercase

from agentcvr_graph.scripts.generators.procedural import LEVELS, make_scripts
from agentcvr_graph.scripts.generators.procedural.library import TEMPLATES
from agentcvr_graph.scripts.generators.procedural.stalls import stated

COUNT = 1200
KINDS = ("choice", "text", "number", "interval")
SOME = {"choice": "A", "text": "the farm", "number": 1.0, "interval": (10.0, 15.0)}


class Guessed:
    """A script, and what each of its videos would answer; None where that is no option."""

    def __init__(self, script):
        self.script = script
        self.template = next(t for t in TEMPLATES if t.kind == script.kind and t.read(script.question))
        self.answers = [self._answer(video) for video in script.videos]
        self.decisive = {window.video - 1 for window in script.evidence}
        self.asked = words_of(script.question)

    def _answer(self, video):
        fact = self.template.shown[-1]
        if self.script.kind == "interval":
            scene = next(scene for scene in video.scenes if fact.read(scene))
            return scene.start_s, scene.end_s
        [found] = stated(video, fact).values()
        if self.script.kind == "choice":
            options = self.script.options
            return ascii_uppercase[options.index(found)] if found in options else None
        return float(found) if self.script.kind == "number" else f"the {found}"

    def first(self, videos):
        """Return the answer of the first of these videos that has one."""
        found = (self.answers[n] for n in videos if self.answers[n] is not None)
        return next(found, SOME[self.script.kind])


@functools.cache
def all_guessed():
    level = LEVELS["easy"].with_settings({"scenes": 4})
    return [Guessed(script) for script in make_scripts({"LIB": COUNT}, 0, level)]


def guessed(kind):
    return [one for one in all_guessed() if one.script.kind == kind]


@functools.cache
def words_of(text):
    return frozenset(word for word in re.findall(r"\w+", text.lower()) if len(word) > 3)


def by_title(one):
    """Answer from the first video whose title shares a word with the question."""
    videos = one.script.videos
    return one.first(sorted(range(len(videos)), key=lambda n: not words_of(videos[n].title) & one.asked))


def by_decoy(one):
    """Answer from the video that shares most words with the question, of those that do not decide it."""

    def shared(n):
        said = (words_of(f"{scene.visual} {scene.caption}") for scene in one.script.videos[n].scenes)
        return max(len(words & one.asked) for words in said)

    others = [n for n in range(len(one.answers)) if n not in one.decisive]
    return one.first(sorted(others, key=lambda n: -shared(n)))


def by_first_video(one):
    return one.first(range(len(one.answers)))


def by_count(one):
    """Answer what most videos answer."""
    return _by_count(one)[0]


def by_rarest(one):
    """Answer what fewest videos answer."""
    return _by_count(one)[-1]


def _by_count(one):
    given = Counter(answer for answer in one.answers if answer is not None)
    return [answer for answer, _ in given.most_common()] or [SOME[one.script.kind]]


RULES = (by_title, by_decoy, by_first_video, by_count, by_rarest)
