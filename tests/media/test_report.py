"""The report computes its view correctly, and no text of a trajectory reaches the page unescaped."""

from __future__ import annotations

import pytest

from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.report import MediaThumbnails, render_report, write_report
from agentcvr_graph.report.pictures import MAX_PER_REPORT, MAX_PER_WINDOW, Album, thin_out
from agentcvr_graph.report.tracks import MIN_BAR_PERCENT
from agentcvr_graph.report.view import view_of
from agentcvr_graph.short_answer import short_answer
from agentcvr_graph.trajectory import Action
from agentcvr_graph.types import Citation, Evidence, Failure, Observation
from tests.support.report_samples import NASTY, checked, failed, long_video, many_turns, seen, usual, video, window


class StubThumbnails:
    """A thumbnail source that returns the same bytes for every time and records the requests."""

    def __init__(self):
        self.requested = []

    def thumbnail(self, video, time_s):
        self.requested.append((video.source, time_s))
        return b"jpeg"


def with_actions(trajectory, *actions):
    """Return the trajectory with these actions in its first turn."""
    first = trajectory.turns[0].model_copy(update={"actions": actions})
    return trajectory.model_copy(update={"turns": (first, *trajectory.turns[1:])})


def with_citation(trajectory, **changes):
    """Return the trajectory with only its first citation, changed."""
    citation = trajectory.answer.citations[0].model_copy(update=changes)
    return trajectory.model_copy(update={"answer": trajectory.answer.model_copy(update={"citations": (citation,)})})


def test_bars_and_marks_are_placed_at_their_windows():
    observed, listened = view_of(usual()).timelines[0].tracks
    (bar,) = observed.bars
    assert (bar.left, bar.width) == (pytest.approx(100 * 7 / 38), pytest.approx(100 * 6 / 38))
    assert (bar.name, bar.label) == ("1", "turn 1: observed 7.0-13.0 s")
    assert observed.marks[0].left == pytest.approx(100 * 8 / 38)
    assert listened.marks[0].left == pytest.approx(100 * 14.5 / 38)
    assert [track.bars for track in view_of(usual()).timelines[1].tracks] == [[], []]


def test_overlapping_windows_are_drawn_in_separate_rows():
    bars = view_of(many_turns()).timelines[0].tracks[0].bars
    assert [(bar.name, bar.row) for bar in bars] == [("1", 0), ("5", 1), ("9", 2)]  # 0-35, 7-17, 11-21 s


def test_a_citation_shows_its_verdict_and_the_second_look():
    view = view_of(checked(), StubThumbnails())
    assert [chip.verdict for chip in view.chips] == ["supported", ""]
    found, earlier = view.checks
    assert found.observation and [len(pictures) for _, pictures in found.observation.pictures] == [2]
    assert (earlier.verdict, earlier.reason, earlier.observation) == ("unclear", "the second look failed: gone", None)
    assert earlier.heading.endswith("cited by the answer of turn 2")
    assert "Second looks" in render_report(checked()) and "Second looks" not in render_report(usual())
    assert NASTY not in render_report(checked(claim=NASTY))


def test_the_short_answer_notes_what_a_second_look_does_not_support():
    trajectory = checked()
    assert short_answer(trajectory).notes == ()
    (found, _) = trajectory.verifications
    refuted = found.model_copy(update={"verdict": "contradicted", "reason": "it is sugar"})
    notes = short_answer(trajectory.model_copy(update={"verifications": (refuted,)})).notes
    assert notes == ("video 1, 8.0-10.0 s: contradicted: The cook adds salt. (it is sugar)",)


def test_what_a_search_found_links_to_its_moments_in_opened_videos(tmp_path):
    found = [Evidence(text="salt", window=window(1, 7.5, 9)), Evidence(text="salt", window=window(300, 2, 3))]
    search = Observation(modality="index", windows=(), evidence=tuple(found), call_id="f", turn=1)
    action = Action(call_id="f", tool="find", arguments={"query": "salt"}, observation=search)
    trajectory = with_actions(usual(), action)
    turn, *_ = view_of(trajectory, folder=tmp_path).turns
    opened, other = turn.calls[0].observation.lines
    assert opened.where == "video 1, 7.5-9.0 s" and opened.link.endswith("cook_red.mp4#t=7.5")
    assert other.where == "video 300, 2.0-3.0 s" and other.link == ""
    page = render_report(trajectory, folder=tmp_path)
    assert 'cook_red.mp4#t=7.5" title="Open video 1, 7.5-9.0 s in the video"' in page
    assert page.count("Not looked at.") == 1  # video 1 is cited
    assert '<span class="end" style="left:100.000%">38 s' in page


def test_a_citation_opens_its_observation():
    view = view_of(usual())
    assert [(chip.number, chip.modality, chip.opens) for chip in view.chips] == [
        (1, "visual", "o1"),
        (2, "audio", "o2"),
    ]
    assert [call.observation.cited for call in view.turns[0].calls] == [True, True]


def test_a_citation_opens_the_narrower_of_two_observations_that_cover_it():
    trajectory = usual()
    actions = trajectory.turns[0].actions
    overview = actions[0].model_copy(
        update={"call_id": "z", "observation": seen("z", 1, window(1, 0, 38), (8.0, 30.0))}
    )
    assert view_of(with_actions(trajectory, overview, *actions)).chips[0].opens == "o2"


def test_a_citation_of_an_unobserved_window_opens_nothing():
    trajectory = with_citation(usual(), start_s=30.0, end_s=31.0)
    assert view_of(trajectory).chips[0].opens == ""
    assert "no observation covers this window" in render_report(trajectory)


@pytest.mark.parametrize(
    ("start_s", "end_s", "cited"),
    [
        (8.0, 10.0, (1,)),  # part of the window of the statement, 7-13 s
        (0.0, 38.0, (1,)),  # contains the window of the statement
        (11.0, 15.0, (1,)),  # half of the citation lies in the window
        (11.1, 15.1, ()),  # less than half
    ],
)
def test_a_statement_is_cited_if_the_overlap_is_half_of_the_shorter_window(start_s, end_s, cited):
    (line,) = view_of(with_citation(usual(), start_s=start_s, end_s=end_s)).turns[0].calls[0].observation.lines
    assert line.cited == cited


def test_a_short_window_in_a_long_video_stays_visible():
    timeline = view_of(long_video()).timelines[0]
    (bar,) = timeline.tracks[0].bars
    assert bar.width == MIN_BAR_PERCENT
    assert bar.left == pytest.approx(50, abs=1)
    assert "10800.0 s (3:00:00)" in timeline.detail
    assert [label for _, label in timeline.ticks][:3] == ["0 s", "1800 s", "3600 s"]


def test_the_axis_ends_with_the_video():
    trajectory = usual().model_copy(update={"videos": (video(1, duration_s=38.0), video(2, duration_s=31.0))})
    assert [[label for _, label in timeline.ticks] for timeline in view_of(trajectory).timelines] == [
        ["0 s", "10 s", "20 s", "30 s", "38 s"],
        ["0 s", "10 s", "20 s", "30 s"],  # the label 31 s would overlap 30 s
    ]


def test_the_strip_shows_observed_frames_at_their_times():
    strip = view_of(usual(), StubThumbnails()).timelines[0].strip
    assert [picture and picture.time_s for picture in strip] == [None, 8.0, 12.0, None, None, None, None, None]


def test_a_strip_of_few_frames_that_are_evenly_spread_has_no_gaps():
    look = seen("a", 1, window(1, 0, 38), [6.0, 18.0, 30.0])
    actions = usual().turns[0].actions
    trajectory = with_actions(usual(), actions[0].model_copy(update={"observation": look}))
    strip = view_of(trajectory, StubThumbnails()).timelines[0].strip
    assert [picture and picture.time_s for picture in strip] == [6.0, 18.0, 30.0]


def test_cited_frames_are_marked_and_selected_first():
    look = seen("a", 1, window(1, 0, 30), [float(n) for n in range(30)])
    actions = usual().turns[0].actions
    view = view_of(with_actions(usual(), actions[0].model_copy(update={"observation": look})), StubThumbnails())
    ((_, pictures),) = view.turns[0].calls[0].observation.pictures
    assert len(pictures) == MAX_PER_WINDOW
    assert [picture.time_s for picture in pictures if picture.cited] == [8.0, 9.0, 10.0]
    assert pictures[0].time_s == 0.0
    assert pictures[-1].time_s == 29.0


def test_many_windows_share_the_frame_limit_of_a_report():
    many = [seen(str(n), 1, window(1, n, n + 8), [float(n + i) for i in range(8)]) for n in range(100)]
    assert Album(None, many[:5]).per_window == MAX_PER_WINDOW
    assert Album(None, many).per_window * len(many) <= MAX_PER_REPORT


def test_each_time_is_decoded_once():
    thumbnails = StubThumbnails()
    view_of(many_turns(), thumbnails)
    assert thumbnails.requested
    assert len(thumbnails.requested) == len(set(thumbnails.requested))


def test_thinning_keeps_the_first_and_the_last():
    assert thin_out([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3) == [0.0, 3.0, 6.0]
    assert thin_out([0.0, 1.0], 3) == [0.0, 1.0]
    assert thin_out([0.0, 1.0], 0) == []


def test_without_thumbnails_the_report_contains_only_text():
    assert "<img" not in render_report(usual())
    assert "today i am cooking with butter" in render_report(usual())


def test_an_observation_without_evidence_is_reported_as_empty():
    action = usual().turns[0].actions[1]
    silence = Observation(modality="audio", windows=(window(1, 14, 17),), call_id="b", turn=1)
    html = render_report(with_actions(usual(), action.model_copy(update={"observation": silence})))
    assert "Nothing to hear in this window." in html


def test_errors_and_failures_are_labelled():
    html = render_report(usual())
    assert "There is no video 9." in html
    assert "video: 9" in html
    html = render_report(failed())
    assert "Could not answer" in html
    assert "it cannot be reached" in html
    assert "A model, a server or a video failed (infrastructure error)." in html
    failure = Failure(boundary="master", message="It never answered.")
    assert "The master gave no valid answer." in render_report(failed().model_copy(update={"failure": failure}))


def test_a_focus_is_shown_unless_it_is_the_question():
    trajectory = many_turns()
    assert view_of(trajectory).turns[0].calls[0].observation.focus == "the butter and the salt"
    equal = trajectory.model_copy(update={"question": "the butter and the salt"})
    assert view_of(equal).turns[0].calls[0].observation.focus == ""


def test_an_accepted_answer_is_shown_as_its_value_and_a_refused_one_in_full():
    action = usual().turns[2].actions[0]
    refused = action.model_copy(
        update={"reply": "error: No such option.", "arguments": {"value": "X", "citations": [1]}}
    )
    calls = view_of(with_actions(usual(), refused, action)).turns[0].calls
    assert [call.arguments for call in calls] == ["value: X, citations: [1]", "A"]


def test_an_unreadable_video_shows_the_reason_instead_of_a_timeline():
    broken = video(2).model_copy(update={"problem": "the file is cut off", "duration_s": 0.0})
    trajectory = usual().model_copy(update={"videos": (video(1), broken)})
    assert view_of(trajectory).timelines[1].ticks == []
    assert "Cannot be read: the file is cut off" in render_report(trajectory)


def test_a_citation_of_another_modality_marks_no_frame():
    trajectory = with_citation(usual(), modality="audio")
    assert isinstance(trajectory.answer.citations[0], Citation)
    ((_, pictures),) = view_of(trajectory, StubThumbnails()).turns[0].calls[0].observation.pictures
    assert [picture.cited for picture in pictures] == [(), (), ()]


def test_untrusted_text_is_escaped():
    html = render_report(usual(question=NASTY, text=NASTY), models={"master": NASTY})
    assert NASTY not in html
    assert html.count("<script>") == 1
    assert html.count("&lt;/script&gt;") >= 4


def test_thumbnails_are_jpeg_images_and_the_report_stays_small(tmp_path):
    library = MediaLibrary()
    path = write_report(many_turns(), tmp_path / "deep" / "report.html", thumbnails=MediaThumbnails(library))
    html = path.read_text()
    assert "data:image/jpeg;base64,/9j/" in html
    assert path.stat().st_size < 3_000_000
    assert "http" not in html


def test_a_missing_video_has_no_thumbnail():
    gone = video(1, name="no_such_clip").video
    assert MediaThumbnails(MediaLibrary()).thumbnail(gone, 1.0) is None
