"""A signal ends a command at once, without a word from its decoder processes, and with the documented exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agentcvr_graph.demo import CLIPS_DIR
from tests.support.command_line import START

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads the processes from /proc")
SOON_S = 60.0


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in listed for child in file.read_text().split()]


def decoders(pid: int) -> list[int]:
    """Return the decoder processes of a process."""
    found = []
    for child in children(pid):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        found += [child] if b"popen_loky" in command else []
    return found


def started(tmp_path: Path, *arguments: object) -> subprocess.Popen[str]:
    data = tmp_path / "questions.jsonl"
    data.write_text(
        '{"id": "1", "question": "Who is the dinner for?", "videos": ["%s"], "answer": "my mother"}\n'
        % (CLIPS_DIR / "cook_yellow.mp4")
    )
    command = [*START, "eval", "--data", str(data), "--out", str(tmp_path / "run"), *map(str, arguments)]
    env = {**os.environ, "AGENTCVR_CACHE_DIR": str(tmp_path / "cache")}
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, env=env, preexec_fn=heed_ctrl_c
    )


def heed_ctrl_c() -> None:
    """Let a child end at SIGINT although the tests may run in a shell's background, where it is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("delay_s", [0.0, 0.15, 0.5])
@pytest.mark.parametrize(("number", "group", "status"), [(signal.SIGINT, True, 130), (signal.SIGTERM, False, 143)])
def test_a_signal_while_a_decoder_starts_is_silent_and_clean(tmp_path, number, group, status, delay_s):
    process = started(tmp_path)
    until_s = time.monotonic() + SOON_S
    while not (found := decoders(process.pid)):
        assert process.poll() is None and time.monotonic() < until_s, process.communicate()
        time.sleep(0.005)
    time.sleep(delay_s)  # any moment of the decoder's start must do
    (os.killpg if group else os.kill)(process.pid, number)
    _, stderr = process.communicate(timeout=SOON_S)
    assert process.returncode == status
    assert stderr.rstrip().endswith("stopped")
    assert "Traceback" not in stderr and "leaked" not in stderr and "KeyboardInterrupt" not in stderr
    assert not any(Path(f"/proc/{child}").exists() for child in found)


def test_sigterm_ends_a_command_that_ignores_ctrl_c():
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from agentcvr_graph.cli.console import run_app\n"
        "import typer, time\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def wait():\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "run_app(app)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.terminate()
    _, stderr = process.communicate(timeout=SOON_S)
    assert (process.returncode, stderr) == (143, "stopped\n")
