"""The evidence report: one self-contained HTML file that shows what was looked at, what came of it, and what it cost.

A `Trajectory` goes in; `view.py` makes of it what the template shows, the template only lays it out. No script, font or
picture is fetched: the file can be mailed, archived and opened without a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from agentcvr_graph.report.excerpts import cited_windows, timeline
from agentcvr_graph.report.thumbnails import MediaThumbnails, Thumbnails
from agentcvr_graph.report.view import view_of
from agentcvr_graph.trajectory import Trajectory

__all__ = ["MediaThumbnails", "Thumbnails", "cited_windows", "render_report", "timeline", "write_report"]


def render_report(
    trajectory: Trajectory, *, thumbnails: Thumbnails | None = None, models: Mapping[str, str] | None = None
) -> str:
    """The report as HTML. Everything from the trajectory is escaped.

    Args:
        thumbnails: gives small pictures; None for a report in words only, as for scripted worlds.
        models: which model played which part, for the footer.
    """
    environment = Environment(
        loader=PackageLoader("agentcvr_graph.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    sources = {name: Markup(_source(environment, f"report.{name}")) for name in ("css", "js")}
    view = view_of(trajectory, thumbnails)
    return environment.get_template("report.html.j2").render(view=view, models=dict(models or {}), **sources)


def write_report(
    trajectory: Trajectory,
    path: Path,
    *,
    thumbnails: Thumbnails | None = None,
    models: Mapping[str, str] | None = None,
) -> Path:
    """Write the report to a file, making its folder; the path."""
    html = render_report(trajectory, thumbnails=thumbnails, models=models)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, encoding="utf-8")
    return path


def _source(environment: Environment, name: str) -> str:
    """A file beside the template, as it stands."""
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]
