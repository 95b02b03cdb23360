"""Traces as they leave the process: what LangSmith and an OpenTelemetry collector get of a run that shows frames."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOT = Path(__file__).parents[2]
RUN = """
import asyncio
from tests.unit.test_tracing import GIVEN, Looking, graph_of
output = asyncio.run(graph_of(Looking()).ainvoke(GIVEN, {"metadata": {"question_id": "q-17"}, "tags": ["mine"]}))
print(output["answer"].value)
"""
MOST_BYTES = 150_000
"""Of a run of two turns; it has 52,000 over OpenTelemetry and 71,000 at LangSmith."""

pytestmark = pytest.mark.enable_socket


class Collector(ThreadingHTTPServer):
    """Takes every request, as LangSmith and a collector do, and keeps path and body."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, bytes]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def sent_to(self, path: str) -> list[bytes]:
        return [body for where, body in self.got if where == path]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        cast(Collector, self.server).got.append((self.path, body))
        self.do_GET()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}" if self.command == "GET" else b"")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def run_traced(**variables: str) -> None:
    """Run a question in a process of its own, which sends its traces when it ends."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "training")))
    environment = {**os.environ, "PYTHONPATH": path, "LANGSMITH_TRACING": "true", **variables}
    done = subprocess.run([sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "B\n", done.stderr


def test_opentelemetry_gets_names_tags_and_metadata_and_no_frames(collector: Collector):
    run_traced(LANGSMITH_TRACING_MODE="otel", OTEL_EXPORTER_OTLP_ENDPOINT=collector.address)
    bodies = collector.sent_to("/v1/traces")
    requests = map(ExportTraceServiceRequest.FromString, bodies)
    spans = [
        span for request in requests for sent in request.resource_spans for s in sent.scope_spans for span in s.spans
    ]
    assert {"agentcvr", "brief", "master", "visual_agent", "conclude"} <= {span.name for span in spans}
    found = {one.key: one.value for span in spans if span.name == "agentcvr" for one in span.attributes}
    prefix = "langsmith.metadata."
    assert found[f"{prefix}question_id"].string_value == "q-17" and found[f"{prefix}video_count"].int_value == 2
    assert found[f"{prefix}agentcvr_version"].string_value and found[f"{prefix}langgraph_version"].string_value
    assert set(found["langsmith.span.tags"].string_value.split(", ")) == {"agentcvr", "mine"}
    assert len({span.trace_id for span in spans}) == 1 and [path for path, _ in collector.got] == ["/v1/traces"]
    check_contents(bodies)


def test_langsmith_gets_the_same_and_no_frames(collector: Collector):
    run_traced(LANGSMITH_ENDPOINT=collector.address, LANGSMITH_API_KEY="key")
    bodies = collector.sent_to("/runs/multipart")
    assert b'"question_id":"q-17"' in b"".join(bodies) and b'"agentcvr_version"' in b"".join(bodies)
    check_contents(bodies)


def check_contents(bodies: list[bytes]) -> None:
    """Check that the text of a call with frames was sent, and no frame; `/9j/` is how a JPEG begins in base64."""
    sent = b"".join(bodies)
    assert b"[image, not traced]" in sent and b"a red ball" in sent
    assert b"/9j/" not in sent and b"data:image" not in sent
    assert len(sent) < MOST_BYTES
