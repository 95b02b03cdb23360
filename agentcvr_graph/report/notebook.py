"""HTML of the library's objects for a notebook.

Whole pages (a trajectory, a script) go into an iframe, so that their styles and the notebook's do not mix. Small
objects are a few lines in the style of the notebook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentcvr_graph.answers import standing
from agentcvr_graph.render import NOTHING, look_label, window_label
from agentcvr_graph.types import Answer, EvidenceKind, Observation, Window
from agentcvr_graph.utils.templates import html_environment

TRAJECTORY_PX, SCRIPT_PX = 720, 760
"""Heights of the iframes."""
MODALITY_VERBS: Mapping[EvidenceKind, str] = {"visual": "observed", "audio": "listened", "index": "found"}
"""The verb for each kind of observation in the labels of the report."""
_ENVIRONMENT = html_environment()
_FRAME = _ENVIRONMENT.from_string(
    '<iframe srcdoc="{{ page }}" title="{{ title }}" sandbox="allow-scripts" loading="lazy"\n'
    ' style="width:100%;height:{{ height_px }}px;border:1px solid #8884;border-radius:6px"></iframe>'
)
_ANSWER = _ENVIRONMENT.from_string(
    "<p><b>{{ answer.text }}</b>{% if how %} <small>({{ how }})</small>{% endif %}"
    "{% if answer.rationale %}<br>{{ answer.rationale }}{% endif %}</p>"
    "{% if citations %}<ul>{% for place, how in citations %}<li>{{ place }}, {{ how }}</li>{% endfor %}</ul>{% endif %}"
)
_OBSERVATION = _ENVIRONMENT.from_string(
    "<p><b>{{ verb }}</b> {{ places | join('; ') }}"
    "{% if model %} <small>by {{ model }}</small>{% endif %}</p>"
    "<table>{% for place, text in lines %}<tr><td>{{ place }}</td><td style='text-align: left'>{{ text }}</td></tr>"
    "{% else %}"
    "<tr><td>{{ nothing }}</td></tr>{% endfor %}</table>"
    "{% for note in notes %}<p><small>{{ note }}</small></p>{% endfor %}"
)
_TABLE = _ENVIRONMENT.from_string(
    "<table><thead><tr>{% for name in head %}<th>{{ name }}</th>{% endfor %}</tr></thead><tbody>"
    "{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</tbody></table>"
)


@dataclass(frozen=True)
class Inline:
    """HTML that a notebook displays."""

    html: str

    def _repr_html_(self) -> str:
        return self.html


def framed(page: str, title: str, height_px: int) -> str:
    """Return a page in an iframe."""
    return _FRAME.render(page=page, title=title, height_px=height_px)


def answer_html(answer: Answer) -> str:
    """Return the answer, its rationale and its citations."""
    return _ANSWER.render(
        answer=answer,
        how=standing(answer),
        citations=[(window_label(cited), MODALITY_VERBS[cited.modality]) for cited in answer.citations],
    )


def observation_html(observation: Observation) -> str:
    """Return the windows of an observation and the statements about them."""
    return _OBSERVATION.render(
        verb=f"{MODALITY_VERBS[observation.modality]}:",
        places=[look_label(window, zoom) for window, zoom in observation.looks] or [observation.focus],
        model=observation.model,
        lines=[(_place(evidence.window), evidence.text) for evidence in observation.evidence],
        nothing=NOTHING[observation.modality],
        notes=observation.notes,
    )


def table_html(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table; every cell is escaped."""
    return _TABLE.render(head=head, rows=rows)


def _place(window: Window | None) -> str:
    return window_label(window) if window else ""
