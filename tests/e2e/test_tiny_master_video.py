"""The shipped tiny master answers a question about videos rendered from tours that it has not seen."""

from __future__ import annotations

import json

from agentcvr_graph.scripts.generators.procedural import make_script
from agentcvr_graph.scripts.video import rendered_question
from tests.support.command_line import agentcvr_process
from tests.support.rendered_clips import rendered
from tests.training.test_tiny_master import LEVEL, UNSEEN

SHORT = LEVEL.with_settings({"scene_s": 2.5})
"""Tours of less than two minutes."""


def test_the_tiny_master_answers_about_rendered_video():
    """An overview of three frames a video, a closer look at what it leaves open, and a citation of the right video."""
    script = make_script("SPOT", UNSEEN, SHORT, "held-out")
    question = rendered_question(script, rendered(script))
    options = [part for option in question.options for part in ("-o", option)]
    files = [video.source for video in question.videos]
    given = (*options, "--master", "tiny", "--audio", "offline", "--json")
    done = agentcvr_process("ask", *files, "-q", question.question, *given)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["answer"]["value"] == script.key
    assert {cited["video"] for cited in record["answer"]["citations"]} == {1 + "ABC".index(str(script.key))}
    assert record["turns"] == 3
    assert 9 < record["usage"]["frames"] < 100
