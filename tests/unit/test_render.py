"""Text written for the master can be parsed back, line by line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcvr_graph import render
from agentcvr_graph.render import cost_text, evidence_line, observation_text, plain, read_evidence
from agentcvr_graph.types import Cost, Evidence, Observation, Window

tenths = st.integers(0, 99_999).map(lambda n: n / 10)


@given(st.integers(1, 20), tenths, tenths, st.text(min_size=1))
def test_an_evidence_line_can_be_parsed_back(video, start_s, end_s, text):
    line = evidence_line(Evidence(text=text, window=Window(video=video, start_s=start_s, end_s=end_s)))
    assert "\n" not in line
    found = read_evidence(line)
    assert found is not None
    assert found.window == Window(video=video, start_s=start_s, end_s=end_s)
    assert found.text == plain(text)
    if text.isalnum():
        assert found.text == text


@given(st.text(st.sampled_from('a"; x'), max_size=30))
def test_descriptions_are_split_only_outside_quotation_marks(text):
    """The regular expression below is a short specification that is too slow on long texts."""
    pattern = re.compile(r'; (?=(?:[^"]*"[^"]*")*[^"]*$)')
    assert render._parts(text) == pattern.split(text)


@pytest.mark.parametrize("line", ["", "note: few frames", "[video x, 1-2 s] no", "video 1, 0.0-1.0 s"])
def test_other_lines_are_not_parsed_as_evidence(line):
    assert read_evidence(line) is None


def test_an_empty_window_is_described_in_the_words_of_its_modality():
    window = Window(video=2, start_s=1, end_s=2)
    seen = Observation(modality="visual", windows=(window,), frame_times_s=((1.5,),), notes=("dark",))
    assert observation_text(seen) == ("seen: video 2, 1.0-2.0 s (1 frame)\nNothing to see in this window.\nnote: dark")


def test_cost_is_written_in_words():
    cost = Cost(frames=64, cached_frames=16, audio_s=82.5, model_calls=5)
    assert cost_text(cost) == "64 frames (16 cached), 82.5 s of sound, 5 model calls"
