"""Register HTML for the library's objects with IPython, so that notebooks display them.

Types are named by text, and templates are imported when an object is displayed for the first time. So importing the
library in a notebook costs hardly more than elsewhere, and neither the types nor the graph know about HTML.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentcvr_graph.scripts.schema import Script
    from agentcvr_graph.trajectory import Trajectory
    from agentcvr_graph.types import Answer, Observation


def answer_html(answer: Answer) -> str:
    """Return an answer with its rationale and citations."""
    from agentcvr_graph.report import notebook

    return notebook.answer_html(answer)


def observation_html(observation: Observation) -> str:
    """Return the statements of an observation as a table."""
    from agentcvr_graph.report import notebook

    return notebook.observation_html(observation)


def trajectory_html(trajectory: Trajectory) -> str:
    """Return the evidence report in an iframe, without frames (`report.render_report` takes thumbnails)."""
    from agentcvr_graph.report.notebook import TRAJECTORY_PX, framed
    from agentcvr_graph.report.page import render_report

    return framed(render_report(trajectory), trajectory.question, TRAJECTORY_PX)


def script_html(script: Script) -> str:
    """Return the timeline of a script in an iframe."""
    from agentcvr_graph.report.notebook import SCRIPT_PX, framed
    from agentcvr_graph.scripts.timeline.page import render_page

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
