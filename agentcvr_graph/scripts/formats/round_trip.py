"""Round trips without loss: what one side holds and the other has no place for travels along as a JSON patch.

A record read and written again differs from the original by its residue: unknown fields, an empty caption that was
there, an option without its letter. The residue is kept in `Script.extra` and laid over the record on the way back; so
an edit of the script in between survives, and so does everything else. The other way round, what a script holds beyond
the format (facts, speech times, evidence, its id) travels in the record under `agentcvr_graph`, which other readers
ignore.
"""

from __future__ import annotations

from typing import Any

import jsonpatch

from agentcvr_graph.scripts.formats.agentcvr import Format, Record
from agentcvr_graph.scripts.schema import Script

OURS = "agentcvr_graph"
RESIDUE = "residue"
Patch = list[dict[str, Any]]


def script_of(form: Format, record: Record, script_id: str) -> Script:
    """The script of a record, with the residue that the way back needs.

    Raises:
        KeyError, TypeError, ValueError: the record is not of this format.
    """
    foreign = {name: value for name, value in record.items() if name != OURS}
    script = form.to_script(foreign, script_id)
    if OURS in record:  # we wrote it ourselves
        return Script.model_validate(_patched(_dumped(script), record[OURS]))
    residue = _difference(form.to_record(script), foreign)
    return script.model_copy(update={"extra": {**script.extra, RESIDUE: residue}}) if residue else script


def record_of(form: Format, script: Script) -> Record:
    """The record of a script.

    Raises:
        ValueError: the script has not the shape of this format (such as three videos where it has room for two).
    """
    record: Record = _patched(form.to_record(script), script.extra.get(RESIDUE, []))
    if script_of(form, record, script.id) != script:
        # Not one that was only imported: its id is worth keeping too.
        record[OURS] = _difference(_dumped(script_of(form, record, "new")), _dumped(script))
    return record


def _dumped(script: Script) -> Record:
    return script.model_dump(mode="json")


def _difference(one: Any, other: Any) -> Patch:
    return list(jsonpatch.make_patch(one, other))


def _patched(value: Any, patch: Patch) -> Any:
    """The value with a patch laid over it; steps that an edit has made impossible are left out."""
    for step in patch:
        try:
            value = jsonpatch.apply_patch(value, [step])
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
            continue
    return value
