"""Links from citations to moments of videos."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentcvr_graph import create_cvr_graph
from agentcvr_graph.report.moments import link_in_page, link_on_terminal, named_moment
from agentcvr_graph.report.page import render_report, write_report
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn
from agentcvr_graph.trajectory import trajectory_of
from agentcvr_graph.types import Video

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
    assert link_in_page(Video(source=f"{URL}#t=10,20"), 2, None) == f"{URL}#t=12"
    for secret in ("https://user:word@videos.example/a.mp4", "https://videos.example/a.mp4?token=1"):
        assert link_in_page(Video(source=secret), 2, None) == link_on_terminal(Video(source=secret), 2) == ""


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
