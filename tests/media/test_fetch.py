"""Videos from URLs on a real local server are fetched once, within limits, and rejected with a one-line error."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from agentcvr_graph import VideoError
from agentcvr_graph.media import fetch
from agentcvr_graph.media.access import Access
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.types import Video
from tests.support.media_files import counting

pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def video_bytes(tmp_path_factory) -> bytes:
    return counting(tmp_path_factory.mktemp("served") / "clip.mp4", seconds=3).read_bytes()


@pytest.fixture
def server(video_bytes):
    """Yield the base URL of a server and the number of requests for each path."""
    requests: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests[self.path] += 1
            if self.path == "/gone.mp4":
                return self.send_error(404)
            if self.path == "/moved.mp4":
                self.send_response(302)
                self.send_header("Location", "/clip.mp4")
                return self.end_headers()
            body = b"<html>hello</html>" if "page" in self.path else video_bytes
            kind = "text/html" if self.path == "/page.html" else "video/mp4"
            self.send_response(200)
            self.send_header("Content-Type", kind)
            if "unsized" not in self.path:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return None

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", requests
        running.shutdown()


def test_a_url_is_fetched_once(server, tmp_path):
    url, requests = server
    for _ in range(2):
        media = MediaLibrary(cache_dir=tmp_path).open(Video(source=f"{url}/clip.mp4#t=1,3"))
        assert media.info.duration_s == pytest.approx(2, abs=0.2)
    assert requests["/clip.mp4"] == 1


def test_two_urls_of_one_file_are_stored_once(server, tmp_path):
    url, _ = server
    library = MediaLibrary(cache_dir=tmp_path)
    ids = {library.open(Video(source=f"{url}/{name}.mp4")).info.content_id for name in ("clip", "moved")}
    assert len(ids) == 1
    assert len(list((tmp_path / "videos").iterdir())) == 1


@pytest.mark.parametrize(
    ("path", "limit", "says"),
    [
        ("/gone.mp4", 10**9, "the server answered 404"),
        ("/page.html", 10**9, "not a video but 'text/html'"),
        ("/page.mp4", 10**9, "cannot be read as a video"),
        ("/clip.mp4", 1000, "larger than"),
        ("/unsized.mp4", 1000, "larger than"),
    ],
)
def test_refused_urls_give_a_one_line_error_with_a_fix(server, tmp_path, path, limit, says):
    url, _ = server
    with pytest.raises(VideoError) as error:
        MediaLibrary(cache_dir=tmp_path, max_download_bytes=limit).open(Video(source=url + path))
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.fix
    assert not list(Path(tmp_path / "videos").iterdir())


def test_an_unreachable_server_raises_video_error(tmp_path):
    with pytest.raises(VideoError, match="cannot be reached"):
        MediaLibrary(cache_dir=tmp_path, download_timeout_s=2).open(Video(source="http://127.0.0.1:9/a.mp4"))


def test_callers_with_other_limits_fetch_one_url_at_the_same_time(tmp_path, monkeypatch):
    """Both fetch it, because what was fetched without limits is not served to a limited caller."""
    limits = {"max_bytes": 100, "cache_bytes": 100, "timeout_s": 1.0}
    others: list[Path] = []

    class Response:
        headers: ClassVar[dict[str, str]] = {}

        def iter_bytes(self, size):
            yield b"one "
            if not others:
                others.append(tmp_path)  # before the call, which comes here too
                others.append(fetch.fetch("https://host/a.mp4", tmp_path, access=Access(remote="public"), **limits))
            yield b"two"

    monkeypatch.setattr(fetch, "_response", lambda *_: nullcontext(Response()))
    kept = fetch.fetch("https://host/a.mp4", tmp_path, **limits)
    assert others[1] == kept
    assert kept.read_bytes() == b"one two"
