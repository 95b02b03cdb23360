"""Small print and small things in scripts: what a look shows of them follows from their size as it is shown."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.graph.run import ask
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.offline.master import OfflineMaster
from agentcvr_graph.perception.noise import Noise
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.render import read_picture, read_unread
from agentcvr_graph.scripts.bundled import bundled_library
from agentcvr_graph.scripts.checks import check_script
from agentcvr_graph.scripts.legibility import close_look, letters_in, lines_in, sign_box
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Facts, Origin, Scene, Script, ScriptedVideo, Sign, Thing
from agentcvr_graph.tools import Features
from agentcvr_graph.types import Observe, PricedTarget, Region, Target, Zoom, ZoomObserve
from agentcvr_graph.views import box_of

HIGH = "high"


def facts(letter_px: float, x: float = 0.75, y: float = 0.25) -> Facts:
    return Facts(signs=(Sign(text="KEY 42", height=letter_px / 1080, x=x, y=y),))


@dataclass
class Case:
    letter_px: float
    zoom: Zoom | None
    read: bool
    unread: tuple[Region, ...] = ()


# 1080p: a pixel is shown at 0.1875 of its size in a whole picture, 0.375 in a region, 0.5625 at high detail, 1 in both.
CASES = [
    Case(22, None, read=True),  # 4.1 px
    Case(20, None, read=False),  # 3.8 px, and a look that knows no zoom reports nothing
    Case(22, Zoom(), read=True),
    Case(20, Zoom(), read=False, unread=("top right",)),
    Case(12, Zoom(), read=False, unread=("top right",)),  # 2.25 px
    Case(11, Zoom(), read=False),  # 2.1 px
    Case(11, Zoom(region="top right"), read=True),  # 4.1 px
    Case(10, Zoom(region="top right"), read=False, unread=("top right",)),
    Case(8, Zoom(detail="high"), read=True),  # 4.5 px
    Case(7, Zoom(detail="high"), read=False, unread=("top right",)),
    Case(4, Zoom(region="top right", detail="high"), read=True),
    Case(3, Zoom(region="top right", detail="high"), read=False, unread=("top right",)),
    Case(14, Zoom(region="left", detail="high"), read=False),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_letters_are_read_from_four_pixels_and_noticed_from_two_and_a_quarter(case: Case):
    seen = close_look(facts(case.letter_px), 1080, case.zoom)
    assert seen.lines == (("KEY 42",) if case.read else ())
    assert seen.unread == case.unread


def test_a_region_shows_the_letters_that_lie_in_it():
    sign = Sign(text="ABCDEFGH", height=0.05, x=0.5, y=0.25)
    assert letters_in(sign, box_of("top left")) == "ABCD"
    assert letters_in(sign, box_of("top right")) == "EFGH"
    assert letters_in(sign, box_of("top")) == "ABCDEFGH"
    assert letters_in(sign, box_of("centre")) == "", "its upper half is cut off"
    assert box_of("top").holds(sign_box(sign))
    assert lines_in(["ADD SALT", "EXIT"], "bottom left") == ("EXIT", "ADD SALT")
    assert lines_in(["ADD SALT"], "top") == ()


def test_a_small_thing_is_described_by_looks_that_show_it_large_enough():
    bird = Facts(things=(Thing(name="bird", colour="red", height=0.05, x=0.25, y=0.25, label="R7"),))
    assert close_look(bird, 1080, None).things == ()  # 10 px
    assert close_look(bird, 1080, Zoom()).things == ("something too small to make out (top left)",)
    near = close_look(bird, 1080, Zoom(region="top left", detail="high"))  # 54 px, letters of 13.5 px
    assert (near.things, near.lines) == (("a red bird",), ("R7",))
    assert close_look(bird, 1080, Zoom(region="right", detail="high")).things == ()


def script(*signs: Sign, height_px: int = 1080) -> Script:
    scene = Scene(start_s=0, end_s=8, visual="a shelf.", facts=Facts(text=("STORE",), colours=("red",), signs=signs))
    video = ScriptedVideo.model_validate({"duration_s": 8, "scenes": [scene], "height_px": height_px})
    return Script(
        id="small",
        task="CC",
        question="Which?",
        kind="choice",
        options=("1", "2"),
        key="A",
        videos=(video, video),
        origin=Origin(generator="test"),
    )


async def said(one: Script, target: Target, noise: Noise | str = "off") -> str:
    perception = ScriptedPerception(ScriptLibrary.of([one]), noise)
    info = await perception.probe(one.video(1), 1)
    assert (info.width, info.height) == one.videos[0].size
    request = ZoomObserve(targets=(target,)) if isinstance(target, PricedTarget) else Observe(targets=(target,))
    (evidence,) = (await perception.observe(request, [info])).evidence
    return evidence.text


WINDOW = {"video": 1, "start_s": 0, "end_s": 8, "frames": 1}
SMALL = facts(14).signs[0]


async def test_looks_of_a_script_are_independent_of_earlier_ones():
    one = script(SMALL)
    plain, usual = Target.model_validate(WINDOW), PricedTarget.model_validate(WINDOW)
    close = PricedTarget.model_validate({**WINDOW, "region": "top right", "detail": "high", "price": 8})
    assert await said(one, plain) == 'a shelf; on-screen text "STORE"; mostly red'
    assert await said(one, usual) == (
        'a shelf; on-screen text "STORE"; small text that cannot be read (top right); mostly red'
    )
    assert await said(one, close) == 'a shelf; on-screen text "KEY 42"; mostly red'
    perception = ScriptedPerception(ScriptLibrary.of([one]))
    info = await perception.probe(one.video(1), 1)
    together = await perception.observe(ZoomObserve(targets=(usual, close)), [info])
    assert together.cost.frames == 1 + 8
    assert [read_picture(evidence.text)[1] for evidence in together.evidence] == [["STORE"], ["KEY 42"]]


async def test_noise_misses_and_misreads_small_print_like_other_text():
    usual = PricedTarget.model_validate(WINDOW)
    close = PricedTarget.model_validate({**WINDOW, "region": "top right"})
    blind = Noise(missed_text=1.0)
    assert read_unread(await said(script(SMALL), usual, blind)) == []
    assert "KEY" not in await said(script(SMALL), close, blind)
    misread = read_picture(await said(script(SMALL), close, Noise(misread_text=1.0)))[1]
    assert misread != ["KEY 42"] and len(misread) == 1


def test_a_check_warns_of_text_that_no_look_can_read():
    warned = [problem for problem in check_script(script(SMALL, facts(3).signs[0])) if "too small" in problem.message]
    assert len(warned) == 2 and {problem.severity for problem in warned} == {"warning"}, "the small one, in each video"
    assert not [problem for problem in check_script(script(SMALL)) if "too small" in problem.message]


async def test_scripts_without_sizes_read_the_same_with_zoom_until_a_region_is_named():
    one = bundled_library().get("cc-000001")
    window = {"video": 1, "start_s": 0, "end_s": one.videos[0].duration_s, "frames": 6}
    perception = ScriptedPerception(bundled_library())
    info = await perception.probe(one.video(1), 1)
    assert (info.width, info.height) == (640, 360)
    plain = await perception.observe(Observe(targets=(Target.model_validate(window),)), [info])
    usual = await perception.observe(ZoomObserve(targets=(PricedTarget.model_validate(window),)), [info])
    assert usual == plain


CORNERS = (facts(14, 0.22, 0.75).signs[0], Sign(text="LID 9", height=14 / 1080, x=0.78, y=0.25))
"""Small print in two corners; the master looks at both, at the one that decides first."""


@pytest.mark.parametrize(
    ("signs", "asked", "parts"),
    [
        ((SMALL,), "Which video shows KEY 42?", ("", "top right")),
        (CORNERS, "Which video shows KEY 42?", ("", "bottom left", "top right")),
        (CORNERS, "Which video shows LID 9?", ("", "bottom left", "top right")),
        ((SMALL,), "Which video shows STORE 7?", ("", "top right")),
    ],
)
@pytest.mark.parametrize("frames", [512, 120])
async def test_what_a_close_look_showed_is_checked_as_closely(
    signs: tuple[Sign, ...], asked: str, parts: tuple[Region, ...], frames: int
):
    """Whatever part of the picture a claim comes from, its second look shows that part as large as the first did."""
    shown = Facts(text=("STORE 7",), signs=signs)
    empty, full = [
        ScriptedVideo(duration_s=8, height_px=1080, scenes=(Scene(start_s=0, end_s=8, facts=one),))
        for one in (Facts(), shown)
    ]
    world = script().model_copy(update={"videos": (empty, full), "question": asked, "options": ("Video 1", "Video 2")})
    perception = ScriptedPerception(ScriptLibrary.of([world]))
    graph = create_cvr_graph(OfflineMaster(), perception, features=Features(verify=True, zoom=True)).compile()
    run = await ask(graph, as_input(world.as_question()), CVRContext(max_frames=frames))
    assert run.answer is not None
    assert (run.answer.value, len(run.turns)) == ("B", 3), "no check was sent back to the master"
    assert {check.verdict for check in run.verifications} == {"supported"}
    for check in run.verifications:
        assert check.observation is not None
        zooms = check.observation.zooms
        assert tuple(zoom.region for zoom in zooms) == parts
        assert all(zoom.detail == "high" for zoom in zooms if zoom.region)
