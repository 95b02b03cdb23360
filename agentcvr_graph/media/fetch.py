"""Fetch remote videos once, into a content-addressed folder with a size limit.

`urls/<hash of the URL>` names the hash of the content and `videos/<hash of the content>` holds it, so two URLs of the
same file store it once. A lock per URL keeps two processes from fetching the same video. A file appears under its name
only when it is complete.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
from filelock import FileLock

from agentcvr_graph.errors import VideoError
from agentcvr_graph.media.access import EVERYTHING, Access
from agentcvr_graph.media.cache import evict

_TEXT_TYPES = ("text/", "application/json", "application/xhtml", "application/xml")
_evicting = threading.Lock()


def fetch(
    url: str, folder: Path, *, max_bytes: int, cache_bytes: int, timeout_s: float, access: Access = EVERYTHING
) -> Path:
    """Return the path of the local copy of a URL; fetch it if it is missing.

    Args:
        max_bytes: largest file accepted.
        cache_bytes: size of the cache above which the least recently used files are removed.
        access: from which addresses it may be fetched.

    Raises:
        VideoError: not allowed, unreachable, refused by the server, not a video by its content type, or too large.
    """
    access.check_remote(url)
    pointer = _pointer(url, folder, access)
    try:
        pointer.parent.mkdir(parents=True, exist_ok=True)
        (folder / "videos").mkdir(exist_ok=True)
        with FileLock(pointer.with_suffix(".lock")):
            kept = _kept(pointer, folder)
            if kept is None:
                kept = _download(url, folder / "videos", pointer.name, max_bytes, timeout_s, access)
                pointer.write_text(kept.name)
                evict(folder / "videos", cache_bytes, _evicting, spared=kept)
            return kept
    except OSError as error:  # a full or read-only disk
        raise VideoError(
            url, f"it cannot be kept in {folder} ({error.strerror}).", fix="Point AGENTCVR_CACHE_DIR to another folder."
        ) from error


def forget(url: str, folder: Path, access: Access = EVERYTHING) -> None:
    """Remove the local copy of a URL that turned out not to be a video."""
    pointer = _pointer(url, folder, access)
    kept = _kept(pointer, folder)
    if kept is not None:
        kept.unlink(missing_ok=True)
    pointer.unlink(missing_ok=True)


def _pointer(url: str, folder: Path, access: Access) -> Path:
    """Return the file that names the copy. What was fetched without limits is not served to a limited caller."""
    limits = "" if access.remote == "any" else f"{access.remote} "
    return folder / "urls" / hashlib.sha256(f"{limits}{url}".encode()).hexdigest()


def _kept(pointer: Path, folder: Path) -> Path | None:
    if not pointer.exists():
        return None
    path = folder / "videos" / pointer.read_text().strip()
    if not path.is_file():
        return None
    path.touch()  # record the time of last use, which orders the eviction
    return path


def _download(url: str, folder: Path, name: str, max_bytes: int, timeout_s: float, access: Access) -> Path:
    """Fetch a URL into a folder; until it is complete, the file has a name that only the holder of its lock uses."""
    digest = hashlib.sha256()
    partial = folder / f"{name}.part"
    try:
        with _response(url, timeout_s, access) as response, partial.open("wb") as file:
            _check_headers(url, response, max_bytes)
            for chunk in response.iter_bytes(1 << 16):
                digest.update(chunk)
                file.write(chunk)
                if file.tell() > max_bytes:
                    raise _too_large(url, max_bytes)
    except httpx.HTTPStatusError as error:
        raise VideoError(url, f"the server answered {error.response.status_code}.", fix="Check the address.") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise VideoError(
            url, f"the server cannot be reached ({type(error).__name__}).", fix="Check the address and the network."
        ) from error
    else:
        return partial.replace(folder / digest.hexdigest())
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _response(url: str, timeout_s: float, access: Access) -> Generator[httpx.Response]:
    with access.client(timeout_s) as client, client.stream("GET", url) as response:
        response.raise_for_status()
        yield response


def _check_headers(url: str, response: httpx.Response, max_bytes: int) -> None:
    content_type = response.headers.get("content-type", "")
    if content_type.startswith(_TEXT_TYPES):
        raise VideoError(url, f"this is not a video but {content_type!r}.", fix="Link to the video file itself.")
    length = response.headers.get("content-length", "")
    if length.isdigit() and int(length) > max_bytes:
        raise _too_large(url, max_bytes)


def _too_large(url: str, max_bytes: int) -> VideoError:
    return VideoError(
        url,
        f"the file is larger than {max_bytes / 2**20:.0f} MiB.",
        fix="Raise MediaLibrary(max_download_bytes=...), or download it yourself.",
    )
