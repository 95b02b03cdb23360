"""The report of a run: one page with all results, linked to the evidence report of each answer.

The page loads nothing from elsewhere. Rows are embedded as JSON and a small script filters them, so that thousands of
rows cost nothing until they are shown.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from agentcvr_graph.eval.manifest import RunManifest
from agentcvr_graph.eval.methods import models_of
from agentcvr_graph.eval.reliability import by_method, reliability_table
from agentcvr_graph.eval.report.leaderboard import COLUMNS, CROSSVID
from agentcvr_graph.eval.report.plots import draw, draw_reliability
from agentcvr_graph.eval.rows import OUTCOMES, Row
from agentcvr_graph.eval.run import EvalRun
from agentcvr_graph.eval.run_folder import RunFolder, file_name
from agentcvr_graph.eval.summary import SummaryLine
from agentcvr_graph.render import first_notes
from agentcvr_graph.report import MediaThumbnails, Thumbnails, write_report
from agentcvr_graph.types import AnswerValue
from agentcvr_graph.utils.files import atomic_write_text
from agentcvr_graph.utils.templates import asset, html_environment

MAX_ANSWERS_WITH_FRAMES = 300
"""Largest number of answers whose reports show frames by default."""


class LeaderboardEntry(NamedTuple):
    """A line of the leaderboard: a method of this run or a published result."""

    name: str
    frames: str
    scores: tuple[float | None, ...]
    ours: bool


def write_run_report(run: EvalRun, *, pictures: bool | None = None) -> Path:
    """Write `report.html` and, below `questions/`, a page for each answer; return the path of the first.

    Args:
        pictures: show frames in the pages of answers; None: if there are at most `MAX_ANSWERS_WITH_FRAMES`.

    Raises:
        SetupError: matplotlib or scipy is not installed.
    """
    rows, manifest = run.rows(), run.manifest
    lines = run.summary()
    wanted = len(rows) <= MAX_ANSWERS_WITH_FRAMES if pictures is None else pictures
    write_pages(run.folder, rows, manifest, pictures=wanted and not manifest.config["scripts"])
    path = run.folder.path / "report.html"
    atomic_write_text(path, render(run.folder, rows, lines, manifest))
    return path


def write_pages(folder: RunFolder, rows: Sequence[Row], manifest: RunManifest, *, pictures: bool) -> None:
    """Write the evidence report of each answer whose trajectory is newer than its page."""
    models = models_of(manifest.to_config())
    with _pictures() if pictures else nullcontext() as thumbnails:
        for row in rows:
            kept, page = folder.trajectory_path(row.method, row.id), page_path(folder, row)
            if not kept.exists() or (page.exists() and page.stat().st_mtime >= kept.stat().st_mtime):
                continue
            trajectory = folder.trajectory(row.method, row.id)
            if trajectory is not None:
                write_report(trajectory, page, thumbnails=thumbnails, models=models)


def page_path(folder: RunFolder, row: Row) -> Path:
    """Return the path of the page of an answer."""
    return folder.path / "questions" / row.method / f"{file_name(row.id)}.html"


def render(folder: RunFolder, rows: Sequence[Row], lines: Sequence[SummaryLine], manifest: RunManifest) -> str:
    """Return the page as HTML. All text from questions and models is escaped."""
    package = "agentcvr_graph.eval.report"
    names = list(dict.fromkeys(line.name for line in lines))
    methods = list(dict.fromkeys(line.method for line in lines))
    cells = {(line.method, line.name): line for line in lines}
    reliable = [one for one in by_method(rows) if one.is_shown]
    return (
        html_environment(package)
        .get_template("run.html.j2")
        .render(
            manifest=manifest,
            methods=methods,
            names=names,
            cells=cells,
            totals={method: [line for line in lines if line.method == method][-1] for method in methods},
            outcomes=OUTCOMES,
            entries=_leaderboard(cells, methods) if manifest.benchmark == "crossvid" else [],
            columns=COLUMNS,
            models=models_of(manifest.to_config()),
            plots=Markup(draw(lines, rows)),
            reliability=reliability_table(reliable) if reliable else None,
            curves=Markup(draw_reliability(reliable)) if reliable else "",
            rows=Markup(_as_data([_shown(folder, row) for row in rows])),
            css=asset("agentcvr_graph.report", "report.css") + asset(package, "run.css"),
            js=asset(package, "run.js"),
        )
    )


def _leaderboard(cells: dict[tuple[str, str], SummaryLine], methods: Sequence[str]) -> list[LeaderboardEntry]:
    """Return the methods of this run among the published results, best first."""
    found = [LeaderboardEntry(line.model, line.frames, line.scores, ours=False) for line in CROSSVID]
    for method in methods:
        own = [cells.get((method, column)) for column in COLUMNS]
        abstained = own[0].outcomes.get("abstained", 0) / own[0].count if own[0] else 0.0
        name = f"{method} (this run{f', abstained {100 * abstained:.0f} %' if abstained else ''})"
        frames = f"{own[0].frames:.0f}" if own[0] else ""
        scores = tuple(100 * line.accuracy.mean if line else None for line in own)
        found.append(LeaderboardEntry(name, frames, scores, ours=True))
    return sorted(found, key=lambda entry: -(entry.scores[0] or 0.0))


def _shown(folder: RunFolder, row: Row) -> dict[str, Any]:
    """Return a row as the script of the page expects it."""
    page = page_path(folder, row)
    return {
        "id": row.id,
        "method": row.method,
        "task": row.task,
        "outcome": row.outcome,
        "score": round(row.score, 3),
        "confidence": "" if row.confidence is None else f"{100 * row.confidence:.0f} %",
        "value": _text(row.value),
        "key": _text(row.key),
        "detail": row.detail,
        "notes": first_notes(row.notes),
        "turns": row.turns,
        "frames": row.usage.frames,
        "tokens": row.usage.input_tokens + row.usage.output_tokens,
        "wall_s": round(row.usage.wall_s, 1),
        "page": page.relative_to(folder.path).as_posix() if page.exists() else "",
    }


def _text(value: AnswerValue | None) -> str:
    if value is None:
        return ""
    parts: Sequence[str | float] = value if isinstance(value, list | tuple) else [value]
    return ", ".join(part if isinstance(part, str) else f"{part:g}" for part in parts)


def _as_data(rows: list[dict[str, Any]]) -> str:
    """Return JSON that is safe inside a script element: it cannot contain a closing tag."""
    text = json.dumps(rows, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@contextmanager
def _pictures() -> Generator[Thumbnails]:
    from agentcvr_graph.perception.factory import isolated_media

    media = isolated_media()
    try:
        yield MediaThumbnails(media)
    finally:
        media.close()
