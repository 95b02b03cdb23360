"""`agentcvr setup` against a local server that speaks the protocol of the Hub, also with a broken connection."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

pytestmark = pytest.mark.enable_socket
REVISION = "a" * 40
FILES = {
    "config.json": b"{}",
    "preprocessor_config.json": b"{}",
    "tokenizer.json": b"{}",
    "vocabulary.txt": b"x\n",
    "model.bin": bytes(range(256)) * 1024,
}


class Hub(ThreadingHTTPServer):
    """The parts of the Hub's protocol that a download of a whole repository uses."""

    cuts = 0
    """Number of transfers of the weights that break in the middle."""


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""

    def do_HEAD(self) -> None:
        self._head(self._file())

    def do_GET(self) -> None:
        content = self._listing() if self.path.startswith("/api/models/") else self._file()
        broken = self.path.endswith("model.bin") and self.server.cuts > 0
        self._head(content)
        self.wfile.write(content[: len(content) // 2] if broken else content)
        if broken:
            self.server.cuts -= 1
            self.close_connection = True

    def _listing(self) -> bytes:
        if "/tree/" in self.path:
            files = [{"type": "file", "path": name, "size": len(FILES[name]), "oid": name} for name in FILES]
            return json.dumps(files).encode()
        siblings = [{"rfilename": name} for name in FILES]
        return json.dumps({"id": "Systran/faster-whisper-base", "sha": REVISION, "siblings": siblings}).encode()

    def _file(self) -> bytes:
        match = re.fullmatch(r"/Systran/faster-whisper-base/resolve/\w+/(.+)", self.path)
        return FILES[match[1]] if match else b""

    def _head(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{len(content)}-{self.path.rpartition("/")[2]}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()


@contextmanager
def hub(*, cuts: int = 0) -> Iterator[str]:
    server = Hub(("127.0.0.1", 0), Handler)
    server.cuts = cuts
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def setup(endpoint: str, home: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}  # tests forbid the Hub
    environment = {**kept, "HF_ENDPOINT": endpoint, "HF_HOME": str(home)}
    command = (sys.executable, "-m", "agentcvr_graph.cli", "setup", "--yes")
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_weights_are_fetched_once_with_a_progress_bar_although_the_connection_breaks(tmp_path: Path):
    with hub(cuts=1) as endpoint:
        done = setup(endpoint, tmp_path)
    assert done.returncode == 0
    assert "100%" in done.stderr
    assert "whisper:base is in" in done.stderr
    weights = next(tmp_path.rglob("snapshots/*/model.bin"))
    assert weights.read_bytes() == FILES["model.bin"]
    again = setup("http://127.0.0.1:9", tmp_path)
    assert (again.returncode, again.stderr) == (0, "whisper:base is on this computer already.\n")


@pytest.mark.parametrize("broken", ["no server", "a file in place of the cache"])
def test_a_download_that_fails_is_one_line_with_what_to_do(tmp_path: Path, broken: str):
    home = tmp_path / "home"
    if broken == "no server":
        done, fix = setup("http://127.0.0.1:9", home), "Check the network"
    else:
        home.write_text("")
        with hub() as endpoint:
            done, fix = setup(endpoint, home), "set HF_HOME to a folder that can be written"
    assert done.returncode == 2
    line = " ".join(done.stderr.split())
    assert line.startswith("error: The weights of 'whisper:base' could not be downloaded: ")
    assert fix in line
    assert "Traceback" not in line
