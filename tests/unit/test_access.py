"""An untrusted client may open only files in given folders and public addresses, and nothing that costs too much."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from agentcvr_graph import VideoError
from agentcvr_graph.media import access as access_module
from agentcvr_graph.media.access import Access, PublicTransport, access_of_untrusted_clients, is_public, public_address
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.types import Video
from tests.support.media_files import counting

OUTSIDE = "lies outside the folders that may be read"


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """Return a folder that holds `open/`, which may be read, and `secret/`, which may not."""
    root = tmp_path_factory.mktemp("tree")
    (root / "open").mkdir()
    (root / "secret").mkdir()
    clip = counting(root / "open/clip.mp4", seconds=2)
    (root / "secret/film.mp4").write_bytes(clip.read_bytes())
    (root / "open/link.mp4").symlink_to(root / "secret/film.mp4")
    (root / "open/inner.mp4").symlink_to(clip)
    (root / "open/loop.mp4").symlink_to(root / "open/loop.mp4")
    return root


def restricted_library(tree: Path, tmp_path: Path, **more) -> MediaLibrary:
    return MediaLibrary(cache_dir=tmp_path, access=Access(roots=(tree / "open",), **more))


def test_only_files_inside_the_allowed_folders_are_opened(tree, tmp_path):
    library = restricted_library(tree, tmp_path)
    for source in (f"{tree}/open/clip.mp4", f"{tree}/open/inner.mp4", f"{tree}/open/../open/clip.mp4#t=0,1"):
        assert library.open(Video(source=source)).info.width
    refused = [
        f"{tree}/secret/film.mp4",
        f"{tree}/open/../secret/film.mp4",
        f"{tree}/open/link.mp4",
        f"{tree}/open/link.mp4#t=0,1",
        f"{tree}/open/loop.mp4",
        "/etc/passwd",
        "~root/film.mp4",
        "~nobody-at-all/film.mp4",
        "../../../../etc/passwd",
        f"{tree}/open\x00.mp4",
        f"{tree}",
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        f"file://{tree}/secret/film.mp4",
    ]
    for source in refused:
        with pytest.raises(VideoError, match=OUTSIDE):
            library.open(Video(source=source))
    for source in ("smb://host/x", "concat:/etc/passwd|/etc/hosts"):
        with pytest.raises(VideoError, match="is not supported"):
            library.open(Video(source=source))
    with pytest.raises(VideoError):
        library.open(Video(source="\\\\host\\share\\film.mp4"))


def test_a_relative_name_counts_from_the_allowed_folders_too(tree, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    library = restricted_library(tree, tmp_path / "cache")
    assert library.open(Video(source="clip.mp4#t=0,1")).info.duration_s == pytest.approx(1.0, abs=0.05)
    for source in ("clips.mp4", "secret/film.mp4"):  # below the folder, as far as one may tell
        with pytest.raises(VideoError, match="no such file or folder"):
            library.open(Video(source=source))
    for source in ("../secret/film.mp4", "link.mp4", "~/clip.mp4"):
        with pytest.raises(VideoError, match=r"outside the folders|no such file"):
            library.open(Video(source=source))
    (tmp_path / "boxes.json").write_text("{}")
    with pytest.raises(VideoError, match=OUTSIDE):
        library.open(Video(source=f"{tree}/open/clip.mp4", boxes="boxes.json"))


def test_a_refusal_does_not_reveal_whether_the_file_exists(tree, tmp_path):
    library = restricted_library(tree, tmp_path)
    said = set()
    for name in ("film.mp4", "none.mp4"):
        with pytest.raises(VideoError) as error:
            library.open(Video(source=f"{tree}/secret/{name}"))
        said.add(error.value.message.replace(name, ""))
    assert len(said) == 1


def test_access_limits_apply_to_box_files_and_image_folders(tree, tmp_path):
    views = tree / "open/views"
    views.mkdir(exist_ok=True)
    Image.new("RGB", (64, 64)).save(views / "0.png")
    (tree / "secret/boxes.json").write_text('{"a": {"0": null}}')
    library = restricted_library(tree, tmp_path, max_images=3)
    with pytest.raises(VideoError, match=OUTSIDE):
        library.open(Video(source=str(views), fps=1, boxes=f"{tree}/secret/boxes.json"))
    assert library.open(Video(source=str(views), fps=1)).info.width == 64
    (views / "1.png").symlink_to(tree / "secret/film.mp4")
    with pytest.raises(VideoError, match=OUTSIDE):
        library.open(Video(source=str(views), fps=1))
    (views / "1.png").unlink()
    for n in range(1, 4):
        Image.new("RGB", (8, 8)).save(views / f"{n}.png")
    with pytest.raises(VideoError, match="more than 3 images"):
        library.open(Video(source=str(views), fps=1))


def test_videos_that_are_too_long_or_too_large_are_refused_before_decoding(tree, tmp_path):
    clip = Video(source=f"{tree}/open/clip.mp4")
    with pytest.raises(VideoError, match=r"longer than 0\.000277778 hours"):
        restricted_library(tree, tmp_path, max_duration_s=1.0).open(clip)
    with pytest.raises(VideoError, match="320x180 is too large"):
        restricted_library(tree, tmp_path, max_pixels=1000).open(clip)


def test_server_access_defaults_and_environment_variables(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AGENTCVR_MEDIA_ROOTS", raising=False)
    assert access_of_untrusted_clients(Path("/clips")).roots == (tmp_path, Path("/clips"))
    assert access_of_untrusted_clients().remote == "public"
    monkeypatch.setenv("AGENTCVR_MEDIA_ROOTS", "/a:/b")
    monkeypatch.setenv("AGENTCVR_REMOTE_MEDIA", "none")
    found = access_of_untrusted_clients()
    assert found.roots == (Path("/a"), Path("/b")) and found.remote == "none"
    with pytest.raises(VideoError, match="not allowed here"):
        found.check_remote("https://host/a.mp4")
    monkeypatch.setenv("AGENTCVR_REMOTE_MEDIA", "everything")
    with pytest.raises(ValueError, match="allowed are any, public and none"):
        access_of_untrusted_clients()


PRIVATE = """
127.0.0.1 127.8.8.8 0.0.0.0 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 198.18.0.1 224.0.0.1
255.255.255.255 ::1 :: fe80::1%eth0 fc00::1 ff02::1 fd00:ec2::254 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1
2002:7f00:1:: nonsense
"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_local_and_private_addresses_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_internet_addresses_are_public(address):
    assert is_public(address)


@given(st.ip_addresses())
def test_no_address_is_both_private_and_public(address):
    assert not (is_public(str(address)) and address.is_private)


def resolving(monkeypatch, *answers: str) -> list[str]:
    """Make each name lookup return the next of `answers`. Return the list of names that were looked up."""
    resolved: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        if host.replace(".", "").isdigit():  # an IP address: a connection is about to be opened
            return real(host, port, *args, **kwargs)
        resolved.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[len(resolved) - 1], port))]

    monkeypatch.setattr(access_module.socket, "getaddrinfo", getaddrinfo)
    return resolved


def test_a_host_name_that_resolves_to_this_machine_is_refused(monkeypatch, tmp_path):
    resolved = resolving(monkeypatch, "127.0.0.1")
    library = MediaLibrary(cache_dir=tmp_path, access=Access(remote="public"))
    with pytest.raises(VideoError, match="not a public one"):
        library.open(Video(source="http://innocent.example/a.mp4"))
    assert resolved == ["innocent.example"]


def test_a_host_name_with_one_private_address_is_refused(monkeypatch):
    monkeypatch.setattr(
        access_module.socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (a, 80)) for a in ("8.8.8.8", "10.0.0.1")]
    )
    with pytest.raises(VideoError, match="not a public one"):
        public_address("http://a/", "a", 80)


@pytest.fixture
def server():
    """Yield the port of a server and the requests it received. The path `/away` redirects to another host name."""
    seen: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.headers["Host"], self.path))
            if self.path == "/away":
                self.send_response(302)
                self.send_header("Location", "http://metadata.example/latest")
            else:
                self.send_response(200)
                self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port, seen
        running.shutdown()


@pytest.mark.enable_socket
def test_the_client_connects_to_the_checked_address_and_checks_redirects_again(monkeypatch, server):
    """Each request looks the name up once and keeps it in the Host header. The redirect is refused."""
    port, seen = server
    resolved = resolving(monkeypatch, "127.0.0.1", "127.0.0.1", "169.254.169.254")
    monkeypatch.setattr(access_module, "is_public", lambda address: address == "127.0.0.1")
    with Access(remote="public").client(5.0) as client:
        assert isinstance(client._transport, PublicTransport)
        assert client.get(f"http://videos.example:{port}/a.mp4").status_code == 200
        assert resolved == ["videos.example"] and seen == [(f"videos.example:{port}", "/a.mp4")]
        with pytest.raises(VideoError, match="not a public one"):
            client.get(f"http://videos.example:{port}/away")
    assert resolved[1:] == ["videos.example", "metadata.example"]
    assert [path for _, path in seen] == ["/a.mp4", "/away"]
