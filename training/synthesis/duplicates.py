"""Near-duplicates: scripts that tell the same story in nearly the same words.

Scripts are compared by the three-word pieces of their question, pictures and captions, with MinHash and
locality-sensitive hashing, so that the ten-thousandth script is checked as fast as the second.
"""

# datasketch's types are partial.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import re
from collections.abc import Iterator

from datasketch import MinHash, MinHashLSH

from agentcvr_graph.scripts.schema import Script

ALIKE = 0.6
"""Estimated share of common pieces (Jaccard) from which on two scripts are near-duplicates."""
_PERMUTATIONS = 128
_PIECE_WORDS = 3


class Duplicates:
    """The scripts so far, searchable for one that is nearly the same."""

    def __init__(self) -> None:
        self._index = MinHashLSH(threshold=ALIKE, num_perm=_PERMUTATIONS)

    def like(self, script: Script) -> str | None:
        """The id of a script that is nearly the same; None where there is none."""
        found = self._index.query(_signature(script))
        return str(found[0]) if found else None

    def add(self, script: Script) -> None:
        """Remember a script."""
        self._index.insert(script.id, _signature(script))


def _signature(script: Script) -> MinHash:
    signature = MinHash(num_perm=_PERMUTATIONS)
    signature.update_batch([piece.encode() for piece in set(_pieces(script))])
    return signature


def _pieces(script: Script) -> Iterator[str]:
    texts = [script.question, *script.options]
    texts += [text for video in script.videos for scene in video.scenes for text in (scene.visual, scene.caption)]
    for text in texts:
        words = re.findall(r"\w+", text.casefold())
        for n in range(max(1, len(words) - _PIECE_WORDS + 1)):
            yield " ".join(words[n : n + _PIECE_WORDS])
