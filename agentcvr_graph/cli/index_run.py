"""Carry out `agentcvr index`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import typer
from rich.table import Table

from agentcvr_graph.cli.console import NO_ANSWER, err, escape, out, print_notes
from agentcvr_graph.errors import InfrastructureError, InputError, SetupError
from agentcvr_graph.index.batch import IndexResult, Totals, index_videos, places_below
from agentcvr_graph.index.meaning import Meaning
from agentcvr_graph.index.places import MAX_BYTES, file_in, remove_index
from agentcvr_graph.index.store import EvidenceStore, IndexedVideo
from agentcvr_graph.media.cache import default_cache_dir
from agentcvr_graph.models.embeddings import resolve_embeddings
from agentcvr_graph.models.registry import default_concurrency
from agentcvr_graph.render import cost_text, counted
from agentcvr_graph.types import Video
from agentcvr_graph.utils.progress import ProgressBar

PER_ENDPOINT = 16
"""Videos at a time if a model is behind an endpoint."""


class Models(NamedTuple):
    """The model strings of an index."""

    vision: str
    audio: str
    embeddings: str = ""
    """Empty for no vectors."""


def add_videos(
    videos: Sequence[str], models: Models, namespace: str, engine: str, concurrency: int | None, max_mb: int | None
) -> None:
    """Index videos with a progress bar, make their vectors, and print what was done.

    Raises:
        Exit: a video could not be indexed.
    """
    meaning = Meaning(*resolve_embeddings(models.embeddings)) if models.embeddings else None
    at_once = concurrency or default_concurrency((models.vision, models.audio), PER_ENDPOINT)
    given = [Video(source=source) for source in videos]
    with _usable(), ProgressBar("indexing", console=err) as bar:
        store = EvidenceStore(_file(namespace), max_bytes=MAX_BYTES)
        if max_mb is not None:
            store.set_limit(max_mb * 2**20)

        def show(result: IndexResult | None, totals: Totals) -> None:
            if result is None:
                print_notes(totals.notes)
            elif result.problem:
                err.print(f"[yellow]not indexed:[/] {escape(result.job.video.source)}: {escape(result.problem)}")
            elif result.missing:
                _print_missing(result.job.video.source, result.missing)
            text = f"indexing ({counted(totals.statements, 'statement')})"
            bar.update(completed=totals.done, total=totals.planned, description=text)

        running = index_videos(
            given, store, models.vision, models.audio, engine=engine, concurrency=at_once, on_result=show
        )
        totals = asyncio.run(running)
    out.print(_summary(totals))
    with _usable():
        if meaning is not None:
            asyncio.run(_make_vectors(meaning, store, totals.videos))
        store.close()
    if totals.failed:
        raise typer.Exit(NO_ANSWER)


def _print_missing(source: str, missing: Sequence[str]) -> None:
    first, *others = missing
    more = f" (and {len(others)} more)" if others else ""
    again = f"to try again: agentcvr index forget {source}, then index it"
    err.print(f"[yellow]incomplete:[/] {escape(f'{source}: {first}{more}; {again}')}")


async def _make_vectors(meaning: Meaning, store: EvidenceStore, videos: Sequence[int]) -> None:
    """Make the vectors of videos with a progress bar. Each portion is stored, so a run that is stopped goes on."""
    statements = characters = 0
    with ProgressBar("embedding", console=err) as bar:
        async for made in meaning.complete(store, videos):
            statements, characters = statements + made.statements, characters + made.characters
            bar.update(completed=statements, total=made.planned, description=f"embedding ({characters:,} characters)")
    cost = f" ({characters:,} characters)" if statements else ""
    out.print(f"{counted(statements, 'statement')} embedded{cost} by {escape(meaning.name)}")


def _summary(totals: Totals) -> str:
    failed = f", {totals.failed} could not be indexed" if totals.failed else ""
    missing = f", parts of {totals.incomplete} missing" if totals.incomplete else ""
    cost = f" ({counted(totals.statements, 'statement')}, {cost_text(totals.cost)}{missing})" if totals.indexed else ""
    return f"{totals.indexed} indexed{cost}, {totals.unchanged} unchanged{failed}"


def list_videos(namespace: str, *, as_json: bool) -> None:
    """Print the indexed videos."""
    listed = _videos(namespace)
    if as_json:
        for video in listed:
            out.print(json.dumps(_fields(video), ensure_ascii=False), markup=False)
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("title", "length", "statements", "vectors", "last used", "place"):
        table.add_column(name, justify="right" if name in ("length", "statements") else "left")
    for video in listed:
        place = escape(video.places[0]) if video.places else ""
        length = f"{video.duration_s:.0f} s"
        models = escape(", ".join(video.models))
        table.add_row(escape(video.title), length, str(video.statements), models, _day(video), place)
    out.print(table if listed else "no video is indexed")


def _fields(video: IndexedVideo) -> dict[str, object]:
    fields = {"title": video.title, "duration_s": video.duration_s, "statements": video.statements}
    return {**fields, "places": video.places, "vectors": video.models, "used": _day(video)}


def forget_videos(videos: Sequence[str], namespace: str, *, everything: bool) -> None:
    """Remove videos from the index.

    Raises:
        InputError: none of them is indexed.
    """
    if everything:
        removed = remove_index(_file(namespace))
        out.print("the index is removed" if removed else "no video is indexed")
        return
    with _usable():
        listed = _videos(namespace)
        chosen = [one.id for one in listed if next(places_below(videos, one.places), None) is not None]
        if not chosen:
            raise InputError(f"{', '.join(videos)}: not indexed.", fix="See: agentcvr index list")
        store = EvidenceStore(_file(namespace))
        out.print(f"{store.forget(chosen)} forgotten")
        store.close()


def _videos(namespace: str) -> list[IndexedVideo]:
    file = _file(namespace)
    if not file.exists():
        return []
    with _usable():
        store = EvidenceStore(file)
        found = store.videos()
        store.close()
        return found


def _file(namespace: str) -> Path:
    return file_in(default_cache_dir() / "index", namespace)


def _day(video: IndexedVideo) -> str:
    return datetime.fromtimestamp(video.used_at, UTC).date().isoformat()


@contextmanager
def _usable() -> Generator[None]:
    """Raise an error of the index file as one of the set-up: nothing can be indexed."""
    try:
        yield
    except InfrastructureError as error:
        raise SetupError(error.message, fix=error.fix) from error
