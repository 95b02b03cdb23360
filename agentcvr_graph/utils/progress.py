"""The progress bar of every command: on stderr, removed when the work ends.

stdout is for results only. If stderr is not a terminal (a log file, a pipe), nothing is drawn. In a notebook nothing is
drawn either: rich would show a widget from its own thread, which breaks nbclient and papermill.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")
SPEED_WINDOW_S = 600.0
"""Time over which the speed is averaged to estimate the remaining time; long, because training steps take minutes."""


class ProgressBar:
    """A progress bar that is drawn while its `with` block runs; use `track` for a plain loop.

    Args:
        description: text in front of the bar; it is not read as markup.
        total: number of steps, or None while it is unknown.
        completed: number of steps that an earlier run finished.
        console: where to draw. Pass the console that prints lines while the bar is shown, so that the two do not
            overwrite each other. By default a console on stderr.
    """

    def __init__(
        self, description: str, total: float | None = None, *, completed: float = 0, console: Console | None = None
    ) -> None:
        console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=console.is_jupyter or not console.is_terminal,
            speed_estimate_period=SPEED_WINDOW_S,
        )
        self._task = self._progress.add_task(description, total=total, completed=int(completed))

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the bar from the terminal. Closing twice is allowed."""
        self._progress.stop()

    def advance(self, steps: float = 1) -> None:
        """Count further steps as done."""
        self._progress.advance(self._task, steps)

    def update(
        self, *, completed: float | None = None, total: float | None = None, description: str | None = None
    ) -> None:
        """Set the number of finished steps, the total or the description. None leaves a value unchanged."""
        self._progress.update(self._task, completed=completed, total=total, description=description)

    @property
    def completed(self) -> float:
        """Number of finished steps."""
        return self._progress.tasks[0].completed

    @property
    def total(self) -> float | None:
        """Number of steps, or None while it is unknown."""
        return self._progress.tasks[0].total


def track(
    items: Iterable[T], description: str, total: float | None = None, *, console: Console | None = None
) -> Iterator[T]:
    """Yield the items and count each as done when the next one is requested.

    Args:
        items: what to iterate over.
        description: text in front of the bar.
        total: number of items; if None, the length of `items`, if it has one.
        console: as in `ProgressBar`.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with ProgressBar(description, total, console=console) as bar:
        for item in items:
            yield item
            bar.advance()
