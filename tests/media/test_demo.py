"""The demo questions need both vision and audio, and the offline models answer them."""

from __future__ import annotations

import pytest

from agentcvr_graph import create_cvr_graph
from agentcvr_graph.answers import score_answer
from agentcvr_graph.demo import CLIPS_DIR, demo_questions
from agentcvr_graph.demo.make_clips import CLIPS
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.factory import resolve_perception
from agentcvr_graph.types import Video

QUESTIONS = {question.id: question for question in demo_questions()}
# What each clip shows (steps in order, time on the clock) and says (fat, time of day), written by hand.
SHOWS = {
    "cook_red": ("salt meat pepper", ""),
    "cook_green": ("meat onions salt pepper", "11:15"),
    "cook_blue": ("onions salt meat", ""),
    "cook_yellow": ("meat salt onions pepper", "8:20"),
}
SAYS = {
    "cook_red": ("butter", "half past nine"),
    "cook_green": ("olive oil", ""),
    "cook_blue": ("olive oil", "a quarter to eight"),
    "cook_yellow": ("butter", ""),
}


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)
def test_the_fact_tables_match_the_content_of_the_clips(clip):
    steps = [step.caption.removeprefix("ADD ").lower() for step in clip.steps if step.caption.startswith("ADD")]
    assert " ".join(steps) == SHOWS[clip.name][0]
    assert clip.clock == SHOWS[clip.name][1]
    said = " ".join(line for _, line in clip.lines)
    assert SAYS[clip.name][0] in said
    assert SAYS[clip.name][1] in said
    captions = " ".join(step.caption.lower() for step in clip.steps)
    assert "butter" not in captions
    assert "oil" not in captions


def test_each_question_needs_both_vision_and_audio():
    salt_first = {name for name, (steps, _) in SHOWS.items() if steps.index("salt") < steps.index("meat")}
    oil = {name for name, (fat, _) in SAYS.items() if fat == "olive oil"}
    assert len(salt_first) == 2
    assert len(oil) == 2
    assert salt_first & oil == {"cook_blue"}
    clocks = {name for name, (_, clock) in SHOWS.items() if clock}
    spoken = {name for name, (_, time) in SAYS.items() if time}
    assert clocks | spoken == set(SHOWS)
    assert not clocks & spoken
    wish = next(line for _, line in CLIPS[0].lines if "wish" in line)
    assert "onions" in wish
    assert "onions" not in SHOWS["cook_red"][0]


def test_the_clips_are_small_video_files_with_sound():
    files = sorted(CLIPS_DIR.glob("*.mp4"))
    assert len(files) >= 4
    assert sum(file.stat().st_size for file in files) < 4 * 2**20
    for file in files:
        info = MediaLibrary().open(Video(source=str(file))).info
        assert 30 <= info.duration_s <= 60
        assert info.has_sound


@pytest.fixture(scope="module")
def graph():
    return create_cvr_graph(resolve_chat_model("offline"), resolve_perception("offline", "offline")).compile()


@pytest.mark.parametrize("name", QUESTIONS)
async def test_the_offline_models_answer_from_the_real_clips(name, graph):
    question = QUESTIONS[name]
    output = await graph.ainvoke(as_input(question))
    answer = output["answer"]
    assert answer is not None
    score = score_answer(answer.kind, answer.value, question.key)
    assert score >= (0.7 if answer.kind == "interval" else 1.0)
    assert answer.citations


@pytest.mark.parametrize("name", ["salt-and-oil", "time-of-day", "the-wish"])
async def test_the_citations_are_visual_and_audio(name, graph):
    output = await graph.ainvoke(as_input(QUESTIONS[name]))
    assert {citation.modality for citation in output["answer"].citations} == {"visual", "audio"}


async def test_a_repeated_question_uses_cached_frames_and_sound(graph):
    await graph.ainvoke(as_input(QUESTIONS["for-whom"]))
    fresh = create_cvr_graph(resolve_chat_model("offline"), resolve_perception("offline", "offline")).compile()
    output = await fresh.ainvoke(as_input(QUESTIONS["for-whom"]))
    usage = output["usage"]
    assert usage.cached_frames == usage.frames > 0
    assert any(video.has_subtitles for video in output["sources"])  # what is said there is remembered too
    assert usage.cached_audio_s == usage.audio_s > 0
