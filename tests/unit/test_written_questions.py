"""Questions about extracted videos that a chat model writes are checked, rejected with a reason, and stored."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from pydantic import TypeAdapter, ValidationError

from agentcvr_graph import CVRContext, create_cvr_graph, resolve_chat_model
from agentcvr_graph.cli.console import print_causes
from agentcvr_graph.errors import InputError
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.checks import errors_of
from agentcvr_graph.scripts.extraction.extracted import ExtractedVideo
from agentcvr_graph.scripts.extraction.questions import jobs_of, prompts, write_questions
from agentcvr_graph.scripts.extraction.questions.answerable import Checker
from agentcvr_graph.scripts.extraction.questions.choice import Pool
from agentcvr_graph.scripts.extraction.questions.draft import QuestionDraft
from agentcvr_graph.scripts.extraction.questions.near import QuestionDuplicates, evidence_iou
from agentcvr_graph.scripts.extraction.questions.writing import QuestionsAbout
from agentcvr_graph.scripts.generators.llm import Job
from agentcvr_graph.scripts.generators.llm.writing import Usage, Writer
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import TASKS, Scene, Script, ScriptedVideo
from agentcvr_graph.testing import FakeMaster
from agentcvr_graph.trajectory import trajectory_of
from tests.support.command_line import agentcvr
from tests.support.kills import run_in_fresh_process
from tests.support.question_author import SCENE_S, QuestionAuthor, kitchen_videos
from tests.support.stub_endpoint import Reply, StubEndpoint

pytestmark = pytest.mark.filterwarnings("ignore:.*with_structured_output.*")
VIDEOS = kitchen_videos()
AT = {"start_s": 0, "end_s": 5}


def written_by(author: QuestionAuthor, out: Path, count: int = 1, tasks=("CC",), videos=VIDEOS, **options: Any):
    jobs = jobs_of(dict.fromkeys(tasks, count), 0, "own")
    return asyncio.run(write_questions(jobs, videos, author, out, **options))


def rejected_in(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.with_suffix(".rejected.jsonl").read_text().splitlines()]


def test_questions_of_all_ten_tasks_are_written_and_pass_the_checks(tmp_path):
    out = tmp_path / "scripts.jsonl"
    totals = written_by(QuestionAuthor(), out, 1, TASKS, price_in=1.0, price_out=2.0, concurrency=1)
    assert (totals.scripts, totals.failures) == (10, 0)
    assert set(totals.rejections) <= {"near-duplicate"}, "tasks share a wording, and may draw the same videos"
    assert totals.cost == pytest.approx(totals.usage.calls * (200 + 2 * 20) / 1e6)
    library = ScriptLibrary(out)
    assert Counter(script.task for script in library) == dict.fromkeys(TASKS, 1)
    for script in library:
        assert errors_of(script) == []
        assert script.origin.generator == f"own/{script.task}"
        assert len({window.video for window in script.evidence}) >= 2
        assert len(script.extra["sources"]) == len(script.videos)


def test_a_question_that_one_video_answers_is_rejected_with_that_reason(tmp_path):
    """The hand-made question asks for a step of video 1, and names a second window that it does not need."""
    out = tmp_path / "scripts.jsonl"
    totals = written_by(QuestionAuthor(one_video=True), out)
    assert (totals.scripts, totals.failures) == (0, 1)
    rows = rejected_in(out)
    assert [(row["reason"], row["detail"], row["attempt"]) for row in rows] == [
        ("answered from one video alone", "video 1", attempt) for attempt in range(3)
    ]
    assert rows[0]["script"]["question"] == "Which spice is added in step 1 of video 1?"
    failures = out.with_suffix(".failures.jsonl").read_text()
    assert "answered from one video alone: video 1 (3 attempts were rejected)" in failures


@pytest.mark.parametrize(
    ("author", "reason"),
    [
        (QuestionAuthor(given_away=True), "answered from the question alone"),
        (QuestionAuthor(wrong_evidence=True), "not answered from its evidence"),
        (QuestionAuthor(declines=(0, 1, 2)), "no question found"),
    ],
)
def test_other_unfit_questions_are_rejected_with_their_reasons(tmp_path, author, reason):
    out = tmp_path / "scripts.jsonl"
    totals = written_by(author, out, tasks=("CCQA",))
    assert (totals.scripts, totals.rejections) == (0, {reason: 3})
    assert {row["reason"] for row in rejected_in(out)} == {reason}


def test_a_declined_job_gets_other_videos(tmp_path):
    out = tmp_path / "scripts.jsonl"
    assert written_by(QuestionAuthor(declines=(0,)), out).scripts == 1
    (row,) = rejected_in(out)
    assert (row["reason"], row["detail"], row["script"]) == ("no question found", "nothing is in two videos", None)
    drawn = [Pool(VIDEOS).draw(Job("CC", 0, attempt, "own")).names for attempt in (0, 1)]
    assert drawn[0] != drawn[1]
    (script,) = ScriptLibrary(out)
    assert script.extra["sources"] == drawn[1]


def test_the_same_question_about_the_same_videos_is_a_near_duplicate(tmp_path):
    out = tmp_path / "scripts.jsonl"
    totals = written_by(QuestionAuthor(), out, 3, videos=VIDEOS[:2])
    assert (totals.scripts, totals.failures) == (1, 2)
    assert totals.rejections == {"near-duplicate": 6}
    (kept,) = ScriptLibrary(out).ids
    assert {row["detail"] for row in rejected_in(out)} == {f"of {kept}"}


def test_faults_are_sent_back_and_models_without_structured_output_work(tmp_path):
    author = QuestionAuthor(faults=1, plain=True)
    assert written_by(author, tmp_path / "scripts.jsonl").scripts == 1
    assert "- evidence: it must come from at least two videos" in author.seen[1][-1].text
    assert '"impossible"' in author.seen[0][1].text


def test_sorting_shows_parts_of_one_video_and_inference_hides_its_middle():
    sorting = Pool(VIDEOS).draw(Job("PSS", 0, maker="own"))
    assert len({name.partition("#")[0] for name in sorting.names}) == 1
    starts_s = [float(name.partition("#t=")[2].split(",")[0]) for name in sorting.names]
    in_time = sorted(range(len(starts_s)), key=lambda n: starts_s[n])
    assert sorting.key == "->".join(str(n + 1) for n in in_time)
    inference = Pool(VIDEOS).draw(Job("PI", 0, maker="own"))
    file = inference.names[0].partition("#")[0]
    assert inference.names == [f"{file}#t=0,10", f"{file}#t={3 * SCENE_S:g},25"]
    assert [note.startswith("[video 3, 0.0-5.0 s]") for note in inference.hidden] == [True, True]


def test_too_few_videos_or_scenes_end_the_run_before_a_call(tmp_path):
    author = QuestionAuthor()
    with pytest.raises(InputError, match=r"CC needs at least 2 extracted videos, and there is 1\. Extract more"):
        written_by(author, tmp_path / "x.jsonl", videos=VIDEOS[:1])
    short = [video.model_copy(update={"video": video.video.model_copy(update={"scenes": ()})}) for video in VIDEOS]
    with pytest.raises(InputError, match=r"PSS needs a video of at least 4 scenes, and none has so many\."):
        written_by(author, tmp_path / "x.jsonl", tasks=("PSS",), videos=short)
    assert author.seen == []


def test_a_killed_run_resumes_after_the_attempts_that_it_rejected(tmp_path):
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    written_by(QuestionAuthor(declines=(0,)), whole)
    first = whole.with_suffix(".rejected.jsonl").read_text()
    killed.with_suffix(".rejected.jsonl").write_text(first)
    again = QuestionAuthor()
    assert written_by(again, killed).scripts == 1
    assert "take 2;" in again.seen[0][1].text
    assert killed.read_text() == whole.read_text()


async def test_accepted_questions_run_in_the_real_graph(tmp_path):
    out = tmp_path / "scripts.jsonl"
    jobs = jobs_of({"CC": 2}, 0, "own")
    await write_questions(jobs, VIDEOS, QuestionAuthor(), out)
    library = ScriptLibrary(out)
    graph = create_cvr_graph(resolve_chat_model("offline"), ScriptedPerception(library)).compile()
    for script in library:
        output = await graph.ainvoke(as_input(script.as_question()), context=CVRContext(max_turns=4))
        assert trajectory_of(output).answer is not None


def test_the_schema_has_no_defaults_for_strict_servers():
    assert '"default"' not in json.dumps(QuestionDraft.model_json_schema())


async def test_a_lucky_guess_decides_nothing():
    """A reader that names the first option is right in one order of the options only."""
    script = await good_question(QuestionAuthor())

    def guess(messages: Sequence[BaseMessage]) -> AIMessage:
        return AIMessage("Answer: A")

    def read_evidence(messages: Sequence[BaseMessage]) -> AIMessage:
        asked = messages[1].text
        if prompts.EVIDENCE not in asked:
            return guess(messages)
        return AIMessage("Answer: " + re.findall(rf"^([A-D])\) {script.options[0]}$", asked, re.M)[0])

    usage = Usage()
    assert await Checker(FakeMaster(turns=[read_evidence] * 20), "reader").rejection(script, usage) is None
    assert usage.calls == 2 + 2 + 2 * len(script.videos)
    found = await Checker(FakeMaster(turns=[guess] * 2), "guesser").rejection(script, usage)
    assert str(found) == "not answered from its evidence"


async def good_question(author: QuestionAuthor) -> Script:
    """Return a question whose first option is right."""
    writer = Writer.of(author, QuestionsAbout(VIDEOS))
    scripts = [(await writer.run(Job("CC", seed, maker="own"))).script for seed in range(20)]
    return next(one for one in scripts if one is not None and one.key == "A")


async def test_the_same_answer_by_the_same_evidence_is_a_near_duplicate():
    script = await good_question(QuestionAuthor())
    duplicates = QuestionDuplicates()
    duplicates.add(script)
    words = {"id": "other", "question": "What lands in the pots of cook one as well as cook two?", "options": ("sage",)}
    other = script.model_copy(update={**words, "options": (script.options[0], "a", "b", "c")})
    assert duplicates.like(other) == script.id
    later = [
        window.model_copy(update={"start_s": window.end_s, "end_s": window.end_s + 5}) for window in other.evidence
    ]
    assert evidence_iou(script, other.model_copy(update={"evidence": tuple(later)})) == 0
    assert duplicates.like(other.model_copy(update={"evidence": tuple(later)})) is None
    assert duplicates.like(other.model_copy(update={"key": "B"})) is None
    assert duplicates.like(other.model_copy(update={"extra": {"sources": ["x", "y", "z", "w"]}})) is None


def test_videos_of_a_question_share_words():
    """Of forty videos of two kinds, the others of a question are of the kind of the first."""
    kinds = {"kitchen": "a cook adds salt to the soup", "harbour": "a sailor ties the boat to a post"}
    videos = [
        ExtractedVideo(name=f"{kind}{n}.mp4", video=ScriptedVideo(duration_s=5, scenes=(Scene(**AT, visual=text),)))
        for n in range(20)
        for kind, text in kinds.items()
    ]
    pool = Pool(videos)
    drawn = [pool.draw(Job("CC", seed, maker="own")).names for seed in range(20)]
    assert {len({name[:4] for name in names}) for names in drawn} == {1}
    assert len({name for names in drawn for name in names}) > 20


def test_a_long_video_is_cut_to_a_clip_that_fits_into_a_request():
    scenes = [Scene(start_s=5 * n, end_s=5 * n + 5, visual=f"scene {n} " + "w" * 490) for n in range(100)]
    long = ExtractedVideo(name="long.mp4", video=ScriptedVideo(duration_s=500, scenes=tuple(scenes)))
    for seed in range(5):
        (one, other) = Pool([long, VIDEOS[0]]).draw(Job("FSA", seed, maker="own")).videos
        cut = one if one.name.startswith("long") else other
        assert 20 <= len(cut.video.scenes) <= 24
        start_s, end_s = map(float, cut.name.partition("#t=")[2].split(","))
        assert cut.video.duration_s == end_s - start_s == 5 * len(cut.video.scenes)
        assert cut.video.scenes[0].visual.startswith(f"scene {start_s / 5:g} ")


def test_places_of_right_options_are_spread(tmp_path):
    out = tmp_path / "scripts.jsonl"
    written_by(QuestionAuthor(), out, 15)
    keys = Counter(str(script.key) for script in ScriptLibrary(out))
    assert keys.total() >= 10 and len(keys) == 4, "the author writes the right option first"


@pytest.mark.enable_socket
def test_the_command_writes_checks_reports_and_resumes(tmp_path):
    """The real client asks a local endpoint; one job of two is rejected as a near-duplicate of the other."""
    extracted, out = tmp_path / "extracted.jsonl", tmp_path / "scripts.jsonl"
    extracted.write_text("".join(video.model_dump_json(exclude_defaults=True) + "\n" for video in VIDEOS[:2]))
    author = QuestionAuthor()

    def reply(number: int, body: dict[str, Any]) -> Reply:
        return Reply(author.reply_text([message["content"] for message in body["messages"]]))

    with StubEndpoint(reply) as endpoint:
        command = ("scripts", "questions", extracted, "--writer", f"{endpoint.url}#m", "--out", out)
        done = agentcvr(*command, "-t", "CC", "--each", 2, "--price-in", 1)
        first = len(endpoint.calls)
        again = agentcvr(*command, "-t", "CC", "--each", 2)
        assert len(endpoint.calls) == first
    assert (done.returncode, again.returncode) == (0, 0), done.stderr
    assert "rejected: 3 near-duplicate" in done.stderr
    assert f"rejected questions: {tmp_path / 'scripts.rejected.jsonl'}" in done.stderr
    assert "failed: 1 x near-duplicate of cc-own-00000" in done.stderr
    assert f"failed jobs: {tmp_path / 'scripts.failures.jsonl'}" in done.stderr
    assert "1 script, 1 failed, 3 near-duplicates, 0 done before; 24 calls" in done.stderr
    assert "0 scripts, 0 failed, 0 near-duplicates, 2 done before; 0 calls" in again.stderr
    assert agentcvr("scripts", "check", out).returncode == 0


@pytest.mark.enable_socket
@pytest.mark.parametrize("command", ["questions", "make"])
def test_the_commands_print_why_jobs_failed(tmp_path, command):
    extracted, out = tmp_path / "extracted.jsonl", tmp_path / "scripts.jsonl"
    extracted.write_text("".join(video.model_dump_json(exclude_defaults=True) + "\n" for video in VIDEOS[:2]))
    with StubEndpoint(lambda number, body: Reply("I would rather not.")) as endpoint:
        model = f"{endpoint.url}#m"
        arguments = [extracted, "--writer", model] if command == "questions" else ["--model", model]
        done = agentcvr("scripts", command, *arguments, "--out", out, "-t", "CC", "--each", 2, "--concurrency", 1)
    assert "failed: 2 x the reply holds no JSON object\n" in done.stderr
    assert f"failed jobs: {tmp_path / 'scripts.failures.jsonl'}\n" in done.stderr
    assert "0 scripts, 2 failed, 0 near-duplicates, 0 done before; 7 calls, 700 + 35 tokens" in done.stderr


def test_causes_are_counted_without_what_pydantic_adds(capsys):
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(int).validate_json("```json\n{}\n```")
    reason = f"ValidationError: {caught.value}"
    cut = reason[: reason.index("input_value") + 20] + "..."
    print_causes([reason, cut, *"abc"], "the report")
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("failed: 2 x ValidationError: 1 validation error for int Invalid JSON: expected value at")
    assert said[0].endswith("at line 1 column 1")
    assert said[1:] == ["failed: 1 x a", "failed: 1 x b", "1 more causes are in the report."]


KILLS = """
import asyncio, json, sys
from pathlib import Path
from agentcvr_graph.scripts.extraction.extracted import ExtractedVideo
from agentcvr_graph.scripts.extraction.questions import jobs_of, prompts, write_questions
from tests.support.kills import kill_before_each_write
from tests.support.question_author import QuestionAuthor, kitchen_videos

whole, killed = map(Path, sys.argv[1:])

def write(out):
    jobs = jobs_of({"CC": 3, "PSS": 2}, 0, "own")
    asyncio.run(write_questions(jobs, kitchen_videos(), QuestionAuthor(declines=(0,)), out, concurrency=1))

write(whole)
print(json.dumps([kill_before_each_write(lambda: write(killed), killed.parent)]))
"""


def test_a_run_killed_before_each_write_keeps_every_question_and_rejection_once(tmp_path):
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "runs" / "killed.jsonl"
    (places,) = run_in_fresh_process(KILLS, whole, killed)
    assert sum("killed.rejected.jsonl" in place for place in places) >= 3, places
    for suffix in (".jsonl", ".rejected.jsonl"):
        rows = [sorted(path.with_suffix(suffix).read_text().splitlines()) for path in (whole, killed)]
        assert rows[0] == rows[1]
