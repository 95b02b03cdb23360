"""The plots of a run report as SVG: accuracy against cost, and against the number of turns."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Sequence

from agentcvr_graph.eval.reliability import Reliability
from agentcvr_graph.eval.rows import Row
from agentcvr_graph.eval.summary import SummaryLine
from agentcvr_graph.utils.figures import Axes, figure_style, new_figure

COLOURS = ("#2f6fde", "#c4671d", "#178a5c", "#8a4fc9", "#b3322b", "#5d6878")
SIZE = (10.5, 3.6)
STYLE: dict[str, object] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "agentcvr",  # makes the ids, and so the file, reproducible
}
MOST_TURNS = 24
"""Largest number of turns that is plotted."""


def draw(lines: Sequence[SummaryLine], rows: Sequence[Row]) -> str:
    """Draw three plots side by side and return them as SVG.

    Args:
        lines: the summary lines of tasks and averages.
        rows: the latest row of each question and method.

    Raises:
        SetupError: matplotlib is not installed.
    """
    with figure_style(STYLE, extra="eval"):
        figure, (tokens, frames, turns) = new_figure(1, 3, size_in=SIZE, sharey=True, extra="eval")
        _against(tokens, lines, "tokens per question", lambda line: line.tokens)
        _against(frames, lines, "frames per question", lambda line: line.frames)
        _by_turns(turns, rows)
        tokens.set_ylabel("accuracy, %")
        tokens.set_ylim(0, 102)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    text = drawn.getvalue()
    return text[text.index("<svg") :]


def draw_reliability(found: Sequence[Reliability]) -> str:
    """Draw accuracy against coverage, and accuracy against stated confidence, and return them as SVG.

    Raises:
        SetupError: matplotlib is not installed.
    """
    with figure_style(STYLE, extra="eval"):
        figure, (covered, stated) = new_figure(1, 2, size_in=SIZE, extra="eval")
        for one, colour in zip(found, COLOURS * len(found), strict=False):
            _coverage(covered, one, colour)
            _calibration(stated, one, colour)
        stated.plot([0, 100], [0, 100], color="#8d97a6", linewidth=1, alpha=0.8)
        covered.set_xlabel("coverage: questions answered, %")
        stated.set_xlabel("stated confidence, %")
        covered.set_ylabel("accuracy, %")
        for axes in (covered, stated):
            axes.set_ylim(-3, 103)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    text = drawn.getvalue()
    return text[text.index("<svg") :]


def _coverage(axes: Axes, one: Reliability, colour: str) -> None:
    """Plot the curve of a method up to the last question that it answered."""
    points = [point for point in one.curve if point.coverage <= one.coverage + 1e-9]
    shares, accuracies = [100 * point.coverage for point in points], [100 * point.accuracy for point in points]
    axes.plot(shares, accuracies, color=colour, linewidth=1.5, alpha=0.9)
    axes.scatter(shares[-1:], accuracies[-1:], 40, colour, label=one.method, zorder=3)


def _calibration(axes: Axes, one: Reliability, colour: str) -> None:
    """Plot the bins of a method; larger points stand for more answers."""
    most = max((part.count for part in one.bins), default=1)
    sizes = [10 + 120 * part.count / most for part in one.bins]
    means = [100 * part.confidence for part in one.bins]
    axes.scatter(means, [100 * part.accuracy for part in one.bins], sizes, colour, label=one.method)


def _against(axes: Axes, lines: Sequence[SummaryLine], what: str, cost: Callable[[SummaryLine], float]) -> None:
    """Plot a large point for each method and small ones for its tasks."""
    methods = list(dict.fromkeys(line.method for line in lines))
    for method, colour in zip(methods, COLOURS * len(methods), strict=False):
        own = [line for line in lines if line.method == method]
        tasks = [line for line in own if not line.average_of]
        axes.scatter(
            [cost(line) for line in tasks], [100 * line.accuracy.mean for line in tasks], 14, colour, alpha=0.35
        )
        whole = own[-1]
        axes.scatter([cost(whole)], [100 * whole.accuracy.mean], 70, colour, label=method, zorder=3)
        axes.annotate(
            method,
            (cost(whole), 100 * whole.accuracy.mean),
            (6, 5),
            textcoords="offset points",
            color=colour,
            fontsize=9,
        )
    axes.set_xlabel(what)
    axes.margins(x=0.25)
    axes.set_xlim(left=min(0, axes.get_xlim()[0]))


def _by_turns(axes: Axes, rows: Sequence[Row]) -> None:
    """Plot accuracy by number of turns; larger points stand for more questions."""
    by_method: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if 0 < row.turns <= MOST_TURNS:
            by_method[row.method][row.turns].append(row.score)
    for (method, by_turns), colour in zip(by_method.items(), COLOURS * len(by_method), strict=False):
        turns = sorted(by_turns)
        means = [100 * sum(by_turns[turn]) / len(by_turns[turn]) for turn in turns]
        sizes = [10 + 120 * len(by_turns[turn]) / max(map(len, by_turns.values())) for turn in turns]
        axes.plot(turns, means, color=colour, linewidth=1, alpha=0.5)
        axes.scatter(turns, means, sizes, colour, label=method, zorder=3)
    axes.set_xlabel("turns")
    axes.margins(x=0.12)
