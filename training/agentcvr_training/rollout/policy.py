"""The policy as a chat model: token ids in, token ids out, all of them recorded.

For the graph it is a `BaseChatModel` like any other. Inside, a conversation is kept as ids: the next prompt is the last
prompt, the exact tokens that were sampled, and the ids of what the environment added since (`chat_format.py`). Sampled
tokens are never converted to text and back.

A `Recording`, opened around a graph run, keeps the tokens. A context variable holds it, so it reaches the model inside
subgraphs, `Send` and retries without being passed along. It has one `Ledger` for each graph run (the graph's checkpoint
namespace), also if several run concurrently. The model works without a recording too.
"""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata

from agentcvr_graph.models.chat_base import ChatModelBase, ChatRequest
from agentcvr_graph.models.chat_format.read_turn import read_turn
from agentcvr_training.inference.base import Call, Engine, Sampled, Sampling
from agentcvr_training.rollout.chat_format import ChatFormat, Tools
from agentcvr_training.rollout.ledger import Drift, Ledger


@dataclass
class Conversation:
    """One graph run: its token ids, and the messages that they encode."""

    session: str
    number: int
    ledger: Ledger
    _states: list[tuple[list[str], list[int]]] = field(default_factory=list[tuple[list[str], list[int]]])
    """After each turn: fingerprints of the messages so far, and the ids that hold them."""

    @property
    def turns(self) -> int:
        """Return the number of turns sampled so far."""
        return len(self._states)

    def prompt(self, messages: Sequence[BaseMessage], form: ChatFormat, tools: Tools) -> list[int]:
        """Return the ids of the next prompt, built on the record if the messages continue it.

        A node that failed after its turn was sampled requests it again; then the record before that turn is used.
        """
        prints = [_fingerprint(message) for message in messages]
        for state, (known, ids) in reversed(list(enumerate(self._states))):
            new = messages[len(known) :]
            if prints[: len(known)] == known and not any(isinstance(message, AIMessage) for message in new):
                del self._states[state + 1 :]
                return [*ids, *form.environment_ids(ids, new)]
        return form.prompt_ids(messages, tools)

    def keep(self, messages: Sequence[BaseMessage], ids: list[int]) -> None:
        """Record a turn: all messages including it, and the ids that hold them."""
        self._states.append(([_fingerprint(message) for message in messages], ids))


@dataclass
class Recording:
    """The tokens that policies sampled while the recording was open.

    Args:
        seed: every turn's own seed is derived from it.
        strict: raise if a prompt departs from the record; otherwise start a new row.
    """

    seed: int = 0
    strict: bool = False
    conversations: dict[str, Conversation] = field(default_factory=dict[str, Conversation])
    _name: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def ledgers(self) -> list[Ledger]:
        """Return one ledger for each graph run, in the order of their first turns."""
        return [conversation.ledger for conversation in self.conversations.values()]

    @property
    def drifts(self) -> Counter[Drift]:
        """Return how often each kind of drift happened."""
        return sum((ledger.drifts for ledger in self.ledgers), Counter[Drift]())

    def conversation(self, key: str) -> Conversation:
        """Return the conversation of one graph run; create it on its first turn."""
        if key not in self.conversations:
            number = len(self.conversations)
            self.conversations[key] = Conversation(f"{self._name}/{number}", number, Ledger(strict=self.strict))
        return self.conversations[key]


_recording: ContextVar[Recording | None] = ContextVar("recording", default=None)


@contextlib.contextmanager
def recording(*, seed: int = 0, strict: bool = False) -> Generator[Recording]:
    """Record what policies sample inside the block."""
    opened = Recording(seed, strict)
    token = _recording.set(opened)
    try:
        yield opened
    finally:
        _recording.reset(token)


class PolicyChatModel(ChatModelBase):
    """A chat model over an engine.

    Args:
        engine: samples the turns; must be open while the model is called.
        form: the chat template.
        sampling: sampling parameters; at most `max_new_tokens` a turn.
        max_length: longest conversation in tokens. One that leaves no room gets an empty turn, which the graph treats
            as a turn without an action, because an overlong conversation is the policy's own error.
    """

    engine: Any
    form: Any
    sampling: Sampling = Sampling()
    max_length: int = 8192

    async def _areply(self, request: ChatRequest) -> AIMessage:
        messages = request.messages
        recorded = _recording.get() or Recording(seed=uuid.uuid4().int)
        run, node = _place(request.metadata or {})
        conversation = recorded.conversation(run)
        prompt = conversation.prompt(messages, self.form, list(request.tools) or None)
        sampled = await self._sample(recorded, conversation, prompt, node)
        message = read_turn(self.form.tokenizer, sampled.ids, request.stop, prompt=prompt, tools=request.tools)
        message.id = f"turn-{uuid.uuid4().hex}"
        conversation.keep([*messages, message], [*prompt, *sampled.ids])
        message.usage_metadata = UsageMetadata(
            input_tokens=len(prompt), output_tokens=len(sampled.ids), total_tokens=len(prompt) + len(sampled.ids)
        )
        if _recording.get() is None:
            self.engine.release(conversation.session)
        return message

    async def _sample(self, recorded: Recording, conversation: Conversation, prompt: list[int], node: str) -> Sampled:
        room = self.max_length - len(prompt)
        if room < 1:
            # Nothing is sampled after this prompt, so its new environment tokens need no place in a training row.
            return Sampled([], [])
        sampling = replace(self.sampling, max_new_tokens=min(self.sampling.max_new_tokens, room))
        seed = seed_of(recorded.seed, conversation.number, conversation.turns)
        engine: Engine = self.engine
        conversation.ledger.open_call(prompt)
        sampled = await engine.sample(Call(prompt, conversation.session, sampling, seed))
        conversation.ledger.close_call(sampled.ids, sampled.logprobs, node)
        return sampled


def _place(metadata: Mapping[str, Any]) -> tuple[str, str]:
    """Return the graph run and the node that a call belongs to."""
    namespace = str(metadata.get("langgraph_checkpoint_ns", ""))
    # The last part names the node's own task; the parts before it name the graph run.
    run = namespace.rpartition("|")[0]
    return f"{metadata.get('thread_id', '')}:{run}", str(metadata.get("langgraph_node", "master"))


def _fingerprint(message: BaseMessage) -> str:
    """Return an identifier of a message: the id of a turn; type and text of any other message."""
    return message.id or "" if isinstance(message, AIMessage) else f"{message.type}:{message.text}"


def seed_of(*parts: object) -> int:
    """Return a seed derived from the given parts alone, so that it is equal in every process."""
    digest = hashlib.blake2b("|".join(str(part) for part in parts).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "big")
