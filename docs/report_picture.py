"""Make docs/images/evidence-report.png: run the demo and photograph its report.

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

PICTURE = Path(__file__).parent / "images" / "evidence-report.png"
WIDTH, HEIGHT = 1100, 1455  # down to the third video, whose windows are cited


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.html"
        demo = [sys.executable, "-m", "agentcvr_graph", "demo", "--report", str(report)]
        subprocess.run(demo, check=True)
        PICTURE.parent.mkdir(exist_ok=True)
        photograph(report.as_uri(), PICTURE)
    print(f"wrote {PICTURE}")


def photograph(url: str, picture: Path) -> None:
    """Write the top of a page as a PNG."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")  # else the one that Playwright installed
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.goto(url)
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main()
