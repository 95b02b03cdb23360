"""Run `agentcvr` in this process, which saves the start of an interpreter, or in its own process.

Both ways return the command's output and exit status. A test needs its own process if it checks process state:
imports, signals, environment variables, or a cold cache.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest import mock

from agentcvr_graph.cli.console import run_app

START = [sys.executable, "-m", "agentcvr_graph.cli"]
TIMEOUT_S = 280.0


def run_in_process(
    app: Callable[[], None], *arguments: object, extra: str = "live", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command line in this process, as `run_app` does."""
    command = ["command", *map(str, arguments)]
    stdout, stderr = io.StringIO(), io.StringIO()
    status: int | str | None = 0
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.chdir(cwd or Path.cwd()))
        stack.enter_context(mock.patch.object(sys, "argv", command))
        stack.enter_context(contextlib.redirect_stdout(stdout))
        stack.enter_context(contextlib.redirect_stderr(stderr))
        try:
            run_app(app, extra)
        except SystemExit as end:
            status = end.code
    return subprocess.CompletedProcess(command, int(status or 0), stdout.getvalue(), stderr.getvalue())


def agentcvr(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `agentcvr` in this process."""
    from agentcvr_graph.cli import app

    return run_in_process(app, *arguments, cwd=cwd)


def agentcvr_process(
    *arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `agentcvr` in its own process; `env` is added to the environment."""
    return subprocess.run(
        [*START, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        cwd=cwd,
        env={**os.environ, **(env or {})},
    )
