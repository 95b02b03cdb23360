"""Near-duplicates: scripts with the same story in nearly the same words.

Scripts are compared by the three-word shingles of their question, pictures and captions, with MinHash and
locality-sensitive hashing, so that the ten-thousandth script is checked as fast as the second. The hashing is set to
find too much rather than too little, and what it finds is compared once more.

What the threshold means, measured on scripts of all ten procedural generators: the same script with one word in fifty
replaced shares 0.85 of its shingles, one in twenty 0.72, one in ten 0.55, one in five 0.35.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

from datasketch import MinHash, MinHashLSH

from agentcvr_graph.scripts.schema import Script

ALIKE = 0.6
"""Estimated share of common shingles (Jaccard) from which on two scripts are near-duplicates."""
_LIKELY = 0.45
"""The share from which hashing proposes a script; below `ALIKE`, since hashing misses some near its threshold."""
_PERMUTATIONS = 128
_SHINGLE_WORDS = 3


def story_of(script: Script) -> Iterator[str]:
    """Yield the texts of a script: question, options and what its videos show and say."""
    yield from (script.question, *script.options)
    for video in script.videos:
        for scene in video.scenes:
            yield from (scene.visual, scene.caption)


def any_group(script: Script) -> Hashable:
    """Return the one group of all scripts."""
    return None


class Duplicates:
    """An index of the scripts so far that finds near-duplicates.

    Args:
        texts: the texts of a script that are compared.
        group: scripts of different groups are never near-duplicates.
    """

    def __init__(
        self,
        texts: Callable[[Script], Iterable[str]] = story_of,
        group: Callable[[Script], Hashable] = any_group,
    ) -> None:
        self._texts, self._group = texts, group
        self._indices: defaultdict[Hashable, Any] = defaultdict(_index)
        self._signatures: dict[str, MinHash] = {}

    def like(self, script: Script) -> str | None:
        """Return the id of the script that is most nearly the same; None where none is near."""
        mine, index = self._signature(script), self._indices[self._group(script)]
        shares = {str(found): mine.jaccard(self._signatures[str(found)]) for found in index.query(mine)}
        nearest = max(shares, key=lambda found: (shares[found], found), default=None)
        return nearest if nearest and shares[nearest] >= ALIKE else None

    def add(self, script: Script) -> None:
        """Remember a script."""
        self._signatures[script.id] = self._signature(script)
        self._indices[self._group(script)].insert(script.id, self._signatures[script.id])

    def _signature(self, script: Script) -> MinHash:
        signature: Any = MinHash(num_perm=_PERMUTATIONS)
        signature.update_batch([shingle.encode() for shingle in set(_shingles(self._texts(script)))])
        return signature


def _index() -> Any:
    return MinHashLSH(threshold=_LIKELY, num_perm=_PERMUTATIONS)  # its types are partial


def _shingles(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        words = re.findall(r"\w+", text.casefold())
        for n in range(max(1, len(words) - _SHINGLE_WORDS + 1)):
            yield " ".join(words[n : n + _SHINGLE_WORDS])
