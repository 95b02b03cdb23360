"""The simulator on a script small enough to check by hand."""

from __future__ import annotations

import pytest

from agentcvr_graph.errors import InfrastructureError, InputError, VideoError
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.noise import CLEAR, MILD, OFF, Noise, fitted, resolve_noise
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.render import NOTHING, observation_text, video_line
from agentcvr_graph.scripts.generators.procedural import make_script
from agentcvr_graph.scripts.library import ScriptLibrary, write_scripts
from agentcvr_graph.scripts.schema import Facts, Origin, Scene, Script, ScriptedVideo, Sounded
from agentcvr_graph.types import Listen, Observe, Target, Video, Window

SALT = Scene(
    start_s=0,
    end_s=10,
    visual="A cook adds salt, slowly.",
    caption="one two three four five",
    speech_s=(2.0, 7.0),
    facts=Facts(text=("ADD SALT", "8:15"), colours=("red", "white"), motion="to the left"),
)
FLASH = Scene(start_s=10, end_s=11, visual="A knife falls.", facts=Facts(motion="down"))
PAN = Scene(
    start_s=11,
    end_s=30,
    visual="The pan stands alone.",
    facts=Facts(sounds=(Sounded(kind="impact", start_s=20.0, end_s=20.4),)),
)
LONE = Scene(start_s=5, end_s=8, visual="A door opens.", caption="hello there")
SCRIPT = Script(
    id="kitchen",
    task="CC",
    question="Which cook adds salt?",
    kind="choice",
    options=("Video 1", "Video 2"),
    key="A",
    videos=(
        ScriptedVideo(duration_s=30, scenes=(SALT, FLASH, PAN), title="red kitchen"),
        ScriptedVideo(duration_s=20, scenes=(LONE,)),
    ),
    origin=Origin(generator="hand"),
)


def simulator(noise: Noise | str = OFF) -> ScriptedPerception:
    return ScriptedPerception(ScriptLibrary.of([SCRIPT]), noise)


async def infos(perception):
    return [await perception.probe(video, n) for n, video in enumerate(SCRIPT.as_question().videos, start=1)]


async def look(*targets, focus="", noise: Noise | str = OFF):
    perception = simulator(noise)
    keys = ("video", "start_s", "end_s", "frames")
    requested = tuple(Target(**dict(zip(keys, target, strict=True))) for target in targets)
    return await perception.observe(Observe(targets=requested, focus=focus), await infos(perception))


async def hear(video, start_s, end_s, noise: Noise | str = OFF):
    perception = simulator(noise)
    request = Listen(window=Window(video=video, start_s=start_s, end_s=end_s))
    return await perception.listen(request, await infos(perception))


def statements(observation):
    return [(e.text, e.window.start_s, e.window.end_s) for e in observation.evidence]


async def test_it_is_a_perception_and_probes_like_a_real_file():
    assert isinstance(simulator(), Perception)
    one, other = await infos(simulator())
    assert (one.title, one.duration_s, one.width, one.height, one.has_sound, one.has_subtitles) == (
        "red kitchen", 30, 640, 360, True, False,
    )  # fmt: skip
    assert (other.title, other.duration_s) == ("video 2", 20)


async def test_a_scene_between_two_samples_is_missed():
    sparse = await look((1, 0, 30, 3))  # asks for 5, 15 and 25 s; the grid has 8, 16 and 24 s
    assert [text.partition(";")[0] for text, _, _ in statements(sparse)] == [
        "A cook adds salt, slowly",
        "The pan stands alone",
    ]
    dense = await look((1, 0, 30, 30))
    assert "A knife falls" in " ".join(text for text, _, _ in statements(dense))


async def test_statements_extend_halfway_to_the_neighbouring_samples():
    observation = await look((1, 0, 30, 3))
    assert observation.frame_times_s == ((8.0, 16.0, 24.0),)
    assert statements(observation) == [
        ('A cook adds salt, slowly; on-screen text "ADD SALT", "8:15"; mostly red and white', 0, 12),
        ("The pan stands alone", 12, 30),
    ]


async def test_motion_needs_two_frames_and_its_direction_needs_close_frames():
    assert "moves" not in statements(await look((1, 0, 9, 1)))[0][0]
    assert statements(await look((1, 0, 9, 3)))[0][0].endswith("; something moves")
    assert statements(await look((1, 0, 9, 9)))[0][0].endswith("; something moves to the left")


async def test_many_frames_lose_detail_except_for_the_focus():
    crowd = await look((1, 0, 9, 40))
    assert statements(crowd)[0][0] == 'A cook adds salt, slowly; on-screen text "ADD SALT", "8:15"'
    throng = await look((1, 0, 9, 70))
    assert statements(throng)[0][0] == 'A cook adds salt; on-screen text "ADD SALT"'
    looked_for = await look((1, 0, 9, 70), focus="salt")
    assert "mostly red and white; something moves to the left" in statements(looked_for)[0][0]


async def test_a_window_without_a_scene_is_reported_as_empty():
    nothing = await look((2, 10, 20, 4))
    assert nothing.evidence == ()
    assert observation_text(nothing).endswith(NOTHING["visual"])
    beside = await look((2, 10, 20, 4), (1, 12, 20, 1))
    assert statements(beside) == [(NOTHING["visual"], 10, 20), ("The pan stands alone", 12, 20)]


async def test_focus_reorders_and_adds_nothing():
    plain, focused = await look((1, 0, 30, 30)), await look((1, 0, 30, 30), focus="where does the knife fall?")
    assert statements(focused)[0][0].startswith("A knife falls")
    assert sorted(statements(plain)) == sorted(statements(focused))


async def test_captions_are_clipped_to_the_window():
    assert ('"one two three four five"', 2.0, 7.0) in statements(await hear(1, 0, 10))
    assert ('"three four"', 4.0, 6.0) in statements(await hear(1, 4, 6))
    assert [text for text, _, _ in statements(await hear(1, 7.5, 10))] == ["silence"]


@pytest.mark.parametrize(
    ("times_s", "first", "rest"),
    [
        ((), '"one two three"', '"four five"'),  # evenly, a word a second from 2.0 s on
        (((2, 2.5), (2.5, 3), (3, 3.25), (3.25, 3.5), (5.5, 7)), '"one two three four"', '"five"'),
        (((2, 2.5), (2.5, 3)), '"one two three"', '"four five"'),  # times of other words
    ],
)
async def test_captions_are_clipped_at_the_times_of_their_words(times_s, first, rest):
    scene = SALT.model_copy(update={"word_times_s": times_s})
    script = SCRIPT.model_copy(update={"videos": (SCRIPT.videos[0].model_copy(update={"scenes": (scene,)}),)})
    perception = ScriptedPerception(ScriptLibrary.of([script]))
    videos = [await perception.probe(script.video(1), 1)]
    windows = [Window(video=1, start_s=start_s, end_s=end_s) for start_s, end_s in ((2, 5), (5, 7))]
    heard = [await perception.listen(Listen(window=window), videos) for window in windows]
    assert [statements(one) for one in heard] == [[(first, 2, 5)], [(rest, 5, 7)]]


async def test_sounds_and_silences_are_reported():
    heard = statements(await hear(1, 8, 30))
    assert heard == [("silence", 8, 20.0), ("impact", 20.0, 20.4), ("silence", 20.4, 30)]
    assert statements(await hear(1, 8, 9)) == []  # the pause is too short to report as silence


async def test_equal_requests_give_equal_observations():
    noisy = Noise(name="n", missed_text=0.5, misread_text=0.5, word_errors=0.5, missed_motion=0.5, time_jitter_s=0.5)
    for noise in (OFF, noisy):
        assert await look((1, 0, 30, 16), noise=noise) == await look((1, 0, 30, 16), noise=noise)
        assert await hear(1, 0, 30, noise=noise) == await hear(1, 0, 30, noise=noise)
    other = noisy.model_copy(update={"seed": 1})
    assert [await hear(1, 0, 30, noise=noisy)] != [await hear(1, 0, 30, noise=other)]


@pytest.mark.parametrize(
    ("rate", "gone"),
    [
        ("missed_description", "A cook adds salt"),
        ("missed_text", "ADD SALT"),
        ("missed_colour", "mostly"),
        ("missed_motion", "moves"),
    ],
)
async def test_each_vision_error_rate_removes_its_own_part(rate, gone):
    clean = statements(await look((1, 0, 9, 9)))[0][0]
    noisy = statements(await look((1, 0, 9, 9), noise=Noise(name="n", **{rate: 1.0})))[0][0]
    assert gone in clean
    assert gone not in noisy
    assert noisy


async def test_audio_error_rates_remove_or_change_speech_and_sounds():
    assert '"' not in " ".join(
        t for t, _, _ in statements(await hear(1, 0, 10, noise=Noise(name="n", missed_speech=1.0)))
    )
    assert "impact" not in [t for t, _, _ in statements(await hear(1, 15, 25, noise=Noise(name="n", missed_sound=1.0)))]
    words = statements(await hear(1, 0, 10, noise=Noise(name="n", word_errors=1.0)))[0][0]
    assert not {"one", "two", "three", "four", "five"} & set(words.strip('"').split()) - {"one"}


async def test_misread_text_is_still_reported_as_text():
    text = statements(await look((1, 0, 9, 1), noise=Noise(name="n", misread_text=1.0)))[0][0]
    assert '"ADD SALT"' not in text
    assert '"8:15"' not in text
    assert "on-screen text" in text


@pytest.mark.parametrize(("noise", "named"), [(OFF, False), (CLEAR, True)])
async def test_a_call_with_many_frames_names_colours_if_all_is_clear(noise, named):
    salt = statements(await look((1, 0, 30, 40), noise=noise))[0][0]
    assert "ADD SALT" in salt
    assert ("mostly red and white" in salt) == named


async def test_a_recording_is_listened_to_and_a_silent_video_has_sound():
    told = Scene(start_s=0, end_s=5, caption="add the salt")
    videos = (ScriptedVideo(duration_s=5, scenes=(told,), picture=False), ScriptedVideo(duration_s=5, sound=True))
    script = SCRIPT.model_copy(update={"videos": videos})
    perception = ScriptedPerception(ScriptLibrary.of([script]))
    infos = [await perception.probe(script.video(number), number) for number in (1, 2)]
    assert [(info.has_picture, info.has_sound) for info in infos] == [(False, True), (True, True)]
    assert video_line(infos[0]) == '1. "video 1": 5.0 s, no picture, sound'


async def test_the_measured_word_error_rate_equals_the_requested_rate():
    """Over 1,000 captions of one word each, the measured word error rate equals the requested one."""
    scenes = tuple(Scene(start_s=n, end_s=n + 1, visual="x", caption="salt") for n in range(1000))
    script = SCRIPT.model_copy(update={"videos": (ScriptedVideo(duration_s=1000, scenes=scenes),) * 2})
    perception = ScriptedPerception(ScriptLibrary.of([script]), Noise(name="n", word_errors=0.2))
    videos = [await perception.probe(script.video(1), 1)]
    heard = await perception.listen(Listen(window=Window(video=1, start_s=0, end_s=1000)), videos)
    right = sum(e.text == '"salt"' for e in heard.evidence)
    assert 770 <= right <= 830


def test_noise_is_resolved_by_name_or_from_a_file(tmp_path):
    assert resolve_noise("off") is OFF
    assert resolve_noise("clear") is CLEAR
    assert resolve_noise("mild") is MILD
    assert resolve_noise("fitted") == fitted()
    assert fitted().missed_description == 1.0  # the offline vision model does not describe pictures
    path = tmp_path / "noise.json"
    path.write_text(MILD.model_dump_json())
    assert resolve_noise(str(path)) == MILD
    path.write_text('{"missed_txt": 0.1}')
    with pytest.raises(InputError, match=r"missed_txt: Extra inputs are not permitted\..*Known rates: name, seed"):
        resolve_noise(str(path))
    with pytest.raises(InputError, match=r"There is no noise 'loud'\. Use off, clear, mild, fitted"):
        resolve_noise("loud")


async def test_invalid_script_addresses_raise_video_error():
    perception = simulator()
    for source, complaint in [
        ("script://kitchn/1", "There is no script 'kitchn' here. Did you mean kitchen"),
        ("script://kitchen/3", "has no video 3; it has 1 to 2"),
        ("script://kitchen", "no address of a scripted video. Write script://<id>/<number>"),
        ("a.mp4", "no address of a scripted video"),
    ]:
        with pytest.raises(VideoError, match=complaint):
            await perception.probe(Video(source=source), 1)


async def test_a_deleted_script_raises_infrastructure_error(tmp_path):
    path = tmp_path / "s.jsonl"
    write_scripts([SCRIPT, make_script("PI", 0)], path)
    perception = ScriptedPerception(ScriptLibrary(path))
    videos = await infos(perception)
    fresh = ScriptedPerception(perception.library)
    write_scripts([make_script("PI", 0)], path)
    with pytest.raises(
        InfrastructureError,
        match=r"Video 1 can no longer be read: There is no script 'kitchen' here. It was at .*s.jsonl:1",
    ):
        await fresh.listen(Listen(window=Window(video=1, start_s=0, end_s=5)), videos)
