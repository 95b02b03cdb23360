"""Round trips without loss: what one side holds and the other has no place for travels along as a JSON patch.

A record that is read and written again differs from the original by its round-trip diff: unknown fields, an empty
caption, an option without its letter. The diff is kept in `Script.extra` and applied to the record on export, so an
edit of the script in between survives, and so does everything else. The other way round, what a script holds beyond the
format (facts, speech times, evidence, its id) travels in the record under `agentcvr_graph`, which other readers ignore.
"""

from __future__ import annotations

from typing import Any, cast

import jsonpatch

from agentcvr_graph.scripts.formats.agentcvr import Format, Record
from agentcvr_graph.scripts.schema import Script

EXTENSION_KEY = "agentcvr_graph"
DIFF_KEY = "round_trip_diff"
Patch = list[dict[str, Any]]


def script_of(form: Format, record: Record, script_id: str) -> Script:
    """Return the script of a record, with the round-trip diff that export needs.

    Raises:
        KeyError, TypeError, ValueError: the record is not of this format.
    """
    foreign = {name: value for name, value in record.items() if name != EXTENSION_KEY}
    script = form.to_script(foreign, script_id)
    if EXTENSION_KEY in record:  # we wrote it ourselves
        return Script.model_validate(_patched(_dumped(script), record[EXTENSION_KEY]))
    diff = _difference(form.to_record(script), foreign)
    return script.model_copy(update={"extra": {**script.extra, DIFF_KEY: diff}}) if diff else script


def record_of(form: Format, script: Script) -> Record:
    """Return the record of a script.

    Raises:
        ValueError: the script does not fit this format (such as three videos where it has room for two).
    """
    record: Record = _patched(form.to_record(script), script.extra.get(DIFF_KEY, []))
    if script_of(form, record, script.id) != script:
        # Not one that was only imported: its id is worth keeping too.
        record[EXTENSION_KEY] = _difference(_dumped(script_of(form, record, "new")), _dumped(script))
    return record


def _dumped(script: Script) -> Record:
    return script.model_dump(mode="json")


def _difference(one: Any, other: Any) -> Patch:
    return list(jsonpatch.make_patch(one, _alike(one, other)))


def _alike(one: Any, other: Any) -> Any:
    """Return a value with its numbers as another one writes them (4 or 4.0), so that these are no difference.

    A difference would be applied on export, and undo an edit of the number.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        fields = cast(Record, one)
        return {name: _alike(fields.get(name), value) for name, value in cast(Record, other).items()}
    if isinstance(one, list) and isinstance(other, list):
        theirs = cast(list[Any], other)
        items = [*cast(list[Any], one), *[None] * len(theirs)]
        return [_alike(mine, value) for mine, value in zip(items, theirs, strict=False)]
    number = _number(other)
    return other if number is None or number != _number(cast(object, one)) else cast(Any, one)


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _patched(value: Any, patch: Patch) -> Any:
    """Return the value with a patch applied; steps that an edit has made impossible are left out."""
    for step in patch:
        try:
            value = jsonpatch.apply_patch(value, [step])
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
            continue
    return value
