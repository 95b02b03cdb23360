"""Make the picture of `agentcvr chat` in docs/images; `make picture` runs it.

A conversation is held in a pseudo-terminal, and Chromium draws what it shows.
"""

from __future__ import annotations

import html
import os
import pty
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from report_picture import IMAGES, photograph

VIDEOS = ["script://cc-000002/1", "script://cc-000002/2"]
LINES = [
    "Who cooks with white wine?",
    "And what does the cook in the second one say?",
    "Thanks!",
    "/cost",
    "/quit",
]
COLUMNS = 100
LINE_PX = 22
PAGE = """<meta charset="utf-8"><style>body {{ margin: 0; background: #16181d; }}
pre {{ margin: 24px; color: #e4e6eb; font: 15px/22px "DejaVu Sans Mono", monospace; }}
b {{ color: #7cc4ff; font-weight: normal; }}</style><pre>{}</pre>"""


def main() -> None:
    shown = conversation()
    rows = [row for line in shown.splitlines() for row in wrapped(line)]
    body = "\n".join(
        f"<b>{html.escape(row)}</b>"
        if row.startswith(("you>", "$"))
        else html.escape(row)
        for row in rows
    )
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "chat.html"
        page.write_text(PAGE.format(body), encoding="utf-8")
        height = LINE_PX * len(rows) + 48
        photograph(page.as_uri(), IMAGES / "chat.png", height)
    print(f"wrote {IMAGES / 'chat.png'}")


def wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, COLUMNS) or [""]


def conversation() -> str:
    """Return what a terminal shows of a chat; one that is dumb gets no codes."""
    user, terminal = pty.openpty()
    command = ["chat", "--swap", *VIDEOS]
    with subprocess.Popen(
        [sys.executable, "-m", "agentcvr_graph", *command],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "dumb"},
    ):
        os.close(terminal)
        shown = f"$ {' '.join(['agentcvr', *command])}\n"
        for line in LINES:
            shown += read_until(user, "you> ")
            os.write(user, f"{line}\n".encode())
        shown += read_until(user, "")
    os.close(user)
    return shown.replace("\r", "")


def read_until(user: int, wanted: str) -> str:
    """Return what comes up to a text, or up to the end where none is wanted."""
    shown = ""
    while not wanted or wanted not in shown:
        try:
            data = os.read(user, 4096)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        shown += data.decode()
    return shown


if __name__ == "__main__":
    main()
