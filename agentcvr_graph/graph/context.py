"""The settings of a run. Every field has a description, bounds and its nodes, so that a form can show it.

A setting that was not sent is not a setting with its default value: `model_fields_set` names those that were. `brief`
stores them for the question, so that a client that resumes a run without settings continues with the same ones.
`merged` is the only place that knows their order: defaults, then what the question was started with, then what this
call sent. The turns that a master was trained with count as stored ones, before those of the question.

A wrong setting raises one `InputError` that names it, its value and what is allowed, in a program and on a server.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, StrictFloat, StrictInt, StrictStr
from pydantic import ValidationError as _Invalid
from pydantic_core import ErrorDetails

from agentcvr_graph.errors import InputError, SetupError, shown_address
from agentcvr_graph.types import Cost

WantedDialect = Literal["auto", "tools", "schema", "json"]
"""The dialects that a run may ask for; `auto` chooses one by what the model takes (`dialects.py`)."""
Abstaining = Literal["never", "allowed"]
"""Whether a run may end without a value."""
CONTEXT = "Pass CVRContext(max_turns=8), or {'max_turns': 8}."
SHOWN_CHARACTERS = 80
"""Longest part of a wrong value that an error shows."""
NO_SETTING, WRONG_SETTING = "There is no setting", "The setting"
"""How the errors about a setting begin. A client of a server knows them by that: it gets no more than their text."""
LARGEST = 1e12
"""Largest number that a setting may have: checkpoints store settings, and have no integers above 2**63."""


def setting(*nodes: str, description: str, ge: float | None = None, pattern: str | None = None) -> Any:
    """Return the annotation of a setting. LangGraph Studio shows it beside the nodes in `langgraph_nodes`."""
    extra: dict[str, JsonValue] = {"langgraph_nodes": [*nodes]}
    le = None if ge is None else LARGEST
    return Field(ge=ge, le=le, pattern=pattern, description=description, json_schema_extra=extra)


class CVRContext(BaseModel):
    """Settings of one run: budgets, review, memory and how the master acts. All of them are JSON-able.

    Objects (models, perception) are passed when the graph is built. A server that lets a run choose its models adds
    its own settings (`server.py`). A subclass adds settings as fields, with `setting` as their annotation.

    Raises:
        InputError: a setting is unknown, or its value is not allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_turns: Annotated[
        StrictInt, setting("master", ge=1, description="Calls of the master; the last may only answer.")
    ] = 12
    max_frames: Annotated[
        StrictInt, setting("visual_agent", ge=0, description="Frames that may be looked at in one question.")
    ] = 512
    max_frames_per_call: Annotated[
        StrictInt,
        setting("visual_agent", ge=1, description="Frames of one observe call, shared over its windows by duration."),
    ] = 128
    max_audio_s: Annotated[
        StrictFloat, setting("audio_agent", ge=0, description="Seconds of sound that may be listened to.")
    ] = 7200.0
    max_tokens: Annotated[
        StrictInt | None,
        setting("master", ge=0, description="Input and output tokens of all models together; empty for no limit."),
    ] = None
    max_wall_s: Annotated[
        StrictFloat | None,
        setting(
            "master",
            ge=0,
            description="Seconds of work, without the wait for a human, counted before each turn of the master: a call "
            "in progress is not ended. Empty for no limit.",
        ),
    ] = None
    min_evidence: Annotated[
        StrictInt,
        setting(
            "conclude",
            ge=0,
            description="Observations of every readable video before an answer; of more than four, a cited window.",
        ),
    ] = 1
    abstain: Annotated[
        Abstaining,
        setting(
            "conclude",
            description="Whether a run may end without a value, by saying what it looked for: 'allowed'; or whether it "
            "guesses then, as benchmarks demand: 'never'.",
        ),
    ] = "allowed"
    review_above_frames: Annotated[
        StrictInt | None,
        setting(
            "visual_agent",
            ge=0,
            description="Frames of one look above which a human reviews it first; empty for never.",
        ),
    ] = None
    review_above_audio_s: Annotated[
        StrictFloat | None,
        setting(
            "audio_agent",
            ge=0,
            description="Seconds of sound in one call above which a human reviews it first; empty for never.",
        ),
    ] = None
    remember: Annotated[
        StrictBool,
        setting(
            "brief",
            "visual_agent",
            "audio_agent",
            description="Keep evidence in the graph's store, and begin with what it knows of the videos.",
        ),
    ] = False
    memory_namespace: Annotated[
        StrictStr,
        setting(
            "brief",
            "visual_agent",
            "audio_agent",
            pattern=r"^[A-Za-z0-9@_-]{0,64}$",
            description="Part of the store that the run uses, such as a user's id; empty for the shared part.",
        ),
    ] = ""
    unreadable: Annotated[
        Literal["stop", "continue"],
        setting(
            "brief", description="An unreadable video: stop with an error, or report it to the master and continue."
        ),
    ] = "stop"
    verify: Annotated[
        Literal["cited", "never"],
        setting(
            "verify",
            description="Observe cited windows once more before an answer is accepted, in a graph with the feature "
            "verify; 'never' turns that off.",
        ),
    ] = "cited"
    dialect: Annotated[
        WantedDialect,
        setting(
            "master",
            description="How the master acts: tool calls, JSON text bound to a schema, JSON text, or the first of them "
            "that the model takes.",
        ),
    ] = "auto"
    language: Annotated[
        StrictStr, setting("master", description="Language of thoughts and answers; empty for the question's own.")
    ] = ""

    if not TYPE_CHECKING:  # a type checker derives the parameters from the fields

        def __init__(self, **settings: Any) -> None:
            try:
                super().__init__(**settings)
            except _Invalid as error:
                raise invalid_setting(type(self), error.errors()[0]) from None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Let a subclass have the decorator `@dataclass`, which replaces no method that the class itself defines."""
        super().__pydantic_init_subclass__(**kwargs)
        for name in ("__init__", "__eq__", "__repr__"):
            setattr(cls, name, getattr(cls, name))

    @property
    def sent(self) -> dict[str, Any]:
        """The settings that were set, as JSON."""
        return self.model_dump(mode="json", exclude_unset=True)

    def with_share_of(self, full: Cost, share: float) -> Self:
        """Return these settings with a share of a cost as the budgets of frames and sound: at least one frame.

        Args:
            full: such as what it costs to look at and hear everything (`scripts/budgets.py`).

        Raises:
            InputError: the share is not above 0 and at most 1.
        """
        if not 0 < share <= 1:
            raise InputError(f"The budget share is {share}, not above 0 and at most 1.", fix="Give 0.25 for a quarter.")
        budgets = {"max_frames": max(1, round(share * full.frames)), "max_audio_s": round(share * full.audio_s, 1)}
        return self.model_copy(update=budgets)


SomeContext = TypeVar("SomeContext", bound=CVRContext)


def merged(schema: type[SomeContext], stored: Mapping[str, Any], given: object) -> SomeContext:
    """Return the settings of a call: those that it sent, then those that its question was started with, then defaults.

    Args:
        schema: the settings of the graph. A call may pass a subclass of them.
        stored: what `brief` stored for the question. Clients can edit it, so it is validated like any input.
        given: the context that LangGraph passes: None if the caller sent none; in a parent graph, the parent's, which
            may be of any type and then counts as none.

    Raises:
        InputError: a stored setting is not allowed.
    """
    chosen = type(given) if isinstance(given, schema) else schema
    sent = given if isinstance(given, CVRContext) else schema()
    if chosen is type(sent) and not stored:
        return cast(SomeContext, sent)
    settings = {**stored, **{name: getattr(sent, name) for name in sent.model_fields_set}}
    return chosen(**{name: value for name, value in settings.items() if name in chosen.model_fields})


def check_sent(given: object) -> None:
    """Refuse a context that a caller passed and that holds no settings. What a parent passes on does not come here.

    Raises:
        InputError: it is neither a `CVRContext` nor a dictionary of settings.
    """
    if given is None or isinstance(given, CVRContext):
        return
    if not isinstance(given, Mapping):
        raise InputError(f"The context is {shown_value(given)} ({type(given).__name__}).", fix=CONTEXT)
    for name in cast(Mapping[object, object], given):
        if not isinstance(name, str):
            raise InputError(f"The context has the key {shown_value(name)} ({type(name).__name__}).", fix=CONTEXT)


def check_schema(schema: object) -> type[CVRContext]:
    """Return the class of a graph's settings.

    Raises:
        SetupError: it is not a subclass of `CVRContext`.
    """
    if isinstance(schema, type) and issubclass(schema, CVRContext):
        return schema
    raise SetupError(
        f"The context_schema {schema!r} is not a subclass of CVRContext.",
        fix="Derive it from CVRContext, and add its settings as annotated fields.",
    )


def invalid_setting(schema: type[BaseModel], fault: ErrorDetails) -> InputError:
    """Return the error for a setting that Pydantic did not accept."""
    name = str(fault["loc"][0]) if fault["loc"] else ""
    if fault["type"] == "extra_forbidden":
        return unknown_setting(name, list(schema.model_fields))
    if name not in schema.model_fields:
        return InputError(f"The settings cannot be used: {fault['msg']}.")
    if fault["type"] == "missing":
        return InputError(f"{WRONG_SETTING} {name!r} is missing.", fix="Set it.")
    return InputError(
        f"{WRONG_SETTING} {name!r} cannot be {shown_value(fault['input'])}.", fix=_allowed(schema, name, fault)
    )


def unknown_setting(name: str, known: Sequence[str]) -> InputError:
    """Return the error for a setting that does not exist, with the most similar one."""
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"Did you mean {close[0]!r}? " if close else ""
    return InputError(f"{NO_SETTING} {name!r}.", fix=f"{meant}Choose from: {', '.join(known)}.")


def shown_value(value: object) -> str:
    """Return a wrong value for an error message: short, on one line, and without keys of an address."""
    shown = repr(shown_address(value) if isinstance(value, str) else value)
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}..."


_KINDS = {"integer": "a whole number", "number": "a finite number", "boolean": "true or false", "string": "text"}


def _allowed(schema: type[BaseModel], name: str, fault: ErrorDetails) -> str:
    """Return what a setting may be, from the JSON schema that a server's form shows."""
    described: dict[str, Any] = schema.model_json_schema()["properties"][name]
    choices = cast(list[dict[str, Any]], described.get("anyOf", [described]))
    first = choices[0]
    if "enum" in described:
        return f"Choose from: {', '.join(map(str, described['enum']))}."
    if first.get("type") not in _KINDS:
        return f"{fault['msg']}."
    parts = [_KINDS[first["type"]]]
    parts += [f"of at least {first['minimum']:g}"] if "minimum" in first else []
    parts += [f"and at most {first['maximum']:g}"] if fault["type"] == "less_than_equal" else []
    parts += [f"that matches {first['pattern']}"] if "pattern" in first else []
    parts += ["or null"] if {"type": "null"} in choices else []
    return f"Give {' '.join(parts)}."
