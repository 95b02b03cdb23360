"""The timeline page of a script in a real browser: the key can be hidden, and nothing overflows a narrow window."""

from __future__ import annotations

import pytest

from agentcvr_graph.scripts.generators.procedural import make_script
from agentcvr_graph.scripts.timeline import draw_script

pytestmark = pytest.mark.enable_socket


def test_the_key_can_be_hidden(tmp_path, page):
    draw_script(make_script("CC", 5), tmp_path / "script.html")
    page.goto((tmp_path / "script.html").as_uri())
    assert page.locator(".secret").first.is_visible()
    page.get_by_role("button", name="hide the key").click()
    assert not page.locator(".secret").first.is_visible()
    assert page.get_by_role("button", name="show the key").is_visible()
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
