"""Write tools as short signatures, for prompts that describe tools in text; they take a quarter of the schemas' tokens.

    observe(targets: [{video: int >= 1, start_s: number, end_s: number, frames?: int >= 1 (default 8)}], focus?: text)
      targets: Where to look. frames: How many frames to sample. focus: What to look for.

In: tools in OpenAI's form, so every argument class is covered, those of features and of users too. Out: for each tool a
line with the names, types, bounds and defaults of its arguments, and a line of what else a caller must know. `?` marks
an optional argument. What a signature cannot say is written as JSON, so nothing is lost. This module does not know what
a tool does, the dialect, or the rest of the prompt. Interfaces with tool calls of their own get JSON schemas.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, cast

Json = Mapping[str, Any]
WORDS = {"string": "text", "integer": "int", "number": "number", "boolean": "true | false", "null": "null"}
BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
REST = ("pattern", "format", "multipleOf", "minLength", "maxLength", "uniqueItems")
"""Constraints that are written by their names."""
COUNTS = ("minItems", "maxItems")
ANNOTATIONS = frozenset({"title", "description", "default", "examples", "additionalProperties"})
ONLY_VALUES = re.compile(r"(?:'[^']*'|or|[\s,.])*")
"""A description that only lists the values, as the type does."""
NOTHING: tuple[object, ...] = (None, "", [], {})
"""Defaults that mean that an argument is left out."""


def signature(function: Json, explained: Collection[str] = ()) -> str:
    """Return the signature of a tool without its description, with a line of notes on its arguments.

    Args:
        function: the part `function` of a tool in OpenAI's form.
        explained: names of arguments that the rest of the prompt explains, which get no note.
    """
    return _with_notes(
        function, [f"{name}: {note}" for name, note in _notes(_parameters(function)) if name not in explained]
    )


def described_signatures(functions: Iterable[Json]) -> str:
    """Return the signatures of tools with their descriptions; a note that several tools share is written once."""
    written: dict[str, Json] = {}
    return "\n".join(_with_notes(function, _described(function, written)) for function in functions)


def _described(function: Json, written: dict[str, Json]) -> list[str]:
    """Return the notes of a tool that none before it has, and add them to those that are written."""
    said = [f"{name}: {note}" for name, note in _notes(_parameters(function))]
    return [
        note for note in (function.get("description") or "", *said) if written.setdefault(note, function) is function
    ]


def _with_notes(function: Json, notes: Iterable[str]) -> str:
    words = " ".join(" ".join(dict.fromkeys(notes)).split())
    return f"{function['name']}({_fields(_parameters(function))})" + (f"\n  {words}" if words else "")


def _parameters(function: Json) -> Json:
    return _object(function.get("parameters"))


def _object(schema: object) -> Json:
    """Return a schema; empty for one that is a truth value or left out."""
    return cast(Json, schema) if isinstance(schema, Mapping) else {}


def _properties(schema: Json) -> dict[str, Json]:
    return {name: _object(field) for name, field in _object(schema.get("properties")).items()}


def _notes(schema: Json) -> Iterator[tuple[str, str]]:
    """Yield the name and the description of each argument that has one, also of nested ones."""
    for name, field in _properties(schema).items():
        note = field.get("description") or ""
        if note and not ("enum" in field and ONLY_VALUES.fullmatch(note)):
            yield name, note
        for part in (field, field.get("items"), *(field.get("anyOf") or ())):
            yield from _notes(_object(part))


def _fields(schema: Json) -> str:
    required = schema.get("required") or ()
    return ", ".join(
        f"{name}: {_type(field)}" if name in required else f"{name}?: {_optional(field)}"
        for name, field in _properties(schema).items()
    )


def _optional(schema: Json) -> str:
    """Return the type of an argument that may be left out, without the value that means the same."""
    default = schema.get("default")
    if default not in NOTHING:
        return f"{_type(schema)} (default {_value(default)})"
    kept = {key: [one for one in schema[key] if one != default] for key in ("enum",) if key in schema}
    kept |= {key: [one for one in schema[key] if one != {"type": "null"}] for key in ("anyOf",) if key in schema}
    return _type({**schema, **kept})


def _type(schema: Json) -> str:
    match schema:
        case {"enum": [*values]}:
            return " | ".join(map(_value, values))
        case {"const": value}:
            return _value(value)
        case {"anyOf": [*parts]} | {"oneOf": [*parts]}:
            return " | ".join(dict.fromkeys(_type(_object(part)) for part in parts))
        case {"type": [*names]}:
            return " | ".join(_type({**schema, "type": name}) for name in names)
        case {"type": "object", "properties": {}}:
            return f"{{{_fields(schema)}}}"
        case {"type": "object", "additionalProperties": {**values}} if values:
            return f"{{NAME: {_type(_object(values))}, ...}}"
        case {"type": "object"}:
            return "{...}"
        case {"type": "array", "prefixItems": [*items]}:
            return f"[{', '.join(_type(_object(item)) for item in items)}]"
        case {"type": "array"}:
            return f"[{_type(_object(schema.get('items')))}]{_count(schema)}"
        case {"type": str(name)} if name in WORDS:
            return f"{WORDS[name]}{_bounds(schema)}{_rest(schema)}"
        case _:
            return _value(dict(schema)) if schema.keys() - ANNOTATIONS else "any"


def _bounds(schema: Json) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f" {_value(schema['minimum'])} to {_value(schema['maximum'])}"
    return "".join(f" {sign} {_value(schema[key])}" for key, sign in BOUNDS.items() if key in schema)


def _count(schema: Json) -> str:
    """Return how many items a list may have; at least one needs no words."""
    least, most = (schema.get(key) for key in COUNTS)
    if most is None:
        return f" (at least {least})" if (least or 0) > 1 else ""
    return f" (at most {most})" if (least or 0) <= 1 else f" ({most})" if least == most else f" ({least} to {most})"


def _rest(schema: Json) -> str:
    named = [f"{key} {_value(schema[key])}" for key in REST if key in schema]
    return f" ({', '.join(named)})" if named else ""


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
