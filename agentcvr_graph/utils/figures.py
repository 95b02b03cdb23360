"""Typed access to matplotlib: the figures, axes and styles that this project draws with.

matplotlib's own types leave keyword arguments open, so the callers use the protocols of this module instead. They list
the methods and arguments that the project uses; add to them when a plot needs more. matplotlib is optional and is
imported when the first figure or style is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, cast

from agentcvr_graph.errors import missing_extra

if TYPE_CHECKING:
    from matplotlib.patches import Patch


class Spine(Protocol):
    """One border line of a plot."""

    def set_visible(self, b: bool) -> None: ...


class Axes(Protocol):
    """One plot of a figure. Unless an argument names a unit, positions are in the units of the data."""

    @property
    def spines(self) -> Mapping[str, Spine]: ...

    def plot(
        self,
        x: Sequence[float],
        y: Sequence[float],
        /,
        *,
        color: str,
        linewidth: float,
        alpha: float = ...,
        label: str = ...,
        marker: str = ...,
        markersize: float = ...,
    ) -> object: ...

    def scatter(
        self,
        x: Sequence[float],
        y: Sequence[float],
        s: float | Sequence[float],
        c: str,
        *,
        alpha: float = ...,
        label: str = ...,
        zorder: float = ...,
    ) -> object: ...

    def bar(
        self, x: Sequence[float], height: Sequence[float], width: float, *, color: str, label: str = ...
    ) -> object: ...

    def errorbar(
        self,
        x: Sequence[float],
        y: Sequence[float],
        yerr: Sequence[Sequence[float]],
        *,
        fmt: str,
        ecolor: str,
        capsize: float,
    ) -> object: ...

    def annotate(
        self,
        text: str,
        xy: tuple[float, float],
        xytext: tuple[float, float],
        *,
        textcoords: str,
        color: str,
        fontsize: float,
    ) -> object: ...

    def text(self, x: float, y: float, s: str, *, fontsize: float, va: str) -> object: ...

    def add_patch(self, p: Patch) -> object: ...

    def legend(
        self,
        *,
        frameon: bool,
        ncols: int = ...,
        loc: str = ...,
        bbox_to_anchor: tuple[float, float] = ...,
        fontsize: float = ...,
    ) -> object: ...

    def grid(self, *, alpha: float) -> None: ...

    def set_axis_off(self) -> None: ...

    def margins(self, *, x: float) -> object: ...

    def get_xlim(self) -> tuple[float, float]: ...

    def set_xlim(self, left: float, right: float = ...) -> object: ...

    def set_ylim(self, bottom: float, top: float) -> object: ...

    def set_xticks(self, ticks: Iterable[float], labels: Sequence[str]) -> object: ...

    def set_yticks(self, ticks: Iterable[float], labels: Sequence[str], *, fontsize: float) -> object: ...

    def tick_params(self, *, axis: Literal["both", "x", "y"] = ..., labelsize: float) -> None: ...

    def set_xlabel(self, xlabel: str) -> object: ...

    def set_ylabel(self, ylabel: str) -> object: ...

    def set_title(self, label: str, *, loc: Literal["left", "center", "right"] = ..., fontsize: float) -> object: ...


class Figure(Protocol):
    """A drawing with one plot or several."""

    def suptitle(self, t: str, *, x: float, ha: str, fontsize: float) -> object: ...

    def savefig(
        self, fname: Path | IO[str], *, format: str | None = ..., metadata: Mapping[str, str | None] | None = ...
    ) -> None: ...


def new_figure(
    rows: int,
    columns: int,
    *,
    size_in: tuple[float, float],
    extra: str,
    dpi: float | None = None,
    sharey: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a grid of empty plots, and the plots row by row.

    Args:
        size_in: width and height in inches.
        extra: the extra of this package that installs matplotlib for the caller; named in the error.
        dpi: dots per inch; the current style decides if it is None.
        sharey: whether all plots have the same vertical axis.

    Raises:
        SetupError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure as MatplotlibFigure
    except ImportError as error:
        raise missing_extra("matplotlib", extra) from error
    figure = MatplotlibFigure(figsize=size_in, dpi=dpi, layout="constrained")
    grid = figure.subplots(rows, columns, sharey=sharey, squeeze=False)
    return cast(Figure, figure), [cast(Axes, axes) for axes in grid.flat]


def figure_style(settings: Mapping[str, Any], *, extra: str) -> AbstractContextManager[None]:
    """Return a context in which matplotlib draws with these settings (its `rcParams`).

    Raises:
        SetupError: matplotlib is not installed; the error names `extra`.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise missing_extra("matplotlib", extra) from error
    return mpl.rc_context(cast(Any, settings))  # pyright: ignore[reportUnknownMemberType]
