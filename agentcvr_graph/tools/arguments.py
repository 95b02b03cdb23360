"""Read the arguments of a call tolerantly: what costs a model nothing to write should not cost it a turn.

A field that is null takes its default, an unknown field is ignored with a note, a list of one may be its item, and JSON
in a string is decoded. Fields have the other names that models and earlier systems use for them. Everything else is the
business of the arguments' own model, which rejects what does not fit. The schema that a model reads does not change.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from agentcvr_graph.answers.times import read_time_s
from agentcvr_graph.models.chat_format.loose_json import decoded

A = TypeVar("A", bound=BaseModel)
MAX_ROUNDS = 8
"""Fixing a field may show the next one; more rounds than this are not tried."""
MAX_NOTED = 5
"""Unknown fields that a note names."""

OTHER_NAMES = {
    "targets": ("observation_targets", "target", "windows", "window", "clips", "segments"),
    "video": ("video_index", "video_id", "video_number", "video_idx", "index"),
    "start_s": ("start_time", "start", "start_sec", "start_seconds", "begin", "from"),
    "end_s": ("end_time", "end", "end_sec", "end_seconds", "stop", "to"),
    "frames": ("num_frames", "n_frames", "frame_count", "number_of_frames"),
    "region": ("area", "crop"),
    "detail": ("resolution", "detail_level"),
    "focus": ("focus_prompt", "query", "prompt", "question", "instruction"),
    "query": ("focus", "search_query", "keywords", "text", "search", "terms"),
    "videos": ("video", "video_numbers", "video_ids"),
    "limit": ("top_k", "k", "max_results", "n", "count"),
    "value": ("final_answer", "answer", "choice", "option"),
    "rationale": ("reason", "reasoning", "explanation", "justification"),
    "citations": ("citation", "evidence", "sources"),
}
"""Other names of the tools' fields: AgentCVR's, and those that models make up."""
SILENT = frozenset({"thought", "thoughts", "think", "reasoning", "explanation"})
"""Fields for a model's reasoning, which are ignored without a note."""


def read_arguments(model: type[A], arguments: Mapping[str, object]) -> tuple[A, tuple[str, ...]]:
    """Return the typed arguments, and notes on what was ignored.

    Raises:
        ValidationError: the arguments do not fit.
    """
    extra = "allow" if model.model_config.get("extra") == "allow" else "forbid"
    try:
        return model.model_validate(arguments, extra=extra), ()
    except ValidationError:
        reading = _Reading(_copied(arguments))
    for _ in range(MAX_ROUNDS):
        try:
            return model.model_validate(reading.given, extra=extra), reading.notes
        except ValidationError as error:
            # Later items first: removing one does not move those that are still to be fixed.
            fixed = [reading.fix(problem) for problem in reversed(error.errors(include_url=False))]
            if not any(fixed):
                raise
    return model.model_validate(reading.given), reading.notes


class _Reading:
    """Arguments that are being fixed, in place."""

    def __init__(self, given: Any) -> None:
        self.given = given
        self._ignored: list[str] = []
        self._renamed: dict[tuple[int, str], str] = {}
        """What a field of an object was called before."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Return a note that names the ignored fields; none if there are none."""
        names = list(dict.fromkeys(name for name in self._ignored if name not in SILENT))
        if not names:
            return ()
        shown = ", ".join(repr(name[:40]) for name in names[:MAX_NOTED])
        return (f"Ignored {shown}: there {'is no such field' if len(names) == 1 else 'are no such fields'}.",)

    def fix(self, problem: ErrorDetails) -> bool:
        """Fix one problem; return whether that was possible."""
        holder, key = self._place(problem["loc"])
        if holder is None:
            return False
        if isinstance(holder, dict):
            holder = cast(dict[Any, Any], holder)
            if problem["type"] == "extra_forbidden":
                return self._rename_or_ignore(holder, str(key))
            if holder[key] is None:
                del holder[key]
                return True
        value = holder[key]
        holder[key] = _converted(value, problem["type"])
        return holder[key] is not value

    def _place(self, path: Sequence[int | str]) -> tuple[Any, Any]:
        """Return the object or list with the field at a path, and its key there; None where there is no such field."""
        holder, key = None, None
        value = self.given
        for key in path:
            holder = value
            try:
                value = holder[key]
            except (KeyError, IndexError, TypeError):
                return None, None
        return holder, key

    def _rename_or_ignore(self, holder: dict[str, Any], key: str) -> bool:
        value = holder.pop(key)
        before = self._renamed.get((id(holder), key))
        field = next((name for name, others in OTHER_NAMES.items() if key.casefold() in others), "")
        if before is None and field and field not in holder:
            holder[field] = value
            self._renamed[id(holder), field] = key
        else:
            self._ignored.insert(0, before or key)  # problems come from last to first
        return True


def _copied(value: Any) -> Any:
    """Return a copy of nested objects and lists that can be changed."""
    if isinstance(value, Mapping):
        return {str(key): _copied(inner) for key, inner in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list | tuple):
        return [_copied(inner) for inner in cast(Sequence[Any], value)]
    return value


def _converted(value: Any, problem: str) -> Any:
    """Return a value in the form that is wanted, if it is only written in another."""
    if problem in ("list_type", "tuple_type"):
        read = decoded(value)
        return [read] if isinstance(read, Mapping | int) else read
    if problem in ("model_type", "dict_type", "model_attributes_type"):
        return decoded(value)
    if problem == "string_type" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if problem == "int_from_float":
        return round(value)
    if problem == "int_parsing" and len(numbers := re.findall(r"\d+", str(value)[:40])) == 1:
        return int(numbers[0])
    if problem == "float_parsing":
        with contextlib.suppress(ValueError):
            return read_time_s(value)
    return value


def names_of(field: str) -> set[str]:
    """Return all names of a field."""
    return {field, *OTHER_NAMES.get(field, ())}


def with_defaults(arguments: Mapping[str, object], defaults: Mapping[str, object]) -> dict[str, object]:
    """Return the arguments, with defaults for fields that are not given under any of their names."""
    given = {key.casefold() for key, value in arguments.items() if value is not None}
    wanted = {key: value for key, value in defaults.items() if not given & names_of(key)}
    return {**arguments, **wanted}
