"""Make the pictures of reports in docs/images.

One is of the demo, one of a question whose citations are checked, and one of a
search over many videos.

Run `make picture`. It needs Chromium, on the path or installed with
`playwright install chromium`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from agentcvr_graph.demo import CLIPS_DIR

IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 1100, 1455  # down to the third video, whose windows are cited
CHECKS_HEIGHT = 1020  # down to the second looks
SALT = (
    "Which cook adds the salt before the meat and says that they cook with olive oil?"
)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    make(["demo"], "evidence-report.png", HEIGHT)
    clips = [
        str(CLIPS_DIR / f"cook_{name}.mp4")
        for name in ("red", "green", "blue", "yellow")
    ]
    options = [part for n in range(1, 5) for part in ("-o", f"The cook in video {n}")]
    make(
        ["ask", *clips, "-q", SALT, *options, "--verify", "offline"],
        "second-looks.png",
        CHECKS_HEIGHT,
    )

    make(["demo", "lib-000006", "--swap"], "search.png", HEIGHT, ".turn:has(.index)")


def make(command: list[str], name: str, height: int, part: str = "") -> None:
    """Photograph the report of a command, or the first such part of it.

    The first second look and the searches in it are open.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.html"
        subprocess.run(
            [sys.executable, "-m", "agentcvr_graph", *command, "--report", str(report)],
            check=True,
        )
        photograph(report.as_uri(), IMAGES / name, height, part)
    print(f"wrote {IMAGES / name}")


def photograph(url: str, picture: Path, height: int, part: str = "") -> None:
    """Write the top of a page, or the first element of a selector, as a PNG."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")  # else the one that Playwright installed
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport={"width": WIDTH, "height": height})
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.goto(url)
        page.evaluate("document.querySelector('.check')?.setAttribute('open', '')")
        page.evaluate("document.querySelectorAll('.index').forEach(o => o.open = true)")
        place = page.locator(part).first if part else page
        place.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main()
