"""Scripted perception in other words: a chat model rephrases what the simulator shows, so that a policy meets variety.

The model gets the statements of one observation and nothing else: neither the script, nor the question, nor what the
master looks for. So it cannot add anything that the deterministic simulator does not show. Speech is quoted and stays
as it is; on-screen text stays too, or the plain statement is kept. A statement is rephrased once and then cached, so
the same request returns the same observation.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Sequence
from typing import cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage

from agentcvr_graph.catalogue import Expansion
from agentcvr_graph.media.cache import DiskCache
from agentcvr_graph.models.chat_format.thoughts import without_thoughts
from agentcvr_graph.models.clients.errors import as_infrastructure_error
from agentcvr_graph.models.clients.unstreamed import UNSTREAMED
from agentcvr_graph.models.clients.usage import cost_of
from agentcvr_graph.perception.base import Perception, expand
from agentcvr_graph.render import NOTHING
from agentcvr_graph.types import Cost, Evidence, Listen, Observation, Observe, Video, VideoInfo

TASK = """You are given statements on what single pictures show, as a JSON list of strings. Say each in other words, \
as somebody would who describes the picture, in one sentence. Add nothing and leave nothing out; keep what stands in \
quotation marks to the letter. Reply with a JSON list of as many strings, in the same order, and nothing else."""
_QUOTED = re.compile(r'"[^"]*"')


class PhrasedPerception:
    """A `Perception` that words the observations of another one with a chat model.

    Args:
        inner: makes the observations.
        model: rephrases; gets the statements of one observation at a time.
        cache: keeps phrasings between processes.
        name: identifies the model in the cache.
    """

    def __init__(self, inner: Perception, model: BaseChatModel, cache: DiskCache, name: str) -> None:
        self._inner = inner
        self._model = model
        self._cache = cache
        self._name = name

    @property
    def plain(self) -> Perception:
        """The perception whose observations are rephrased; the index keeps its words."""
        return self._inner

    async def probe(self, video: Video, number: int) -> VideoInfo:
        """Probe with the inner perception."""
        return await self._inner.probe(video, number)

    async def expand(self, video: Video) -> Expansion | None:
        """Expand with the inner perception."""
        return await expand(self._inner, video)

    async def listen(self, request: Listen, videos: Sequence[VideoInfo]) -> Observation:
        """Listen with the inner perception; speech is not rephrased."""
        return await self._inner.listen(request, videos)

    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        """Return the observation of the inner perception in other words.

        Raises:
            InfrastructureError: the inner perception or the model failed.
        """
        plain = await self._inner.observe(request, videos)
        texts = [said.text for said in plain.evidence if said.text != NOTHING["visual"]]
        phrased = {text: await asyncio.to_thread(self._recall, text) for text in dict.fromkeys(texts)}
        fresh = [text for text, other in phrased.items() if other is None]
        cost = Cost()
        if fresh:
            said, cost = await self._rephrase(fresh)
            phrased |= dict(zip(fresh, said, strict=True))
            for text, other in zip(fresh, said, strict=True):
                await asyncio.to_thread(self._cache.put, self._key(text), other.encode())
        evidence = tuple(Evidence(text=phrased.get(e.text) or e.text, window=e.window) for e in plain.evidence)
        return plain.model_copy(update={"evidence": evidence, "cost": plain.cost + cost})

    async def _rephrase(self, texts: list[str]) -> tuple[list[str], Cost]:
        """Return other words for each text; the text itself where the reply cannot be used."""
        messages = [SystemMessage(TASK), HumanMessage(json.dumps(texts, ensure_ascii=False))]
        try:
            reply = await self._model.ainvoke(messages, UNSTREAMED)
        except Exception as error:  # each client library has its own
            raise as_infrastructure_error(error, "the model that phrases observations") from error
        cost = cost_of(reply)
        said = _read_list(without_thoughts(reply.text))
        if len(said) != len(texts):
            return texts, cost
        return [one if _faithful(text, one) else text for text, one in zip(texts, said, strict=True)], cost

    def _recall(self, text: str) -> str | None:
        stored = self._cache.get(self._key(text))
        return None if stored is None else stored.decode()

    def _key(self, text: str) -> str:
        return hashlib.sha256(f"phrased|{self._name}|{text}".encode()).hexdigest()


def _read_list(reply: str) -> list[str]:
    """Return the JSON list of strings in a reply; empty where there is none."""
    start, end = reply.find("["), reply.rfind("]")
    try:
        found: object = json.loads(reply[start : end + 1]) if 0 <= start < end else None
    except ValueError:
        return []
    items = cast(list[object], found) if isinstance(found, list) else []
    return [" ".join(item.split()) for item in items if isinstance(item, str) and item.strip()]


def _faithful(text: str, other: str) -> bool:
    """Return whether both texts quote the same words."""
    return sorted(_QUOTED.findall(text)) == sorted(_QUOTED.findall(other))
