"""Scripts written by a chat model are requested, checked, repaired and stored. Only the model is a fake."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from langchain_core.language_models import BaseChatModel
from pydantic import ValidationError

from agentcvr_graph.errors import InfrastructureError, InputError, SetupError
from agentcvr_graph.scripts.checks import check_script
from agentcvr_graph.scripts.generators.llm import Job, generate, jobs_of
from agentcvr_graph.scripts.generators.llm.draft import Draft, UnusableDraftError, script_of
from agentcvr_graph.scripts.generators.llm.duplicates import Duplicates
from agentcvr_graph.scripts.generators.llm.store import Store
from agentcvr_graph.scripts.generators.llm.writing import ATTEMPTS, Usage, Writer
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_script
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import TASKS, Script
from tests.support.examples import examples
from tests.support.kills import run_in_fresh_process
from tests.support.stub_endpoint import Reply, StubEndpoint
from tests.support.synthetic_author import Author, draft_for

pytestmark = pytest.mark.filterwarnings("ignore:.*with_structured_output.*")


def made_by(author: BaseChatModel, out: Path, count: int = 3, tasks=("CC",), **options: Any):
    return asyncio.run(generate(jobs_of(dict.fromkeys(tasks, count), 0), author, out, **options))


def test_one_model_writes_scripts_of_all_ten_tasks(tmp_path):
    out = tmp_path / "written.jsonl"
    made = made_by(Author(), out, 2, TASKS, price_in=1.0, price_out=2.0)
    assert (made.scripts, made.failures, made.usage.calls) == (20, 0, 20)
    assert made.cost == pytest.approx(20 * (100 * 1.0 + 50 * 2.0) / 1e6)
    library = ScriptLibrary(out)
    assert Counter(script.task for script in library) == dict.fromkeys(TASKS, 2)
    for script in library:
        assert check_script(script) == []
        assert script.origin.generator == f"llm/{script.task}"
        assert script.origin.model == "Author"
        assert len({window.video for window in script.evidence}) >= 2


def test_requested_keys_are_evenly_distributed():
    keys = Counter(Job("CC", seed).key for seed in range(400))
    assert set(keys) == set("ABCD")
    assert all(70 <= count <= 130 for count in keys.values())
    assert len({Job("BU", seed).key for seed in range(400)}) == 15
    assert Job("CC", 7) == Job("CC", 7)
    assert len({(Job("CC", seed).topic, Job("CC", seed).turn) for seed in range(100)}) > 60


def test_a_faulty_script_is_sent_back_with_its_faults(tmp_path):
    author = Author(faults=2)
    made = made_by(author, tmp_path / "x.jsonl", 1)
    assert (made.scripts, made.usage.calls) == (1, 3)
    complaint = author.seen[-1][-1].text
    assert complaint.startswith("That script cannot be used:")
    assert "videos[1].scenes[1]: it ends at 999 s, but the video at" in complaint


def test_a_job_that_keeps_failing_is_recorded_and_the_others_continue(tmp_path):
    out = tmp_path / "x.jsonl"
    made = made_by(Author(hopeless=("cc-llm-000001",)), out, 3)
    assert (made.scripts, made.failures, made.usage.calls) == (2, 1, 5)
    (row,) = [json.loads(line) for line in (tmp_path / "x.failures.jsonl").read_text().splitlines()]
    assert (row["id"], row["seed"], row["calls"], row["output_tokens"]) == ("cc-llm-000001", 1, 3, 150)
    assert "it ends at 999 s" in row["failure"]
    again = made_by(Author(), out, 3)
    assert (again.scripts, again.skipped, again.usage.calls) == (0, 3, 0)
    retried = made_by(Author(), out, 3, retry_failed=True)
    assert (retried.scripts, retried.skipped) == (1, 2)
    assert sorted(ScriptLibrary(out).ids) == ["cc-llm-000000", "cc-llm-000001", "cc-llm-000002"]


def test_the_script_must_have_the_requested_key(tmp_path):
    author = Author(wrong_key=True)
    made = made_by(author, tmp_path / "x.jsonl", 1)
    assert made.failures == 1
    assert f"answer: {Job('CC', 0).key} must be right, not" in (tmp_path / "x.failures.jsonl").read_text()


@pytest.mark.parametrize("concurrency", [1, 2, 3, 8])
def test_near_duplicates_are_written_again_and_then_reported(tmp_path, concurrency):
    """A near-duplicate is also redrawn when it returns after the job queue is empty."""
    made = made_by(Author(same_story=True), tmp_path / "x.jsonl", 3, concurrency=concurrency)
    assert (made.scripts, made.failures) == (1, 2)
    assert made.duplicates == 6  # three attempts at each of two jobs
    rows = [json.loads(line) for line in (tmp_path / "x.failures.jsonl").read_text().splitlines()]
    assert [row["calls"] for row in rows] == [3, 3]
    (kept,) = ScriptLibrary(tmp_path / "x.jsonl").ids  # which job finishes first depends on the model
    assert {row["failure"] for row in rows} == {f"near-duplicate of {kept}, 3 times"}


def test_different_stories_are_not_duplicates(tmp_path):
    different = made_by(Author(), tmp_path / "y.jsonl", 20)
    assert (different.scripts, different.duplicates) == (20, 0)


@pytest.mark.parametrize(("changed", "alike"), [(1 / 50, True), (1 / 5, False)])
def test_a_near_duplicate_differs_in_few_words(changed, alike):
    """Replacing one word in fifty gives a near-duplicate. Replacing one word in five gives a different script."""
    rng = random.Random(0)
    for task in TASKS:
        script = make_script(task, 0, LEVELS["normal"])
        duplicates = Duplicates()
        duplicates.add(script)
        found = duplicates.like(_reworded(script, changed, rng))
        assert found == (script.id if alike else None), task


def _reworded(script: Script, share: float, rng: random.Random) -> Script:
    def reword(text: str) -> str:
        return " ".join(f"w{rng.randrange(9999)}" if rng.random() < share else word for word in text.split())

    videos = [
        {**video, "scenes": [{**s, "visual": reword(s["visual"]), "caption": reword(s["caption"])} for s in scenes]}
        for video in script.model_dump()["videos"]
        for scenes in [video["scenes"]]
    ]
    return Script.model_validate({**script.model_dump(), "id": "another", "videos": videos})


def test_a_server_without_schema_support_gets_plain_text_requests(tmp_path):
    author = Author(knows_no_schema=True)
    made = made_by(author, tmp_path / "x.jsonl", 6, concurrency=3)
    assert (made.scripts, made.failures, made.usage.calls) == (6, 0, 6)
    assert '"scoring_points"' in author.seen[-1][1].text


@pytest.mark.parametrize("knows_schemas", [True, False])
async def test_the_openai_client_sends_the_schema_and_falls_back_to_plain_text(knows_schemas):
    """The real client sends the schema. The writer falls back to plain text when the server refuses it."""
    langchain_openai = pytest.importorskip("langchain_openai")
    requests: list[dict[str, Any]] = []

    def serve(request: httpx.Request) -> httpx.Response:
        requests.append(json.loads(request.content))
        if "response_format" in requests[-1] and not knows_schemas:
            return httpx.Response(400, json={"error": {"message": "response_format is not supported"}})
        message = {"role": "assistant", "content": json.dumps(draft_for(Job("CC", 0)))}
        choices = [{"index": 0, "finish_reason": "stop", "message": message}]
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": choices, "usage": usage}
        return httpx.Response(200, json=body)

    async with httpx.AsyncClient(transport=httpx.MockTransport(serve)) as client:
        model = langchain_openai.ChatOpenAI(model="m", api_key="k", max_retries=0, http_async_client=client)
        written = await Writer(model, "m").run(Job("CC", 0))
    assert (written.failure, written.usage) == ("", Usage(1, 7, 5))
    assert written.script is not None
    assert ["response_format" in body for body in requests] == ([True] if knows_schemas else [True, False])
    assert ('"scoring_points"' in json.dumps(requests[-1]["messages"]).replace("\\", "")) is not knows_schemas


FRAMES = {"fence": "```json\n{}\n```", "prose": "Here it is:\n{}\nTell me if it suits you.", "bare": "{}"}


@pytest.mark.enable_socket
@pytest.mark.parametrize("frame", FRAMES)
async def test_json_of_a_server_that_ignores_the_schema_is_read(frame):
    text = FRAMES[frame].replace("{}", json.dumps(draft_for(Job("CC", 0))))
    with StubEndpoint(lambda number, body: Reply(text)) as endpoint:
        written = await Writer.of(f"{endpoint.url}#m").run(Job("CC", 0))
    assert (written.failure, written.usage) == ("", Usage(1, 100, 5))
    assert written.script is not None
    assert ["response_format" in body for body in endpoint.calls] == [True]


@pytest.mark.enable_socket
@pytest.mark.parametrize("frame", FRAMES)
async def test_a_server_that_ignores_the_schema_is_asked_in_plain_text(frame):
    """Without the schema in the prompt it guesses the fields. No call is repeated as after a transient error."""

    def reply(number: int, body: dict[str, Any]) -> Reply:
        knows = "scoring_points" in json.dumps(body["messages"])
        return Reply(FRAMES[frame].replace("{}", json.dumps(draft_for(Job("CC", 0)) if knows else {"text": "A"})))

    with StubEndpoint(reply) as endpoint:
        writer = Writer.of(f"{endpoint.url}#m")
        written, again = [await writer.run(Job("CC", 0)) for _ in range(2)]
    assert (written.failure, written.usage) == ("", Usage(2, 200, 10))
    assert (again.failure, again.usage) == ("", Usage(1, 100, 5))
    assert ["response_format" in body for body in endpoint.calls] == [True, False, False]


@pytest.mark.enable_socket
@pytest.mark.parametrize("frame", FRAMES)
async def test_replies_that_ignore_the_schema_are_repaired_if_others_honour_it(frame):
    def reply(number: int, body: dict[str, Any]) -> Reply:
        faulty = FRAMES[frame].replace("{}", json.dumps({"text": "A"}))
        return Reply(faulty if 0 < number < 3 else json.dumps(draft_for(Job("CC", 0))))

    with StubEndpoint(reply) as endpoint:
        writer = Writer.of(f"{endpoint.url}#m")
        first, repaired = [await writer.run(Job("CC", 0)) for _ in range(2)]
    assert (first.failure, first.usage) == ("", Usage(1, 100, 5))
    assert (repaired.failure, repaired.usage) == ("", Usage(3, 300, 15))
    assert all("response_format" in body for body in endpoint.calls)
    assert "question: Field required" in endpoint.calls[-1]["messages"][-1]["content"]


@pytest.mark.enable_socket
async def test_calls_of_replies_without_json_are_counted():
    with StubEndpoint(lambda number, body: Reply("I would rather not.")) as endpoint:
        written = await Writer.of(f"{endpoint.url}#m").run(Job("CC", 0))
    assert (written.failure, written.usage) == ("the reply holds no JSON object", Usage(4, 400, 20))
    assert len(endpoint.calls) == 4  # one with the schema, then three in plain text


def test_the_reasoning_trace_is_not_parsed(tmp_path):
    made = made_by(Author(plain=True, thinks=True), tmp_path / "x.jsonl", 1)
    assert made.scripts == 1


def test_plain_text_replies_are_parsed(tmp_path):
    """A model without structured output gets the schema in the prompt and writes JSON into its reply."""
    author = Author(plain=True)
    made = made_by(author, tmp_path / "x.jsonl", 2)
    assert made.scripts == 2
    assert '"scoring_points"' in author.seen[0][1].text
    rambling = made_by(Author(plain=True, silent=True), tmp_path / "y.jsonl", 1)
    assert rambling.failures == 1
    assert "the reply holds no JSON object" in (tmp_path / "y.failures.jsonl").read_text()


async def test_a_busy_server_is_retried(monkeypatch):
    monkeypatch.setattr(
        "agentcvr_graph.scripts.generators.llm.writing.wait_random_exponential", lambda **_: lambda _: 0
    )
    busy = Author(raises=[InfrastructureError("429", transient=True)] * (ATTEMPTS - 1))
    assert (await Writer(busy, "m").run(Job("CC", 0))).script is not None
    down = Author(raises=[InfrastructureError("429", transient=True)] * ATTEMPTS)
    assert (await Writer(down, "m").run(Job("CC", 0))).failure == "InfrastructureError: 429"
    broken = Author(raises=[ValueError("no such model")])
    written = await Writer(broken, "m").run(Job("CC", 0))
    assert (written.script, written.failure) == (None, "ValueError: no such model")


async def test_a_fault_names_its_location():
    draft = draft_for(Job("CC", 0))
    draft["videos"][1]["scenes"][2]["end_s"] = -3
    with pytest.raises(UnusableDraftError) as error:
        script_of(Draft.model_validate(draft), Job("CC", 0), "m")
    assert error.value.faults == ["videos[2].scenes[3].end_s: Input should be greater than 0"]
    draft["videos"][1]["scenes"][2]["end_s"] = float("inf")
    with pytest.raises(ValidationError, match="finite number"):
        Draft.model_validate(draft)


def test_the_schema_has_no_defaults_for_strict_servers():
    assert '"default"' not in json.dumps(Draft.model_json_schema())


def test_a_refused_key_ends_the_run(tmp_path):
    with pytest.raises(SetupError, match="Set MY_KEY"):
        made_by(Author(raises=[SetupError("Refused.", fix="Set MY_KEY.")]), tmp_path / "x.jsonl", 50, concurrency=1)
    assert not (tmp_path / "x.jsonl").exists()
    assert made_by(Author(), tmp_path / "x.jsonl", 3).scripts == 3


def test_a_model_that_stops_answering_ends_the_run(tmp_path):
    author = Author(raises=[ValueError("no such model")] * 100)
    with pytest.raises(
        InfrastructureError, match=r"none of the last 20 jobs: ValueError: no such model\. .*--retry-failed"
    ):
        made_by(author, tmp_path / "x.jsonl", 100, concurrency=1)
    assert len((tmp_path / "x.failures.jsonl").read_text().splitlines()) == len(author.seen) == 20
    assert made_by(Author(), tmp_path / "x.jsonl", 100, retry_failed=True).scripts == 100


def test_a_repeated_job_runs_once(tmp_path):
    jobs = [*jobs_of({"CC": 3}, 0), *jobs_of({"CC": 3}, 1)]
    assert asyncio.run(generate(jobs, Author(), tmp_path / "x.jsonl")).scripts == 4


def test_a_file_is_written_by_one_run_at_a_time(tmp_path):
    with Store(tmp_path / "x.jsonl"), pytest.raises(InputError, match=r"x\.jsonl: another run is writing it\."):
        made_by(Author(), tmp_path / "x.jsonl")
    assert made_by(Author(), tmp_path / "x.jsonl").scripts == 3


def test_calls_in_flight_stay_within_the_concurrency_limit(tmp_path):
    author = Author(delay_s=0.02)
    made_by(author, tmp_path / "x.jsonl", 12, concurrency=3)
    assert author.most_concurrent == 3


@pytest.fixture(scope="module")
def three_scripts(tmp_path_factory) -> bytes:
    out = tmp_path_factory.mktemp("three") / "x.jsonl"
    made_by(Author(), out, 3)
    return out.read_bytes()


@given(share=st.floats(0, 1))
@example(share=1.0)
@settings(max_examples=examples(30))
def test_a_truncated_file_is_completed_wherever_it_was_cut(three_scripts, share):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "x.jsonl")
        torn = three_scripts[: round(share * len(three_scripts))]
        out.write_bytes(torn)
        again = made_by(Author(), out, 3)
        assert again.scripts + again.skipped == 3
        assert again.skipped >= torn.count(b"\n")
        assert sorted(out.read_bytes().splitlines()) == sorted(three_scripts.splitlines())


def test_a_whole_last_row_without_a_line_break_is_kept(tmp_path, three_scripts):
    out = tmp_path / "x.jsonl"
    out.write_bytes(three_scripts.rstrip())
    assert made_by(Author(), out, 3).skipped == 3
    assert out.read_bytes() == three_scripts


def test_other_files_are_not_changed_and_invalid_settings_raise_input_error(tmp_path):
    out = tmp_path / "x.jsonl"
    for notes in ("my notes\n", "my notes"):
        out.write_text(notes)
        with pytest.raises(InputError, match=r"x\.jsonl:( the last line is not a row|1: )"):
            made_by(Author(), out)
        assert out.read_text() == notes
    with pytest.raises(InputError, match=r"concurrency is 0\. It must be at least 1"):
        made_by(Author(), tmp_path / "y.jsonl", concurrency=0)
    with pytest.raises(InputError, match=r"Unknown engine 'moon'\. Choose one of: local, ray"):
        made_by(Author(), tmp_path / "y.jsonl", engine="moon")


KILLS = """
import asyncio, json, sys
from pathlib import Path
from agentcvr_graph.scripts.generators.llm import generate, jobs_of
from tests.support.examples import examples
from tests.support.kills import kill_before_each_write
from tests.support.examples import examples
from tests.support.kills import run_in_fresh_process
from tests.support.examples import examples
from tests.support.synthetic_author import Author

whole, killed = map(Path, sys.argv[1:])

def write(out):
    asyncio.run(generate(jobs_of({"CC": 12, "PSS": 10}, 0), Author(), out, concurrency=4))

write(whole)
print(json.dumps([kill_before_each_write(lambda: write(killed), killed.parent)]))
"""


def test_a_run_killed_before_each_write_resumes_without_loss_or_duplicates(tmp_path):
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "runs" / "killed.jsonl"
    (places,) = run_in_fresh_process(KILLS, whole, killed)
    assert len(places) >= 6 and sum("killed.jsonl" in place for place in places) >= 6, places
    assert sorted(killed.read_text().splitlines()) == sorted(whole.read_text().splitlines())
