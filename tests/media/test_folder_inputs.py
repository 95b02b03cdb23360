"""A folder and a pattern of real videos as input: command line, graph, isolated decoders with access rules."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from agentcvr_graph import InputError, as_tool, create_cvr_graph
from agentcvr_graph.demo import CLIPS_DIR
from agentcvr_graph.media.access import Access
from agentcvr_graph.media.isolated import IsolatedLibrary
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.base import ModelOutput
from agentcvr_graph.models.registry import resolve_audio
from agentcvr_graph.perception.live import LivePerception
from agentcvr_graph.report import render_report
from agentcvr_graph.testing import FakeMaster, answer, observe, turn
from agentcvr_graph.trajectory import trajectory_of
from agentcvr_graph.types import Evidence

MANY = 24


class Seeing:
    """A vision model that says how many windows it got."""

    name = "seeing"

    async def look(self, sampled, focus):
        return ModelOutput((Evidence(text=f"{len(sampled)} windows"),))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Return a folder with 24 clips under 4 contents, among other files."""
    folder = tmp_path_factory.mktemp("library") / "clips"
    folder.mkdir()
    sources = sorted(CLIPS_DIR.glob("*.mp4"))
    for n in range(1, MANY + 1):
        os.link(shutil.copy(sources[n % len(sources)], folder.parent / f"{n}.mp4"), folder / f"Take {n}.mp4")
    (folder / "notes.txt").touch()
    (folder / ".DS_Store").touch()
    return folder


def cited(video):
    return [{"video": video, "start_s": 0, "end_s": 4, "modality": "visual"}]


def graph_over(media):
    turns = [turn("", observe((MANY, 0, 4, 2))), turn("", answer("yes", citations=cited(MANY)))]
    perception = LivePerception(Seeing(), resolve_audio("offline"), media)
    return create_cvr_graph(FakeMaster(turns=turns), perception).compile()


async def test_a_folder_of_real_videos_is_opened_as_needed(clips, tmp_path):
    media = MediaLibrary(cache_dir=tmp_path)
    output = await graph_over(media).ainvoke({"question": "Is it?", "videos": [str(clips)]})
    media.close()
    trajectory = trajectory_of(output)
    assert [info.number for info in trajectory.videos] == [*range(1, 21), MANY]
    assert trajectory.video(MANY).title == f"Take {MANY}" and trajectory.video(2).title == "Take 2"
    assert trajectory.notes[0].endswith("left out besides 24 videos: 1 hidden file, 1 other file (notes.txt)")
    page = render_report(trajectory)
    assert "Question over 24 videos" in page and "23 more videos were not looked at." in page
    assert page.count('<article class="video"') == 1 and "1 hidden file" in page


async def test_a_tool_and_isolated_decoders_keep_to_the_access_rules(clips, tmp_path):
    media = IsolatedLibrary(workers=1, cache_dir=tmp_path, access=Access(roots=(clips,)))
    try:
        output = await graph_over(media).ainvoke({"question": "Is it?", "videos": ["*.mp4"]})
        assert output["answer"].citations[0].video == MANY
        with pytest.raises(InputError, match="outside the folders that may be read"):
            await graph_over(media).ainvoke({"question": "Is it?", "videos": [str(clips.parent / "*.mp4")]})
        tool = as_tool(graph_over(media), access=Access(roots=(clips.parent,)))
        said = await tool.ainvoke({"question": "Is it?", "videos": [str(clips)]})
        assert said.startswith("Answer: yes") and f"video {MANY}" in said
        said = await tool.ainvoke({"question": "Is it?", "videos": ["/etc/*"]})
        assert "outside the folders that may be read" in said
    finally:
        media.close()


def test_the_command_line_takes_a_folder(clips, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for n in (1, 2):
        shutil.copy(clips / f"Take {n}.mp4", few)
    options = ["--audio", "offline", "--json", "--max-frames", "0", "--abstain", "never"]
    command = [sys.executable, "-m", "agentcvr_graph", "ask", "-q", "Which video says butter?", *options]
    ran = subprocess.run([*command, f"{few}#t=0,2"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["answer"] and "opening 2 videos" in ran.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    ran = subprocess.run([*command, str(empty)], capture_output=True, text=True, check=False)
    assert ran.returncode == 2 and ran.stderr.count("the folder is empty") == 1 and "Traceback" not in ran.stderr
