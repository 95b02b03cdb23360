"""The master's conversation in the state: a channel of records beside the caller's `messages`.

A caller that streams a run with `stream_mode="messages"` gets every message that a node returns in any channel, and
shows them as the assistant's text. The turns of the master are none of that: they are its working notes. So the channel
`policy_messages` holds `PolicyMessage` records, which LangGraph does not emit. The JSON of a record is the JSON of its
message, so that a client edits it as it edits a message. A record with the id of an earlier one replaces it.
"""

from __future__ import annotations

import uuid
from typing import Any, TypedDict, cast

from langchain_core.messages import AnyMessage, BaseMessage, convert_to_messages
from pydantic import ConfigDict, RootModel, model_validator

from agentcvr_graph.graph.channels import typed


class PolicyMessage(RootModel[AnyMessage]):
    """One message of the master's conversation: what the master wrote, or what it read."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _as_clients_write_it(cls, given: object) -> object:
        """Read a message with a role and content, as clients write one."""
        if isinstance(given, dict) and "type" not in given:
            return convert_to_messages([cast(Any, given)])[0]
        return cast(object, given)


class _Holder(TypedDict):
    policy_messages: list[PolicyMessage]


def policy_records(*messages: BaseMessage) -> list[PolicyMessage]:
    """Return messages as the records that the state holds."""
    return [PolicyMessage(cast(AnyMessage, message)) for message in messages]


def policy_messages(state: _Holder) -> list[AnyMessage]:
    """Return the master's conversation in a state or an output, whose values may be JSON."""
    return [record.root for record in typed(list[PolicyMessage], state["policy_messages"])]


def merge_policy_messages(so_far: list[PolicyMessage], more: list[PolicyMessage]) -> list[PolicyMessage]:
    """Append records, and replace those with the same id: the reducer of `policy_messages`.

    `add_messages` would read and copy the whole conversation in every step.
    """
    new: dict[str | None, PolicyMessage] = {}
    for record in typed(list[PolicyMessage], more):
        message = record.root
        if message.id is None:
            message.id = str(uuid.uuid4())
        new[message.id] = record
    kept = [new.pop(record.root.id, record) for record in so_far]
    return [*kept, *new.values()]
