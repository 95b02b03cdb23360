"""Run verifiers' command for evaluation several times in one process, in the environment that has it.

    python -m tests.e2e.verifiers_commands ARGUMENTS.json

The file holds one list of arguments for each run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from verifiers.v1.cli.eval.main import main  # pyright: ignore[reportMissingImports, reportUnknownVariableType]

if __name__ == "__main__":
    for arguments in json.loads(Path(sys.argv[1]).read_text()):
        main(arguments)
