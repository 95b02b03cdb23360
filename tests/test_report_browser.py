"""The report in a real browser: a click on a citation shows its frames, nothing is fetched, nothing is executed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from agentcvr_graph.media import MediaLibrary
from agentcvr_graph.report import MediaThumbnails, write_report
from tests.report_samples import NASTY, failed, usual

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.enable_socket,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser) -> Iterator[Page]:
    page = browser.new_page()
    page.troubles = []
    page.on("console", lambda message: page.troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.on("request", lambda request: page.troubles.append(request.url) if request.url.startswith("http") else None)
    yield page
    assert page.troubles == []
    page.close()


def opened(page: Page, trajectory, tmp_path: Path) -> None:
    path = write_report(trajectory, tmp_path / "report.html", thumbnails=MediaThumbnails(MediaLibrary()))
    page.goto(path.as_uri())


def test_a_click_on_a_citation_shows_its_frames(page, tmp_path):
    opened(page, usual(), tmp_path)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)")
    frames = page.locator("#o1 .strip img")
    assert not frames.first.is_visible()
    page.locator(".chip.visual").click()
    assert frames.count() == 2  # the frames at 8 and 10 s lie inside the citation, the one at 12 s does not
    assert frames.first.is_visible()
    assert frames.first.evaluate("picture => picture.naturalWidth") > 100
    assert "selected" in page.locator("#o1").get_attribute("class")


def test_a_click_on_a_bar_shows_what_was_heard(page, tmp_path):
    opened(page, usual(), tmp_path)
    page.locator(".bar.audio").first.click(position={"x": 3, "y": 8})
    assert page.locator("#o2 .lines").inner_text().find("cooking with butter") >= 0
    assert page.locator(".look.selected").count() == 1


def test_citations_work_from_the_keyboard(page, tmp_path):
    opened(page, usual(), tmp_path)
    page.locator(".chip.audio").focus()
    page.keyboard.press("Enter")
    assert "selected" in page.locator("#o2").get_attribute("class")


def test_text_from_a_video_is_never_executed(page, tmp_path):
    opened(page, usual(question=NASTY, text=NASTY), tmp_path)
    assert page.evaluate("window.hacked") is None
    assert page.locator("h1").inner_text() == NASTY


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_page(page, tmp_path, width):
    page.set_viewport_size({"width": width, "height": 900})
    for trajectory in (usual(), failed()):
        opened(page, trajectory, tmp_path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
