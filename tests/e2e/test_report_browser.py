"""The report in a real browser: a click on a citation shows its frames; nothing is fetched or executed."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.report import MediaThumbnails, write_report
from tests.support.report_samples import NASTY, failed, long_video, many_turns, usual

CONTRAST = """([text, ground]) => {
  const light = (name) => {
    const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim().slice(1);
    const [r, g, b] = [0, 2, 4].map((n) => parseInt(hex.slice(n, n + 2), 16) / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [one, other] = [light(text), light(ground)].sort((a, b) => b - a);
  return (one + 0.05) / (other + 0.05);
}"""

pytestmark = pytest.mark.enable_socket


def opened(page: Page, trajectory, tmp_path: Path) -> None:
    path = write_report(trajectory, tmp_path / "report.html", thumbnails=MediaThumbnails(MediaLibrary()))
    page.goto(path.as_uri())


def test_a_click_on_a_citation_shows_its_frames(page, tmp_path):
    opened(page, usual(), tmp_path)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)")
    frames = page.locator("#o1 figure[data-cited='1']")
    assert not frames.first.is_visible()
    page.locator(".chip[data-citation='1']").click()
    assert frames.count() == 2  # the frames at 8 and 10 s lie inside the citation, the one at 12 s does not
    assert frames.first.is_visible()
    assert frames.locator("img").first.evaluate("picture => picture.naturalWidth") > 100
    assert page.locator("#o1 figure.selected").count() == 2
    assert "selected" in page.locator("#o1").get_attribute("class")


def test_a_click_on_a_citation_scrolls_a_long_page_to_its_evidence(page, tmp_path):
    page.emulate_media(reduced_motion="reduce")  # scrolling ends before the click returns
    opened(page, many_turns(), tmp_path)
    page.locator(".chip").click()
    top = page.locator(".observation.selected .selected[data-cited]").first.bounding_box()["y"]
    assert 0 <= top < page.viewport_size["height"]


def test_a_click_on_an_audio_bar_shows_its_transcript(page, tmp_path):
    opened(page, usual(), tmp_path)
    page.locator(".bar.audio").first.click()
    assert page.locator("#o2 .lines").inner_text().find("cooking with butter") >= 0
    assert page.locator(".observation.selected").count() == 1
    assert "selected" in page.locator(".bar.audio").get_attribute("class")


def test_every_bar_and_mark_can_be_clicked(page, tmp_path):
    page.emulate_media(reduced_motion="reduce")
    opened(page, many_turns(), tmp_path)
    bars = page.locator(".bar")
    assert bars.count() == 4 + 10 + 11  # four observe windows in turn 1, one in each of ten turns; eleven listens
    for bar in bars.all():
        bar.click()  # Playwright refuses to click a covered element
        assert page.locator(".observation.selected").get_attribute("id") == bar.get_attribute("data-opens")
    mark = page.locator("button.mark")
    mark.click(position={"x": 20, "y": mark.bounding_box()["height"] - 1})
    assert page.locator(".observation.selected").get_attribute("id") == mark.get_attribute("data-opens")


def test_a_citation_without_evidence_cannot_be_clicked(page, tmp_path):
    trajectory = usual()
    elsewhere = trajectory.answer.citations[0].model_copy(update={"start_s": 30.0, "end_s": 31.0})
    answer = trajectory.answer.model_copy(update={"citations": (elsewhere,)})
    opened(page, trajectory.model_copy(update={"answer": answer}), tmp_path)
    assert page.locator(".chip").is_disabled()
    assert page.locator("button.mark").is_disabled()


def test_citations_work_from_the_keyboard(page, tmp_path):
    opened(page, usual(), tmp_path)
    page.locator(".chip.audio").focus()
    page.keyboard.press("Enter")
    assert "selected" in page.locator("#o2").get_attribute("class")
    assert page.evaluate("document.activeElement.closest('details').id") == "o2"


def test_all_evidence_is_expanded_for_printing_and_collapsed_afterwards(page, tmp_path):
    opened(page, many_turns(), tmp_path)
    closed = page.locator("details:not([open])").count()
    assert closed > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == closed


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast_with_its_background(page, tmp_path, scheme):
    """The contrast is at least 4.5 to 1, as WCAG 2.2 requires for text at level AA."""
    page.emulate_media(color_scheme=scheme)
    opened(page, many_turns(), tmp_path)
    for text, ground in (("ink", "card"), ("soft", "card"), ("soft", "paper"), ("bad", "card"), ("ink", "mark")):
        assert page.evaluate(CONTRAST, [f"--{text}", f"--{ground}"]) >= 4.5, (text, ground)


def test_text_from_a_video_is_never_executed(page, tmp_path):
    opened(page, usual(question=NASTY, text=NASTY), tmp_path)
    assert page.evaluate("window.hacked") is None
    assert page.locator("h1").inner_text() == NASTY


@pytest.mark.parametrize("width", [390, 1280])
def test_no_element_is_wider_than_the_page(page, tmp_path, width):
    page.set_viewport_size({"width": width, "height": 900})
    for trajectory in (usual(), failed(), many_turns(), long_video(), usual(question="x" * 400)):
        opened(page, trajectory, tmp_path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
