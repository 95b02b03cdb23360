"""Registers HTML for the library's objects with IPython, so that notebooks display them.

Types are named by text and rendered on first display: neither the types nor the graph know of HTML.
"""

from __future__ import annotations

import sys
from typing import Any

from agentcvr_graph.report import render_report
from agentcvr_graph.report.notebook import SCRIPT_PX, TRAJECTORY_PX, answer_html, framed, observation_html
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.scripts.timeline.page import render_page
from agentcvr_graph.trajectory import Trajectory


def trajectory_html(trajectory: Trajectory) -> str:
    """Return the evidence report in a frame, without pictures (`report.render_report` takes thumbnails)."""
    return framed(render_report(trajectory), trajectory.question, TRAJECTORY_PX)


def script_html(script: Script) -> str:
    """Return the timeline of a script in a frame."""
    return framed(render_page(script), script.question, SCRIPT_PX)


RENDERERS = {
    ("agentcvr_graph.types", "Answer"): answer_html,
    ("agentcvr_graph.types", "Observation"): observation_html,
    ("agentcvr_graph.trajectory", "Trajectory"): trajectory_html,
    ("agentcvr_graph.scripts.schema", "Script"): script_html,
}


def register() -> None:
    """Register the renderers with the running IPython, if there is one."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return
    formatter = shell.display_formatter.formatters["text/html"]
    for (module, name), render in RENDERERS.items():
        formatter.for_type_by_name(module, name, render)
