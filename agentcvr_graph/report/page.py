"""The evidence report: one self-contained HTML file with the observations, their statements, and their cost.

Input is a `Trajectory`. `view.py` turns it into plain values and the template lays them out. The page loads no script,
font or image from elsewhere, so it can be sent by mail, archived, and opened without a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agentcvr_graph.report.thumbnails import Thumbnails
from agentcvr_graph.report.view import view_of
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.utils.files import atomic_write_text
from agentcvr_graph.utils.templates import asset, html_environment

PACKAGE = "agentcvr_graph.report"


def render_report(
    trajectory: Trajectory,
    *,
    thumbnails: Thumbnails | None = None,
    models: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """Return the report as HTML. All text from the trajectory is escaped.

    Args:
        thumbnails: source of frames; None for a report without frames, as in swap mode.
        models: the model of each role, for the footer.
        folder: the folder of the page, from which citations link to moments in files; None for links to URLs only.
    """
    template = html_environment(PACKAGE).get_template("report.html.j2")
    css, js = asset(PACKAGE, "report.css"), asset(PACKAGE, "report.js")
    return template.render(view=view_of(trajectory, thumbnails, folder), models=dict(models or {}), css=css, js=js)


def write_report(
    trajectory: Trajectory,
    path: Path,
    *,
    thumbnails: Thumbnails | None = None,
    models: Mapping[str, str] | None = None,
) -> Path:
    """Write the report to a file and return its path. The folder is created.

    Args:
        thumbnails: as in `render_report`.
        models: as in `render_report`.
    """
    html = render_report(trajectory, thumbnails=thumbnails, models=models, folder=path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(path, html)
    return path
