"""A vision server that dies while `agentcvr ask` runs: what the answer says, and the exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from agentcvr_graph.demo import CLIPS_DIR
from tests.support.command_line import agentcvr
from tests.support.stub_endpoint import Reply, StubEndpoint

pytestmark = pytest.mark.enable_socket
RED, YELLOW = str(CLIPS_DIR / "cook_red.mp4"), str(CLIPS_DIR / "cook_yellow.mp4")
SEEN = "[video 1, 0.0-3.0 s] a cook in a red apron adds salt to the pan"


class DyingServer(StubEndpoint):
    """A server that replies to some calls, closes the connection of the next one, and is gone."""

    def __init__(self, lasts: int) -> None:
        super().__init__(self._next)
        self._lasts = lasts

    def _next(self, number: int, body: dict[str, Any]) -> Reply:
        if number < self._lasts:
            return Reply(SEEN)
        self.go_down()
        return Reply(nothing=True)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache for all cases, so that the sound is recognised once; each case has a vision model of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENTCVR_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize(
    ("lasts", "question", "code", "value", "failed"),
    [
        (0, "Which video shows a cook in a red apron?", 1, None, ["visual"]),
        (0, "Who is the dinner for?", 0, "This dinner is for my mother.", ["visual"]),  # it is said
        (1, "Which video shows a cook in a red apron?", 0, "Video 1", []),  # it was seen before the end
    ],
)
def test_the_exit_status_is_1_unless_other_evidence_is_cited(
    lasts: int, question: str, code: int, value: str | None, failed: list[str]
):
    with DyingServer(lasts) as server:
        done = agentcvr("ask", RED, YELLOW, "-q", question, "--vision", f"{server.url}#{code}-{lasts}", "--json")
    answer = json.loads(done.stdout)["answer"]
    assert (done.returncode, answer["value"], answer["failed_modalities"]) == (code, value, failed), done.stderr
    assert ("Nothing could be seen: every look failed." in answer["rationale"]) == bool(failed)
    assert bool(answer["citations"]) == (code == 0)
    assert "cannot be reached" in done.stderr and "Traceback" not in done.stderr
