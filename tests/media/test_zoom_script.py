"""Small print in a script and in the video rendered from it: the same looks read it, and the same looks do not."""

from __future__ import annotations

import pytest

from agentcvr_graph import create_cvr_graph
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.offline.audio import OfflineAudio
from agentcvr_graph.models.offline.master import OfflineMaster
from agentcvr_graph.models.offline.vision import OfflineVision
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.live import LivePerception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.render import read_picture, read_unread
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Facts, Origin, Scene, Script, ScriptedVideo, Sign
from agentcvr_graph.scripts.video import render_script, rendered_question
from agentcvr_graph.tools.features import Features
from agentcvr_graph.types import Observe, PricedTarget, Region, Target, Video, Zoom, ZoomObserve
from agentcvr_graph.views import frame_price

LETTER_PX = 14
"""Height of the capital letters, in pixels of the 1920x1080 picture."""


def small_print(text: str, x: float, y: float, letter_px: float = LETTER_PX) -> Sign:
    return Sign(text=text, height=letter_px / 1080, x=x, y=y)


def video(title: str, colour: str, *signs: Sign) -> ScriptedVideo:
    facts = Facts(text=("STORE ROOM",), colours=(colour,), signs=signs, motion="still")
    return ScriptedVideo(duration_s=3, height_px=1080, title=title, scenes=(Scene(start_s=0, end_s=3, facts=facts),))


SCRIPT = Script(
    id="small-print",
    task="CC",
    question="Which video shows the batch QX47?",
    kind="choice",
    options=("Video 1", "Video 2"),
    key="B",
    videos=(
        video("shelf A", "dark blue", small_print("BATCH LM20", 0.22, 0.3)),
        video("shelf B", "dark green", small_print("BATCH QX47", 0.78, 0.3), small_print("GATE 9", 0.5, 0.55, 60)),
    ),
    origin=Origin(generator="test"),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Video, ...]:
    return rendered_question(SCRIPT, render_script(SCRIPT, tmp_path_factory.mktemp("rendered"))).videos


@pytest.fixture(scope="module")
def worlds(
    files: tuple[Video, ...], tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Perception, tuple[Video, ...]]]:
    """Return the perception of the script and that of its rendered videos, each with its videos."""
    folder = tmp_path_factory.mktemp("zoom")
    live = LivePerception(OfflineVision(), OfflineAudio(), MediaLibrary(cache_dir=folder))
    return [(ScriptedPerception(ScriptLibrary.of([SCRIPT])), SCRIPT.as_question().videos), (live, files)]


async def seen(perception: Perception, videos: tuple[Video, ...], number: int, zoom: Zoom | None):
    infos = [await perception.probe(one, n) for n, one in enumerate(videos, start=1)]
    window = {"video": number, "start_s": 0, "end_s": 3, "frames": 1}
    if zoom is None:
        request = Observe(targets=(Target.model_validate(window),))
    else:
        price = frame_price(zoom, infos[0].width, infos[0].height)
        request = ZoomObserve(targets=(PricedTarget.model_validate({**window, **zoom.model_dump(), "price": price}),))
    observation = await perception.observe(request, infos)
    (said,) = observation.evidence
    _, lines, colours, _ = read_picture(said.text)
    return lines, read_unread(said.text), colours, observation.cost.frames


def zoom_of(region: Region = "", detail: str = "normal") -> Zoom:
    return Zoom.model_validate({"region": region, "detail": detail})


CASES: list[tuple[int, Zoom | None, list[str], list[Region]]] = [
    (1, zoom_of(), ["STORE ROOM"], ["top left"]),
    (2, zoom_of(), ["STORE ROOM", "GATE 9"], ["top right"]),
    (1, zoom_of(detail="high"), ["STORE ROOM", "BATCH LM20"], []),
    (2, zoom_of(detail="high"), ["STORE ROOM", "GATE 9", "BATCH QX47"], []),
    (1, zoom_of("top left"), ["BATCH LM20"], []),
    (1, zoom_of("top left", "high"), ["BATCH LM20"], []),
    (1, zoom_of("top right", "high"), [], []),
    (2, zoom_of("right"), ["GATE 9"[3:], "BATCH QX47"], []),
    (2, zoom_of("top right", "high"), ["BATCH QX47"], []),
]


@pytest.mark.parametrize(("number", "zoom", "lines", "unread"), CASES)
async def test_the_script_and_the_file_show_the_same_in_a_look(
    worlds: list[tuple[Perception, tuple[Video, ...]]],
    number: int,
    zoom: Zoom,
    lines: list[str],
    unread: list[Region],
):
    scripted, live = [await seen(perception, videos, number, zoom) for perception, videos in worlds]
    assert squeezed(scripted[0]) == squeezed(lines)
    assert squeezed(live[0]) == squeezed(lines)
    assert (scripted[1], live[1]) == (unread, unread)
    assert scripted[3] == live[3] == frame_price(zoom, 1920, 1080)
    assert scripted[2] == live[2]


def squeezed(lines: list[str]) -> list[str]:
    return sorted(line.replace(" ", "") for line in lines)


@pytest.mark.parametrize("zoom", [True, False])
async def test_the_offline_master_zooms_in_on_small_print_and_answers_by_it(
    worlds: list[tuple[Perception, tuple[Video, ...]]], zoom: bool
):
    """With zoom it answers right in both worlds, and the check of its citation sees the same; without, nothing that it
    reads decides the question."""
    for perception, videos in worlds:
        graph = create_cvr_graph(OfflineMaster(), perception, features=Features(zoom=zoom, verify=True)).compile()
        output = await graph.ainvoke(
            {"question": SCRIPT.question, "videos": list(videos), "options": list(SCRIPT.options)}
        )
        answer = output["answer"]
        assert answer is not None
        if zoom:
            assert answer.value == SCRIPT.key
            assert [citation.video for citation in answer.citations] == [2]
            assert any(one.detail == "high" for seen in output["observations"] for one in seen.zooms)
            (check,) = output["verifications"]
            assert check.observation is not None
            assert (check.verdict, check.observation.zooms) == ("supported", (Zoom(), zoom_of("top right", "high")))
        else:
            assert answer.citations == ()
            assert not any(seen.zooms for seen in output["observations"])


async def test_a_look_without_zoom_neither_reads_nor_reports_small_print(
    worlds: list[tuple[Perception, tuple[Video, ...]]],
):
    for perception, videos in worlds:
        lines, unread, _, cost = await seen(perception, videos, 2, None)
        assert "BATCH QX47" not in lines and unread == [] and cost == 1
        assert {"STORE ROOM", "GATE 9"} <= set(lines)
