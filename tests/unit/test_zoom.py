"""Zoom: a target names a part of the picture and a detail, and pays for the pixels that are shown."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.errors import ActionError
from agentcvr_graph.render import observation_text, picture_text, read_picture, read_unread
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn
from agentcvr_graph.tools import OBSERVE, TOOLS
from agentcvr_graph.tools.budget import Budget
from agentcvr_graph.tools.features import Features
from agentcvr_graph.tools.zoom import ZOOM_OBSERVE, ZoomObserveArgs, price_lines
from agentcvr_graph.types import REGIONS, Observation, Region, Video, VideoInfo, Window, Zoom, ZoomObserve, read_region
from agentcvr_graph.views import WHOLE, Box, View, box_of, frame_price, region_around, view_of

HIGH, HIGH_LEFT = Zoom(detail="high"), Zoom(region="left", detail="high")


def info(number: int = 1, width: int = 1920, height: int = 1080) -> VideoInfo:
    return VideoInfo(number=number, video=Video(source="a.mp4"), duration_s=20.0, fps=25, width=width, height=height)


def planned(budget: Budget, *targets: Mapping[str, object], videos: tuple[VideoInfo, ...] = (info(),)):
    arguments = ZOOM_OBSERVE.read(
        {"targets": [{"video": 1, "start_s": 0, "end_s": 10, **target} for target in targets]}
    )
    assert isinstance(arguments, ZoomObserveArgs)
    return ZOOM_OBSERVE.plan(arguments, videos, budget)


def budget(frames: int = 100) -> Budget:
    return Budget(turns=5, frames=frames, audio_s=0)


@pytest.mark.parametrize(
    ("size", "prices"),
    [
        ((1920, 1080), (1, 9, 1, 8)),  # 1080x608 and 960x540 pixels against 360x202: 9.0 and 7.1 times as many
        ((1080, 1920), (1, 9, 1, 8)),
        ((3840, 2160), (1, 9, 1, 9)),
        ((640, 360), (1, 4, 1, 1)),  # nothing is enlarged: 640x360 is 3.2 times, and a region has 320x180 pixels
        ((360, 202), (1, 1, 1, 1)),
        ((120, 90), (1, 1, 1, 1)),
        ((4000, 500), (1, 9, 1, 9)),
    ],
)
def test_a_frame_costs_its_pixels_over_those_of_a_whole_picture_at_normal_detail(
    size: tuple[int, int], prices: tuple[int, ...]
):
    zooms = [Zoom(), HIGH, Zoom(region="left"), HIGH_LEFT]
    assert tuple(frame_price(zoom, *size) for zoom in zooms) == prices


def test_regions_are_quarters_that_overlap_by_half_and_cover_the_picture():
    assert box_of("") == WHOLE
    assert box_of("top left") == Box(0, 0, 0.5, 0.5)
    assert box_of("centre") == Box(0.25, 0.25, 0.75, 0.75)
    assert box_of("bottom") == Box(0.25, 0.5, 0.75, 1)
    assert len({box_of(region) for region in REGIONS}) == 9
    for region in REGIONS:
        assert region_around(box_of(region)) == region
    assert region_around(Box(0.1, 0.4, 0.9, 0.5)) == "", "no region shows a line across the picture wholly"


def test_views_have_the_size_of_the_library_or_the_high_one_if_that_is_more():
    assert view_of(Zoom(region="top")) == View("top", 360)
    assert view_of(HIGH) == View("", 1080)
    assert view_of(HIGH, normal_px=1440) == View("", 1440)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Top-Left", "top left"),
        ("upper right corner", "top right"),
        ("LOWER_LEFT", "bottom left"),
        ("middle", "centre"),
        ("center", "centre"),
        ("centre left", "left"),
        ("the left half of the picture", "left"),
        ("whole picture", ""),
        ("none", ""),
        ("", ""),
    ],
)
def test_regions_are_read_as_models_write_them(said: str, meant: Region):
    assert read_region(said) == meant


@pytest.mark.parametrize("said", ["northwest", "top bottom", "left right", "[0, 0, 10, 10]", "x" * 300])
def test_an_unknown_region_is_an_error_that_names_the_nine(said: str):
    with pytest.raises(ActionError) as error:
        planned(budget(), {"region": said})
    message = str(error.value)
    assert "\n" not in message and len(message) < 250
    assert message.startswith("observe: targets.0.region: there is no region")
    assert message.endswith(
        "the regions are top left, top, top right, left, centre, right, bottom left, bottom, bottom right."
    )


def test_an_unknown_detail_is_an_error_that_names_both():
    with pytest.raises(ActionError, match=r"observe: targets\.0\.detail: Input should be 'normal' or 'high'"):
        planned(budget(), {"detail": "ultra"})


def test_a_plan_keeps_the_zoom_and_prices_it():
    request, notes = planned(budget(), {"region": "top", "detail": "high", "frames": 2}, {"frames": 3})
    assert (request.cost_frames, request.frames, notes) == (2 * 8 + 3, 5, ())
    assert request.zooms == (Zoom(region="top", detail="high"), Zoom())
    assert ZOOM_OBSERVE.cost(request).frames == 19
    assert ZOOM_OBSERVE.load(json.loads(json.dumps(ZOOM_OBSERVE.dump(request)))) == request
    assert "price" not in json.dumps(ZOOM_OBSERVE.editable(request))
    assert "(2 frames, top, high detail)" in ZOOM_OBSERVE.describe(request)


def test_a_call_spends_no_more_than_the_budget():
    high = {"detail": "high", "frames": 4}
    request, notes = planned(budget(30), high)
    assert (request.frames, request.cost_frames) == (3, 27)
    assert notes == ("30 frames were shared over the windows; that is all one call may look at.",)
    request, notes = planned(budget(20), high, {"frames": 8})
    assert [target.frames for target in request.targets] == [2, 2], "18 and 2 of 20 frames"
    request, notes = planned(budget(10), high, high, high)
    assert (len(request.targets), request.cost_frames) == (1, 9)
    assert notes[0] == "Only the first 1 windows were looked at; there are no more frames."
    with pytest.raises(ActionError, match="One frame of the first window costs 9 frames, and 5 are left for a call"):
        planned(budget(5), high)


def test_the_brief_says_what_high_detail_costs_in_each_video():
    videos = [info(1), info(2), info(3, 640, 360), info(4, 0, 0), info(5, 320, 180)]
    assert price_lines(videos) == [
        "A frame at high detail costs 9 frames, 8 with a region (videos 1, 2).",
        "A frame at high detail costs 4 frames, 1 with a region (video 3).",
        "A frame at high detail costs 1 frame, 1 with a region (video 5).",
    ]


async def test_a_graph_with_zoom_looks_closer_and_pays_for_it():
    perception = FakePerception()
    call = observe((1, 0, 60, 2))
    call["args"]["targets"][0] |= {"region": "Upper left", "detail": "high"}
    master = FakeMaster(turns=[turn("", call), turn("", answer("A"))])
    graph = create_cvr_graph(master, perception, features=Features(zoom=True)).compile()
    output = await graph.ainvoke(
        {"question": "Which?", "videos": ["a.mp4"], "options": ["x", "y"]}, context=CVRContext(max_frames=30)
    )
    assert isinstance(perception.requests[0], ZoomObserve)
    assert output["usage"].frames == 2, "a region of a 640x360 video has no more pixels than a frame"
    shown = [message.text for message in master.seen[-1]]
    assert "A frame at high detail costs 4 frames, 1 with a region (video 1)." in shown[1]
    assert "seen: video 1, 0.0-60.0 s (2 frames, top left, high detail)" in shown[-1]


async def test_without_zoom_the_fields_are_unknown_and_nothing_else_changes():
    call = observe((1, 0, 60, 2))
    call["args"]["targets"][0] |= {"region": "top left", "detail": "high"}
    perception = FakePerception()
    master = FakeMaster(turns=[turn("", call), turn("", answer("A"))])
    await (
        create_cvr_graph(master, perception)
        .compile()
        .ainvoke({"question": "Which?", "videos": ["a.mp4"], "options": ["x", "y"]})
    )
    assert "note: Ignored 'region', 'detail': there are no such fields." in master.seen[-1][-1].text
    assert "zoom" not in json.dumps([*TOOLS.schemas]) and "region" not in json.dumps([*TOOLS.schemas])
    assert Features().apply(TOOLS) == [*TOOLS]
    assert Features(zoom=True).apply(TOOLS)[0] is ZOOM_OBSERVE is not OBSERVE


def test_unread_text_is_a_part_of_a_picture_that_readers_of_its_facts_pass_over():
    said = picture_text("a cook stirs", ["ADD; SALT"], ["red"], "still", ["top left", ""])
    assert said == (
        'a cook stirs; on-screen text "ADD; SALT"; small text that cannot be read (top left, across the picture); '
        "mostly red; still"
    )
    assert read_picture(said) == ("a cook stirs", ["ADD; SALT"], ["red"], "still")
    assert read_unread(said) == ["top left", ""]
    assert read_unread('on-screen text "small text that cannot be read (left)"') == []


def test_the_heading_of_a_look_without_zoom_is_as_ever():
    window = Window(video=1, start_s=0, end_s=4)
    plain = Observation(modality="visual", windows=(window,), frame_times_s=((1.0, 3.0),))
    assert observation_text(plain).startswith("seen: video 1, 0.0-4.0 s (2 frames)\n")
    zoomed = plain.model_copy(update={"zooms": (Zoom(region="top"),)})
    assert observation_text(zoomed).startswith("seen: video 1, 0.0-4.0 s (2 frames, top)\n")
