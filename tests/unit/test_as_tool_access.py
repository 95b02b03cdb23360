"""The agent chooses paths and addresses: the tool opens what a server would, whatever the graph's own library opens."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from agentcvr_graph import CVRContext, LivePerception, Trajectory, as_tool, create_cvr_graph
from agentcvr_graph.media import access as access_module
from agentcvr_graph.media.access import EVERYTHING, Access, current_limit, limited
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, turn
from agentcvr_graph.types import Video
from tests.support.media_files import counting

OUTSIDE = "it lies outside the folders that may be read."
PRIVATE = "its address is not a public one."


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Return a folder with `work/`, the working folder, and `other/`."""
    root = tmp_path_factory.mktemp("files")
    (root / "work/clips").mkdir(parents=True)
    (root / "other").mkdir()
    clip = counting(root / "work/clips/a.mp4", seconds=2)
    (root / "other/secret.mp4").write_bytes(clip.read_bytes())
    (root / "work/inner.mp4").symlink_to(clip)
    (root / "work/out.mp4").symlink_to(root / "other/secret.mp4")
    (root / "work/folder").symlink_to(root / "other")
    (root / "work/loop.mp4").symlink_to(root / "work/loop.mp4")
    return root


@pytest.fixture
def work(files, monkeypatch) -> Path:
    monkeypatch.delenv(access_module.ROOTS_VARIABLE, raising=False)
    monkeypatch.delenv(access_module.REMOTE_VARIABLE, raising=False)
    monkeypatch.chdir(files / "work")
    return files / "work"


async def asked(video: str, tmp_path: Path, *, own: Access = EVERYTHING, perception=None, **options: Any):
    """Return the reply about a video of a tool over a graph whose library has the access `own`."""
    live = LivePerception(cast(Any, None), cast(Any, None), MediaLibrary(cache_dir=tmp_path, access=own))
    graph = create_cvr_graph(FakeMaster(turns=[turn("", answer("red"))]), perception or live).compile()
    tool = as_tool(graph, context=CVRContext(min_evidence=0), **options)
    call = {"type": "tool_call", "name": "ask_videos", "args": {"question": "Which?", "videos": [video]}, "id": "1"}
    return await tool.ainvoke(call)


@pytest.mark.parametrize("name", ["clips/a.mp4", "./clips/../clips/a.mp4#t=0,1", "inner.mp4", "{work}/clips/a.mp4"])
async def test_files_below_the_working_folder_are_opened(name, work, tmp_path):
    reply = await asked(name.format(work=work), tmp_path)
    assert reply.text == "Answer: red" and Trajectory.model_validate(reply.artifact).videos[0].width == 320


@pytest.mark.parametrize(
    "name",
    [
        "{root}/other/secret.mp4",
        "{root}/other/none.mp4",
        "../other/secret.mp4",
        "clips/../../other/secret.mp4",
        "../other/secret.mp4#t=0,1",
        "out.mp4",
        "out.mp4#t=0,1",
        "folder/secret.mp4",
        "folder",
        "loop.mp4",
        "~root/a.mp4",
        "~nobody-at-all/a.mp4",
        "/etc/passwd",
        "/proc/self/environ",
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "file:..%2fother%2fsecret.mp4",
        "clips/a.mp4#/../../../other/secret.mp4",
    ],
)
@pytest.mark.parametrize("perception", [None, FakePerception()], ids=["library", "perception of the app"])
async def test_other_files_are_refused_whether_they_exist_or_not(name, perception, work, tmp_path):
    reply = await asked(name.format(root=work.parent), tmp_path, perception=perception)
    assert reply.status == "error" and OUTSIDE in reply.text and reply.artifact is None


async def test_boxes_of_an_image_folder_are_limited_too(work, tmp_path):
    from PIL import Image

    (work / "views").mkdir(exist_ok=True)
    Image.new("RGB", (64, 64)).save(work / "views/0.png")
    assert (await asked("views#fps=1", tmp_path)).text == "Answer: red"
    reply = await asked(f"views#fps=1&boxes={work.parent}/other/boxes.json", tmp_path)
    assert reply.status == "error" and OUTSIDE in reply.text


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/a.mp4",
        "http://127.1/a.mp4",
        "http://2130706433/a.mp4",
        "http://0x7f000001/a.mp4",
        "http://localhost:8000/a.mp4",
        "HTTP://LOCALHOST/a.mp4",
        "http://user:password@10.0.0.1/a.mp4",
        "http://192.168.1.1/a.mp4#t=0,1",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/a.mp4",
        "http://[::ffff:127.0.0.1]/a.mp4",
        "http://0.0.0.0/a.mp4",
        "http://0177.0.0.1/a.mp4",
        "http://video.localhost/a.mp4",
        "http://localhost./a.mp4",
    ],
)
@pytest.mark.parametrize("perception", [None, FakePerception()], ids=["library", "perception of the app"])
async def test_addresses_that_are_not_public_are_refused(address, perception, work, tmp_path):
    reply = await asked(address, tmp_path, perception=perception)
    assert reply.status == "error" and PRIVATE in reply.text and "password" not in reply.text


async def test_addresses_of_scripts_and_public_hosts_pass(work, tmp_path):
    for video in ("script://cc-000000/1", "https://videos.example/a.mp4", "http://8.8.8.8/a.mp4"):
        assert (await asked(video, tmp_path, perception=FakePerception())).text == "Answer: red"


async def test_a_host_name_of_a_private_address_is_refused_by_the_library(work, tmp_path, monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443))]
    monkeypatch.setattr(access_module.socket, "getaddrinfo", lambda *_, **__: found)
    reply = await asked("https://videos.example/a.mp4", tmp_path)
    assert reply.status == "error" and PRIVATE in reply.text


async def test_an_unknown_host_is_reported_by_whoever_opens_it(work, tmp_path, monkeypatch):
    def unknown(*_: Any, **__: Any):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(access_module.socket, "getaddrinfo", unknown)
    reply = await asked("https://no.such.host.example/a.mp4", tmp_path)
    assert reply.status == "error" and "there is no such host. Check the address." in reply.text


async def test_access_widens_and_narrows_what_may_be_named(work, tmp_path):
    secret = f"{work.parent}/other/secret.mp4"
    assert (await asked(secret, tmp_path, access=Access())).text == "Answer: red"
    assert (await asked(secret, tmp_path, access=Access(roots=(work.parent / "other",)))).text == "Answer: red"
    assert OUTSIDE in (await asked("clips/a.mp4", tmp_path, access=Access(roots=()))).text
    reply = await asked("https://host.example/a.mp4", tmp_path, access=Access(remote="none"))
    assert "remote videos are not allowed here." in reply.text
    assert "longer than" in (await asked("clips/a.mp4", tmp_path, access=Access(max_duration_s=1.0))).text


async def test_the_environment_widens_it_as_for_a_server(work, tmp_path, monkeypatch):
    monkeypatch.setenv(access_module.ROOTS_VARIABLE, str(work.parent / "other"))
    assert (await asked(f"{work.parent}/other/secret.mp4", tmp_path)).text == "Answer: red"
    assert "no such file or folder" in (await asked("clips/a.mp4", tmp_path)).text  # it counts from the folder above
    assert OUTSIDE in (await asked(f"{work}/clips/a.mp4", tmp_path)).text


async def test_what_the_library_forbids_stays_forbidden(work, tmp_path):
    own = Access(roots=(work / "clips",))
    assert (await asked("clips/a.mp4", tmp_path, own=own, access=Access())).text == "Answer: red"
    assert OUTSIDE in (await asked(f"{work.parent}/other/secret.mp4", tmp_path, own=own, access=Access())).text


def test_a_file_that_is_already_open_is_checked_again(work, tmp_path):
    library, secret = MediaLibrary(cache_dir=tmp_path), Video(source=f"{work.parent}/other/secret.mp4")
    assert library.open(secret).info.width == 320
    with limited(Access(roots=(work,))), pytest.raises(ValueError, match="lies outside"):
        library.open(secret)
    assert library.open(secret).info.width == 320 and current_limit() == EVERYTHING


def test_limits_within_limits_only_narrow():
    with limited(Access(roots=(Path("/a"), Path("/b")), remote="any", max_pixels=9)):
        with limited(Access(roots=(Path("/a/c"), Path("/d"), Path("/")), remote="public", max_duration_s=5.0)):
            inner = current_limit()
            assert set(inner.roots or ()) == {Path("/a/c"), Path("/a"), Path("/b")}
            assert (inner.remote, inner.max_pixels, inner.max_duration_s) == ("public", 9, 5.0)
        with limited(Access(roots=(Path("/d"),))):
            assert current_limit().roots == () and not current_limit().may_read(Path("/a/x"))


@pytest.fixture
def server(tmp_path):
    """Yield the port of a server with a video at `/a.mp4`; `/away` redirects to another host name."""
    body = counting(tmp_path / "served.mp4", seconds=1).read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            away = self.path == "/away"
            self.send_response(302 if away else 200)
            self.send_header("Location", "http://metadata.example/latest") if away else None
            self.send_header("Content-Length", "0" if away else str(len(body)))
            self.end_headers()
            self.wfile.write(b"" if away else body)

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port
        running.shutdown()


@pytest.mark.enable_socket
async def test_redirects_are_checked_and_copies_made_without_limits_are_not_served(server, work, tmp_path, monkeypatch):
    hosts = {"videos.example": "127.0.0.1", "metadata.example": "169.254.169.254"}
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        return real(hosts.get(host, host), port, *args, **kwargs)

    monkeypatch.setattr(access_module.socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(access_module, "is_public", lambda address: address == "127.0.0.1")
    address = f"http://videos.example:{server}"
    assert (await asked(f"{address}/a.mp4", tmp_path)).text == "Answer: red"
    reply = await asked(f"{address}/away", tmp_path)
    assert reply.status == "error" and PRIVATE in reply.text
    unlimited = MediaLibrary(cache_dir=tmp_path)
    assert unlimited.open(Video(source=f"{address}/b.mp4")).info.width == 320
    monkeypatch.setattr(access_module, "is_public", lambda address: False)
    assert PRIVATE in (await asked(f"{address}/b.mp4", tmp_path)).text
