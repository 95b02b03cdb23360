"""Links from citations to moments of videos."""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import pytest
from rich.console import Console

from agentcvr_graph import create_cvr_graph
from agentcvr_graph.cli.ask_run import _cited
from agentcvr_graph.media.source import parse_source
from agentcvr_graph.report.moments import link_in_page, link_on_terminal, named_moment
from agentcvr_graph.report.page import render_report, write_report
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn
from agentcvr_graph.trajectory import trajectory_of
from agentcvr_graph.types import Citation, Video, VideoInfo

URL = "https://videos.example/a b.mp4"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "holiday" / "day #1 & 2.mp4"
    path.parent.mkdir()
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("fragment", "time_s", "found_s"),
    [("", 12.5, "12.5"), ("#t=60,90", 12.5, "72.5"), ("#t=60,70&t=100,120", 12, "102"), ("#t=5", 0.25, "5.25")],
)
def test_a_link_holds_the_time_of_the_file(file: Path, fragment: str, time_s: float, found_s: str):
    video = Video(source=f"{file}{fragment}")
    assert link_on_terminal(video, time_s) == f"{file.as_uri()}#t={found_s}"
    assert link_in_page(video, time_s, file.parents[1]) == f"holiday/day%20%231%20%26%202.mp4#t={found_s}"
    assert link_in_page(video, time_s, None) == ""


def test_a_page_links_to_files_relative_to_its_folder(file: Path, tmp_path: Path):
    found = link_in_page(Video(source=str(file)), 1, tmp_path / "reports")
    assert found == "../holiday/day%20%231%20%26%202.mp4#t=1"


def test_urls_are_linked_unless_they_may_hold_a_key():
    for link in (link_in_page(Video(source=f"{URL}#t=10,20"), 2, None), link_on_terminal(Video(source=URL), 12)):
        assert link == "https://videos.example/a%20b.mp4#t=12"
    for secret in ("https://user:word@videos.example/a.mp4", "https://videos.example/a.mp4?token=1"):
        assert link_in_page(Video(source=secret), 2, None) == link_on_terminal(Video(source=secret), 2) == ""


def test_a_link_to_an_address_ends_neither_an_attribute_nor_a_link_of_a_terminal():
    for name in (
        'a".mp4',
        "a'.mp4",
        "a\x1b]0;x\x07.mp4",
        "a<b>.mp4",
        "\u00e4 \u2615.mp4",
        "a%20b.mp4",
        "a(1),b;c=d.mp4",
    ):
        link = link_on_terminal(Video(source=f"https://videos.example/{name}"), 1)
        assert link == "" or (
            link.isascii() and not set(link) & set("\"'<> \x1b\x07") and unquote(link).endswith("#t=1")
        )
    assert link_on_terminal(Video(source="https://videos.example/a%20b.mp4"), 1).endswith("/a%20b.mp4#t=1")


WILD = ["a b.mp4", "#1.mp4", "day #2.mp4", "what?.mp4", "100%.mp4", "100%25.mp4", "10:30.mp4", "C:x.mp4", "-a.mp4"]
WILD += [
    "\u00fc\u00df \u2615.mp4",
    "u\u0308.mp4",
    'it\'s "here".mp4',
    "a&b=c;d.mp4",
    "a\\b.mp4",
    "<b>.mp4",
    "[x](y).mp4",
    "a+b~.mp4",
]
WILD += [os.fsdecode(b"\xff.mp4"), "a\tb.mp4", "#t=3.mp4", "x#t=1,2.mp4"]


@pytest.mark.parametrize("folder", [".", "reports", "reports/#1 of 2"])
@pytest.mark.parametrize("name", WILD)
def test_a_link_opens_a_file_whatever_its_name_is(tmp_path: Path, name: str, folder: str):
    """A browser splits the link at its first '#' and '?', decodes the path, and reads it relative to the page."""
    file = tmp_path / "clips" / name
    file.parent.mkdir()
    file.write_bytes(b"")
    video = Video(source=str(file))
    page = urlsplit(link_in_page(video, 4000.125, tmp_path / folder))
    terminal = urlsplit(link_on_terminal(video, 4000.125))
    assert page.fragment == terminal.fragment == "t=4000.125"
    assert (page.scheme, page.netloc, page.query, terminal.scheme, terminal.query) == ("", "", "", "file", "")
    opened = os.path.normpath(os.fsencode(tmp_path / folder) + b"/" + unquote_to_bytes(page.path))
    assert opened == os.fsencode(file) == unquote_to_bytes(terminal.path)
    assert page.path.isascii() and terminal.path.isascii()
    named = parse_source(Video(source=named_moment(video, 1.5, 1234567.5)))
    assert (named.path, named.spans) == (file, ((1.5, 1234567.5),))


def test_there_is_no_relative_link_to_another_drive(file: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(path: object, start: object) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", refuse)
    assert link_in_page(Video(source=str(file)), 1, file.parent) == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_only_a_terminal_gets_a_link(file: Path, terminal: bool):
    shown = StringIO()
    info = VideoInfo(number=1, video=Video(source=str(file)), duration_s=60)
    line = _cited(Citation(video=1, start_s=12.5, end_s=18, modality="visual"), info)
    Console(file=shown, force_terminal=terminal, width=200).print(line)
    assert ("\x1b]8;" in shown.getvalue()) is terminal
    assert (f"{file.as_uri()}#t=12.5" in shown.getvalue()) is terminal


def test_a_window_of_a_long_address_is_named():
    address = f"https://videos.example/{'a' * 5000}.mp4"
    assert named_moment(Video(source=address), 1, 2) == f"{address}#t=1,2"


def test_scripts_folders_and_files_that_are_gone_have_no_link(tmp_path: Path):
    for source in ("script://cc-000000/1", str(tmp_path), str(tmp_path / "gone.mp4")):
        assert link_in_page(Video(source=source), 2, tmp_path) == named_moment(Video(source=source), 1, 2) == ""


def test_a_window_is_named_as_a_video_string(file: Path):
    assert named_moment(Video(source=f"{file.parent}/../holiday/x"), 1, 2) == ""
    clip = file.rename(file.with_name("a.mp4"))
    assert named_moment(Video(source=f"{clip}#t=60,90"), 12.5, 18) == f"{clip}#t=72.5,78"


async def test_the_report_links_each_citation(tmp_path: Path):
    (tmp_path / "a.mp4").write_bytes(b"")
    cited = {"video": 1, "start_s": 12.5, "end_s": 18, "modality": "visual"}
    master = FakeMaster(turns=[turn("", observe((1, 0, 60, 4))), turn("", answer("A", citations=[cited]))])
    graph = create_cvr_graph(master, FakePerception()).compile()
    given = {"question": "Which?", "videos": [str(tmp_path / "a.mp4")], "options": ["x", "y"]}
    trajectory = trajectory_of(await graph.ainvoke(given))
    page = write_report(trajectory, tmp_path / "evidence.html").read_text()
    assert 'href="a.mp4#t=12.5"' in page and str(tmp_path) not in page
    assert "href=" not in render_report(trajectory)
