"""The page of a script: one self-contained HTML file in the looks of the evidence report."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.scripts.timeline.view import view_of


def render_page(script: Script) -> str:
    """The page. Everything from the script is escaped; nothing is fetched."""
    environment = Environment(
        loader=PackageLoader("agentcvr_graph.scripts.timeline"), autoescape=True, trim_blocks=True
    )
    report = PackageLoader("agentcvr_graph.report")
    css = Markup(report.get_source(environment, "report.css")[0])  # trusted: our own file
    return environment.get_template("script.html.j2").render(view=view_of(script), css=css)
