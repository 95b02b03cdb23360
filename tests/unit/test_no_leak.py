"""Leak guard: no scripted observation shows text from outside its window, from the other modality, or from the key.

The texts of a scene are replaced by tokens that encode their position: video, scene, kind of text (picture, sign or
speech) and place in the caption. The question, key, scoring points and `extra` become the token SECRET. For any
request, each returned token must lie in the requested window and belong to the requested modality.
"""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentcvr_graph.perception.noise import MILD, OFF, Noise
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.render import observation_text
from agentcvr_graph.scripts.generators.procedural import GENERATORS, LEVELS, make_script
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Scene, Script
from agentcvr_graph.types import Listen, Observe, Target, Window
from tests.support.examples import examples

TOKEN = re.compile(r"v(\d+)s(\d+)(look|sign|said)(\d*)", re.I)
BAD = Noise(
    name="bad",
    missed_description=0.3,
    missed_text=0.3,
    missed_colour=0.3,
    missed_motion=0.3,
    missed_speech=0.2,
    word_errors=0.4,
    missed_sound=0.3,
    time_jitter_s=1.5,
    crowded_frames=4,
)


def tagged_scene(scene: Scene, video: int, number: int) -> Scene:
    tag = f"v{video}s{number}"
    said = " ".join(f"{tag}said{n}" for n in range(len(scene.caption.split())))
    facts = scene.facts.model_copy(update={"text": tuple(f"{tag}sign" for _ in scene.facts.text)})
    visual = f"{tag}look stands there" if scene.visual else ""
    return scene.model_copy(update={"visual": visual, "caption": said, "facts": facts})


def tagged(script: Script) -> Script:
    videos = tuple(
        video.model_copy(
            update={"scenes": tuple(tagged_scene(scene, n, index) for index, scene in enumerate(video.scenes))}
        )
        for n, video in enumerate(script.videos, start=1)
    )
    secret = {"question": "SECRET?", "key": "SECRET", "scoring_points": ("SECRET",), "extra": {"x": "SECRET"}}
    return script.model_copy(update={"videos": videos, **secret})


SCRIPTS = {task: tagged(make_script(task, 3, LEVELS["normal"])) for task in GENERATORS}


def windows(script: Script):
    @st.composite
    def draw(pick):
        video = pick(st.integers(1, len(script.videos)))
        duration_s = script.videos[video - 1].duration_s
        start_s = pick(st.floats(0, duration_s - 0.1))
        end_s = pick(st.floats(start_s + 0.05, duration_s))
        return Window(video=video, start_s=start_s, end_s=end_s)

    return draw()


async def probed(perception: ScriptedPerception, script: Script):
    return [await perception.probe(script.video(n), n) for n in range(1, len(script.videos) + 1)]


def assert_inside(
    text: str, script: Script, windows_asked: list[Window], tags: tuple[str, ...], slack_s: float
) -> None:
    assert "SECRET" not in text
    for video, number, tag, place in TOKEN.findall(text):
        scene = script.videos[int(video) - 1].scenes[int(number)]
        assert tag.lower() in tags
        start_s, end_s = scene.start_s, scene.end_s
        if tag.lower() == "said":
            words = scene.caption.split()
            spoken_s = scene.spoken_s
            step_s = (spoken_s[1] - spoken_s[0]) / len(words)
            start_s, end_s = spoken_s[0] + int(place) * step_s, spoken_s[0] + (int(place) + 1) * step_s
        assert any(
            window.video == int(video) and start_s - slack_s < window.end_s and end_s + slack_s > window.start_s
            for window in windows_asked
        ), f"{video}/{number}/{tag}{place} is outside {windows_asked}"


@pytest.mark.parametrize("noise", [OFF, MILD, BAD], ids=lambda noise: noise.name)
@pytest.mark.parametrize("task", GENERATORS)
@given(data=st.data())
@settings(max_examples=examples(25))
def test_observations_contain_only_text_of_their_window_and_modality(task, noise, data):
    script = SCRIPTS[task]
    perception = ScriptedPerception(ScriptLibrary.of([script]), noise)
    windows_asked = data.draw(st.lists(windows(script), min_size=1, max_size=3))
    frames = data.draw(st.integers(1, 40))
    focus = data.draw(st.sampled_from(["", "SECRET", "v1s0look", "v2s1said0"]))

    async def look_and_listen():
        infos = await probed(perception, script)
        targets = tuple(Target(**window.model_dump(), frames=frames) for window in windows_asked)
        seen = await perception.observe(Observe(targets=targets), infos)
        focused = await perception.observe(Observe(targets=targets, focus=focus), infos)
        heard = [
            await perception.listen(Listen(window=w, focus=focus), infos)
            for w in windows_asked
            if infos[w.video - 1].has_sound
        ]
        return seen, focused, heard

    seen, focused, heard = asyncio.run(look_and_listen())
    assert_inside(observation_text(seen), script, windows_asked, ("look", "sign"), 0.0)
    assert_inside(" ".join(e.text for e in focused.evidence), script, windows_asked, ("look", "sign"), 0.0)
    for observation in heard:
        text = " ".join(e.text for e in observation.evidence)
        # Jitter moves a whole caption in time, so a word may be reported that far from where it was spoken.
        assert_inside(text, script, list(observation.windows), ("said",), 8 * noise.time_jitter_s + 0.01)
    for observation in (seen, focused, *heard):
        for said in observation.evidence:
            assert any(
                said.window.video == window.video
                and window.start_s - 1e-6 <= said.window.start_s <= said.window.end_s <= window.end_s + 1e-6
                for window in observation.windows
            )


@pytest.mark.parametrize("task", GENERATORS)
def test_a_scene_is_observed_only_if_a_frame_falls_into_it(task):
    script = SCRIPTS[task]
    perception = ScriptedPerception(ScriptLibrary.of([script]))

    async def look():
        infos = await probed(perception, script)
        whole = Target(video=1, start_s=0, end_s=infos[0].duration_s, frames=2)
        return await perception.observe(Observe(targets=(whole,)), infos)

    observation = asyncio.run(look())
    shown = {int(number) for _, number, tag, _ in TOKEN.findall(observation_text(observation)) if tag == "look"}
    scenes = script.videos[0].scenes
    sampled = {
        n
        for n, scene in enumerate(scenes)
        if scene.visual and any(scene.start_s <= t < scene.end_s for t in observation.frame_times_s[0])
    }
    assert shown == sampled
    assert len(shown) <= 2
