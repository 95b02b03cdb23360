"""What the report shows is worked out right, and nothing from a trajectory reaches the page unescaped."""

from __future__ import annotations

import pytest

from agentcvr_graph.media import MediaLibrary
from agentcvr_graph.report import MediaThumbnails, render_report, write_report
from agentcvr_graph.report.view import MAX_THUMBNAILS, MIN_BAR_PERCENT, view_of
from tests.report_samples import NASTY, failed, long_video, seen, usual, window


def test_bars_and_marks_lie_where_the_windows_are():
    lane = view_of(usual()).lanes[0]
    look = next(bar for bar in lane.bars if bar.modality == "visual")
    assert (look.left, look.width) == (pytest.approx(100 * 7 / 38), pytest.approx(100 * 6 / 38))
    assert [mark.modality for mark in lane.marks] == ["visual", "audio"]
    assert lane.marks[0].left == pytest.approx(100 * 8 / 38)
    assert view_of(usual()).lanes[1].bars == []


def test_a_citation_opens_the_observation_it_rests_on():
    view = view_of(usual())
    assert [(chip.modality, chip.observation) for chip in view.chips] == [("visual", "o1"), ("audio", "o2")]


def test_the_closer_look_is_opened_when_two_cover_a_citation():
    trajectory = usual()
    turn = trajectory.turns[0]
    overview = turn.actions[0].model_copy(
        update={"call_id": "z", "observation": seen("z", 1, window(1, 0, 38), (8.0, 30.0))}
    )
    turns = (turn.model_copy(update={"actions": (overview, *turn.actions)}), *trajectory.turns[1:])
    assert view_of(trajectory.model_copy(update={"turns": turns})).chips[0].observation == "o2"


def test_a_short_window_in_a_long_video_stays_visible():
    (bar,) = view_of(long_video()).lanes[0].bars
    assert bar.width == MIN_BAR_PERCENT
    assert bar.left == pytest.approx(50, abs=1)


def test_errors_and_failures_are_shown_as_such():
    html = render_report(usual())
    assert "There is no video 9." in html
    html = render_report(failed())
    assert "Could not answer" in html
    assert "it cannot be reached" in html


def test_everything_is_escaped():
    html = render_report(usual(question=NASTY, text=NASTY))
    assert NASTY not in html
    assert html.count("<script>") == 1
    assert "&lt;/script&gt;" in html


def test_thumbnails_are_real_pictures_and_few(tmp_path):
    look = seen("a", 1, window(1, 0, 30), [float(n) for n in range(30)])
    trajectory = usual()
    action = trajectory.turns[0].actions[0].model_copy(update={"observation": look})
    turns = (trajectory.turns[0].model_copy(update={"actions": (action,)}),)
    trajectory = trajectory.model_copy(update={"turns": turns, "answer": None})
    library = MediaLibrary()
    view = view_of(trajectory, MediaThumbnails(library))
    (_, pictures) = view.turns[0].steps[0].look.pictures[0]
    assert len(pictures) == MAX_THUMBNAILS
    assert pictures[0].data_uri.startswith("data:image/jpeg;base64,/9j/")
    path = write_report(trajectory, tmp_path / "deep" / "report.html", thumbnails=MediaThumbnails(library))
    assert path.stat().st_size < 300_000
    assert "http" not in path.read_text().replace("http(s)", "")
