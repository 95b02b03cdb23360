"""Run verifiers' command for evaluation several times in one process, in the environment that has it.

    python -m tests.e2e.verifiers_commands ARGUMENTS.json [OUTCOMES.json]

The first file holds one list of arguments for each run. The second one gets the exit status and the messages of each;
without it, a run that fails ends the program.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

from verifiers.v1.cli.eval.main import main  # pyright: ignore[reportMissingImports, reportUnknownVariableType]


def outcome(arguments: list[str]) -> dict[str, Any]:
    """Run the command; return its exit status and what it printed on stderr, without borders and line breaks."""
    printed, status = io.StringIO(), 0
    try:
        with contextlib.redirect_stderr(printed):
            main(arguments)
    except SystemExit as end:
        status = end.code
    return {"exit": status, "printed": " ".join(printed.getvalue().replace("│", " ").split())}


if __name__ == "__main__":
    runs = json.loads(Path(sys.argv[1]).read_text())
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(json.dumps([outcome(arguments) for arguments in runs]))
    else:
        for arguments in runs:
            main(arguments)
