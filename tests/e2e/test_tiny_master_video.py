"""The shipped tiny master answers a question about videos rendered from an unseen script."""

from __future__ import annotations

import json

from agentcvr_graph.scripts.generators.procedural import make_script
from agentcvr_graph.scripts.generators.procedural.base import Difficulty
from agentcvr_graph.scripts.video import rendered_question
from tests.support.command_line import agentcvr_process
from tests.support.rendered_clips import rendered
from tests.training.test_tiny_master import UNSEEN


def test_the_tiny_master_answers_about_rendered_video():
    script = make_script("PEA", UNSEEN, Difficulty(videos=2, scenes=4))
    question = rendered_question(script, rendered(script))
    options = [part for option in question.options for part in ("-o", option)]
    files = [video.source for video in question.videos]
    done = agentcvr_process("ask", *files, "-q", question.question, *options, "--master", "tiny", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["answer"]["value"] in ("A", "B", "C")
    assert record["usage"]["frames"] > 0
