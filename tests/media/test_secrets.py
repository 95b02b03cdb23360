"""A run never writes, prints, logs or raises API keys of the environment or secrets in addresses.

The servers here are the worst case: every error repeats the key that the client sent.
"""

from __future__ import annotations

import base64
import functools
import json
import logging
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from agentcvr_graph import CVRContext, InputError, SetupError, VideoError, create_cvr_graph
from agentcvr_graph.cli.doctor_checks import diagnose
from agentcvr_graph.demo import CLIPS_DIR
from agentcvr_graph.errors import shown_address
from agentcvr_graph.graph.as_tool import as_tool
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.media.access import Access
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.clients.keys import without_keys
from agentcvr_graph.models.registry import read_model_string, resolve_audio, resolve_chat_model, resolve_vision
from agentcvr_graph.perception.factory import resolve_perception
from agentcvr_graph.perception.live import LivePerception
from agentcvr_graph.report import MediaThumbnails, write_report
from agentcvr_graph.server import allowed_model
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn
from agentcvr_graph.trajectory import trajectory_of
from agentcvr_graph.types import Video, VideoInfo
from tests.support.command_line import agentcvr, agentcvr_process
from tests.support.media_files import counting

KEY = "sk-test-9f8e7d6c5b4a39281706"
PASSWORD, TOKEN = "correct-horse-battery", "signed-0123456789abcdef"
SECRETS = (KEY, PASSWORD, TOKEN, base64.b64encode(f"me:{PASSWORD}".encode()).decode())
VARIABLES = ("AGENTCVR_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY")
RED = str(CLIPS_DIR / "cook_red.mp4")
enable_socket = pytest.mark.enable_socket


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, KEY)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> bytes:
    return counting(tmp_path_factory.mktemp("secret") / "clip.mp4", seconds=3).read_bytes()


@pytest.fixture
def server(clip) -> Iterator[str]:
    """Yield the address of a server. Its videos need a password or a token; its models fail and repeat the request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/v1"):
                return self._send_error(401)
            if self.path.startswith("/403"):
                return self._send_error(403)
            allowed = TOKEN in self.path or "Basic" in self.headers.get("Authorization", "")
            return self._sent(200, "video/mp4", clip) if allowed else self._send_error(403)

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._send_error(int(self.path.split("/")[1]))

        def _send_error(self, status: int) -> None:
            sent = f"no access with {self.headers.get('Authorization')} to {self.path}"
            self._sent(status, "application/json", json.dumps({"error": {"message": sent, "key": KEY}}).encode())

        def _sent(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{running.server_port}"
        running.shutdown()


def assert_clean(*texts: object) -> None:
    for text in texts:
        found = [secret for secret in SECRETS if secret in str(text)]
        assert not found, f"{found} in {text}"


def assert_clean_files(*folders: Path) -> int:
    """Assert that no path below the folders holds a secret in its name or content. Return the number of paths."""
    paths = [path for folder in folders for path in folder.rglob("*")]
    for path in paths:
        assert_clean(path)
        if path.is_file():
            data = path.read_bytes()
            assert not any(secret.encode() in data for secret in SECRETS), path
    return len(paths)


def stored_in(saver: InMemorySaver) -> str:
    """Return everything that a checkpointer holds, including errors."""
    return repr(saver.storage) + repr(saver.writes) + repr(saver.blobs)


# Keys.


@enable_socket
@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
async def test_a_key_repeated_by_a_model_server_is_not_written_down(server, status, caplog):
    caplog.set_level(logging.DEBUG, "agentcvr_graph")
    url = f"http://{server}/{status}/v1#model"
    looks = [turn("", observe((1, 0, 2, 1))), turn("", listen(1, 0, 2)), turn("", answer("A"))]
    media = MediaLibrary()
    for master, perception in (
        (resolve_chat_model(url), FakePerception()),
        (FakeMaster(turns=looks), LivePerception(resolve_vision(url), resolve_audio(url), media)),
        (FakeMaster(turns=looks[1:]), LivePerception(resolve_vision(), resolve_audio(url), media)),
    ):
        saver = InMemorySaver()
        app = create_cvr_graph(master, perception).compile(checkpointer=saver)
        config = {"configurable": {"thread_id": "1"}}
        given_ = {"question": "?", "videos": [RED], "options": ["x", "y"]}
        if status in (401, 403):
            with pytest.raises(SetupError, match=r"refused the API key .*\*\*\*") as error:
                await app.ainvoke(given_, config)
            assert_clean(error.value, *traceback.format_exception(error.value))
        else:
            output = await app.ainvoke(given_, config)
            assert output["failure"] is not None or "***" in str(policy_messages(output))
            assert_clean(output, trajectory_of(output).model_dump_json())
        state = await app.aget_state(config)
        assert_clean(state, stored_in(saver))
    assert_clean(caplog.text)


async def test_an_unexpected_error_is_logged_without_the_key(caplog):
    class Broken(FakePerception):
        async def observe(self, request, videos):
            raise RuntimeError(f"could not send {KEY}")

    master = FakeMaster(turns=[turn("", observe((1, 0, 2, 1))), turn("", answer("A"))])
    graph = create_cvr_graph(master, Broken()).compile()
    output = await graph.ainvoke({"question": "?", "videos": ["a"], "options": ["x", "y"]})
    assert "could not send ***" in caplog.text and "RuntimeError" in caplog.text
    assert_clean(caplog.text, output)


def test_keys_are_removed_and_ordinary_words_are_kept(monkeypatch):
    monkeypatch.setenv("SHORT_KEY", "the")
    monkeypatch.setenv("PLAIN_SETTING", "left alone")
    monkeypatch.setenv("LONGER_KEY", f"{KEY}-and-more")
    assert without_keys(f"the {KEY}, {KEY}-and-more, left alone") == "the ***, ***, left alone"


@enable_socket
def test_models_and_the_doctor_print_no_key(server):
    for check in diagnose(master=f"http://{server}/v1", vision="openai:gpt-4.1", audio="openai:whisper-1"):
        assert_clean(check)
    for resolve in (resolve_chat_model, resolve_audio):
        with pytest.raises(SetupError) as error:
            resolve(f"http://{server}/v1")
        assert_clean(error.value, *traceback.format_exception(error.value))
    for model in (resolve_chat_model("openai:gpt-4.1"), resolve_audio("openai:whisper-1")):
        assert_clean(model, repr(model))


# Model strings.

KEYED = (f"http://{KEY}@host/v1#model", f"https://me:{PASSWORD}@host:8000/v1#m", f"http://host/v1?api_key={KEY}#m")


@pytest.mark.parametrize("spec", KEYED)
def test_a_model_string_with_a_key_is_refused_without_repeating_it(spec, monkeypatch):
    for use in (read_model_string, resolve_chat_model, resolve_vision, resolve_audio):
        with pytest.raises(SetupError, match=r"holds a user, a password or a query.*AGENTCVR_API_KEY") as error:
            use(spec)
        assert_clean(error.value)
    assert_clean(*diagnose(master=spec, vision=spec, audio=spec))
    with pytest.raises(InputError, match="may not be chosen here") as error:
        allowed_model(spec)
    assert_clean(error.value)
    monkeypatch.setenv("AGENTCVR_MODELS", spec)
    with pytest.raises(InputError) as error:
        allowed_model("openai:gpt-4.1")
    assert_clean(error.value)


# Addresses of videos.


def addresses(server: str) -> tuple[str, str]:
    return f"http://me:{PASSWORD}@{server}/clip.mp4#t=0,2", f"http://{server}/other.mp4?token={TOKEN}&x=1#t=0,2"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://user:password@host/a.mp4?token=abc#t=1,2", "https://host/a.mp4?...#t=1,2"),
        ("https://key@host", "https://host"),
        ("https://me:p ss@host/a b.mp4?x=1 2", "https://host/a b.mp4?..."),
        ("https://host/@someone/a.mp4", "https://host/@someone/a.mp4"),
        ("https://host?token=abc", "https://host?..."),
        ("C:\\films\\a?b.mp4", "C:\\films\\a?b.mp4"),
        ("films/what?.mp4#t=1", "films/what?.mp4#t=1"),
        ("script://cc-000000/1", "script://cc-000000/1"),
    ],
)
def test_shown_addresses_omit_user_password_and_query(address, shown):
    assert shown_address(address) == shown == shown_address(shown)


@given(st.text(st.characters(exclude_characters="/?#@\\")), st.text(st.characters(exclude_characters="#")))
def test_no_user_or_query_is_shown_for_any_address(user, query):
    shown = shown_address(f"https://{PASSWORD}{user}@host/a.mp4?{TOKEN}{query}#t=1,2")
    assert shown == "https://host/a.mp4?...#t=1,2"


def test_a_title_contains_no_secret():
    for source in (f"https://me:{PASSWORD}@host", f"https://{KEY}@host/", f"https://host/a.mp4?token={TOKEN}#t=1,2"):
        assert_clean(VideoInfo(number=1, video=Video(source=source)).title)


@enable_socket
def test_errors_about_videos_contain_no_secret(server, tmp_path):
    library = MediaLibrary(cache_dir=tmp_path)
    for source in (
        f"http://me:{PASSWORD}@{server}/403/clip.mp4#t=90,95",
        f"http://me:{PASSWORD}@127.0.0.1:9/clip.mp4",
        f"http://me:{PASSWORD}@{server}/clip.mp4#t=90,95",
        f"http://{server}/clip.mp4?token={TOKEN}#t=90,95",
        f"http://{server}/clip.mp4?token={TOKEN}#fps=none",
        f"http://me:{PASSWORD}@no-such-host.invalid/clip.mp4",
        f"http://me:{PASSWORD}@{server}/clip.mp4#boxes=x.json",
        f"ftp://me:{PASSWORD}@{server}/clip.mp4",
    ):
        with pytest.raises(VideoError) as error:
            library.open(Video(source=source))
        assert_clean(error.value, error.value.message)
    assert_clean_files(tmp_path)


@enable_socket
async def test_a_run_with_secret_addresses_does_not_reveal_them(server, tmp_path, caplog):
    """Only the state holds the secrets, in the sources of the videos: a resumed run must fetch the videos again."""
    caplog.set_level(logging.DEBUG, "agentcvr_graph")
    perception = resolve_perception(media=MediaLibrary(cache_dir=tmp_path / "cache"))
    turns = [turn("", observe((1, 0, 2, 1), (2, 0, 2, 1)), listen(1, 0, 2, id="b")), turn("", answer("A"))]
    app = create_cvr_graph(FakeMaster(turns=turns), perception).compile()
    given_ = {"question": "Which?", "videos": list(addresses(server)), "options": ["x", "y"]}
    events = [event async for event in app.astream(given_, stream_mode=["custom", "values"])]
    output = events[-1][1]
    events_sent = [event for mode, event in events if mode == "custom"]
    assert_clean(events_sent, policy_messages(output), output["observations"], output["answer"], caplog.text)
    trajectory = trajectory_of(output)
    thumbnails = MediaThumbnails(perception.media)
    write_report(trajectory, tmp_path / "report.html", thumbnails=thumbnails, models={"master": "fake"})
    assert "data:image/jpeg" in (tmp_path / "report.html").read_text()
    kept = trajectory.without_secrets()
    assert [info.video.source for info in kept.videos] == [
        f"http://{server}/clip.mp4#t=0,2",
        f"http://{server}/other.mp4?...#t=0,2",
    ]
    assert thumbnails.thumbnail(kept.videos[1].video, 0.5) is None
    assert_clean(kept.model_dump_json())
    assert assert_clean_files(tmp_path) > 4


@enable_socket
async def test_an_unreadable_video_is_reported_without_its_secrets(server, tmp_path):
    perception = resolve_perception(media=MediaLibrary(cache_dir=tmp_path))
    master = FakeMaster(turns=[turn("", observe((1, 0, 2, 1))), turn("", observe((2, 0, 1, 1))), turn("", answer("A"))])
    graph = create_cvr_graph(master, perception).compile()
    tool = as_tool(graph, context=CVRContext(unreadable="continue"), access=Access())
    bad = f"http://me:{PASSWORD}@127.0.0.1:9/gone.mp4?token={TOKEN}"
    arguments = {"question": "?", "videos": [bad, RED], "options": ["x", "y"]}
    message = await tool.ainvoke({"type": "tool_call", "id": "1", "name": tool.name, "args": arguments})
    assert_clean(message.content, json.dumps(message.artifact["turns"]), *(m for call in master.seen for m in call))
    assert "gone.mp4: the server cannot be reached" in str(master.seen[0])
    with pytest.raises(InputError) as error:
        await create_cvr_graph(master, perception).compile().ainvoke({"question": "?", "videos": [bad]})
    assert_clean(error.value, *traceback.format_exception(error.value))


# The command line.


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs commands in `tmp_path`, with a separate cache and a terminal that wraps no line."""
    monkeypatch.setenv("AGENTCVR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "2000")
    return functools.partial(agentcvr, cwd=tmp_path)


@enable_socket
def test_the_command_line_prints_no_secret(server, run, tmp_path):
    refusing, broken = f"http://{server}/401/v1#model", f"http://{server}/500/v1#model"
    one, other = addresses(server)
    question = ["-q", "Which?", "-o", "x", "-o", "y", "--abstain", "never"]
    asked = ["ask", one, other, *question, "--json", "--report", "report.html"]
    runs = {
        "offline": (0, asked),
        "refused": (2, [*asked, "--master", refusing]),
        "broken": (1, [*asked, "--master", broken]),
        "blind": (1, [*asked, "--vision", broken]),  # nothing that was heard proves the answer
        "keyed": (2, [*asked, "--master", KEYED[0]]),
        "missing": (2, ["ask", one.replace("/clip", "/403/clip"), "-q", "?", "--json"]),
        "doctor": (2, ["doctor", "--master", refusing, "--vision", KEYED[1], "--audio", "openai:whisper-1"]),
    }
    for name, (code, arguments) in runs.items():
        # The first command runs in its own process, which shows that native code prints nothing either.
        done = agentcvr_process(*arguments, cwd=tmp_path) if name == "offline" else run(*arguments)
        assert done.returncode == code, (name, done.stderr)
        assert "Traceback" not in done.stderr
        assert_clean(done.stdout, done.stderr)
    assert (tmp_path / "report.html").exists()
    assert assert_clean_files(tmp_path) > 4


@enable_socket
def test_an_evaluation_run_stores_no_secret(server, run, tmp_path):
    one, other = addresses(server)
    (tmp_path / "input").mkdir()
    questions = tmp_path / "input" / "questions.csv"
    questions.write_text(f'question,videos,answer,options\n"Which?","{one};{other}",A,"x;y"\n')
    models = ([], ["--master", f"http://{server}/500/v1#m"])
    for number, more in enumerate(models):
        out = tmp_path / f"run{number}"
        done = run("eval", "--data", str(questions), "--out", str(out), *more)
        assert "Traceback" not in done.stderr
        assert_clean(done.stdout, done.stderr)
        assert assert_clean_files(out) > 1, done.stderr
    assert list((tmp_path / "run0" / "trajectories").rglob("*.json"))
    assert (tmp_path / "run0" / "report.html").exists()
    assert_clean_files(tmp_path / "cache")
