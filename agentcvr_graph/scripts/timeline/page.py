"""The page of a script: one self-contained HTML file in the style of the evidence report."""

from __future__ import annotations

from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.scripts.timeline.view import view_of
from agentcvr_graph.utils.templates import asset, html_environment


def render_page(script: Script) -> str:
    """Return the page. Everything from the script is escaped; nothing is fetched."""
    template = html_environment("agentcvr_graph.scripts.timeline").get_template("script.html.j2")
    return template.render(view=view_of(script), css=asset("agentcvr_graph.report", "report.css"))
