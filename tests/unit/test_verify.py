"""The feature `verify`: cited windows are observed once more, without the claim, before an answer is accepted."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command, RetryPolicy
from typer.testing import CliRunner

from agentcvr_graph import CVRContext, InfrastructureError, SetupError, create_cvr_graph, trajectory_of
from agentcvr_graph.cli import app
from agentcvr_graph.graph.builder import RETRY
from agentcvr_graph.models.claims import ChatClaimJudge, Judgement
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import write_scripts
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn
from agentcvr_graph.tools import TOOLS, Features, Toolset
from agentcvr_graph.types import ClaimedCitation, Cost, Evidence, Listen, Observe

QUESTION: Any = {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["the first", "the second"]}
LOOK = turn("", observe((1, 0, 60, 4), (2, 0, 60, 4), id="look"), listen(1, 0, 10, id="ear"))
THREAD: Any = {"configurable": {"thread_id": "t"}}
AT_ONCE = RetryPolicy(max_attempts=3, initial_interval=0, retry_on=RETRY.retry_on)


def cite(claim: str, video: int = 1, start_s: float = 0, end_s: float = 9, modality: str = "visual") -> dict[str, Any]:
    """Return a citation as a master writes it."""
    return {"video": video, "start_s": start_s, "end_s": end_s, "modality": modality, "claim": claim}


def answers(value: str, *cited: dict[str, Any], id: str = "done") -> AIMessage:
    return turn("", answer(value, "", cited, id=id))


class Run:
    """A graph with the feature, run with a fake master."""

    def __init__(self, *turns: Any, judge: Any = True, perception: Any = None, **options: Any) -> None:
        self.master = FakeMaster(turns=[LOOK, *turns])
        self.perception: FakePerception = perception or FakePerception()
        graph = create_cvr_graph(
            self.master, self.perception, features=Features(verify=judge), retry=AT_ONCE, **options
        )
        self.graph = graph.compile(checkpointer=InMemorySaver(serde=JsonPlusSerializer(allowed_msgpack_modules=None)))

    async def __call__(self, given: Any = QUESTION, **settings: Any) -> Any:
        return await self.graph.ainvoke(given, THREAD, context=CVRContext(**settings))

    @property
    def last_read(self) -> str:
        return self.master.seen[-1][-1].text


def verdicts(output: Any) -> list[tuple[str, str]]:
    return [(one.citation.claim, one.verdict) for one in output["verifications"]]


async def test_a_supported_answer_is_accepted_without_another_turn():
    run = Run(answers("A", cite("The ball is red."), cite("hello", 1, 0, 5, "audio")))
    output = await run()
    assert output["answer"].value == "A" and len(run.master.seen) == 2
    assert verdicts(output) == [("The ball is red.", "supported"), ("hello", "supported")]


async def test_the_second_look_has_more_frames_and_no_focus():
    run = Run(answers("A", cite("red"), cite("hello", 1, 0, 5, "audio")))
    await run()
    looked, heard = run.perception.requests[-2:]
    assert isinstance(looked, Observe) and isinstance(heard, Listen)
    assert (looked.focus, looked.frames, looked.targets[0].window.end_s) == ("", 8, 9)
    assert (heard.focus, heard.window.end_s) == ("", 5)


def closely(region: str = "", detail: str = "high") -> AIMessage:
    """Return a turn that looks closely at the windows of both videos."""
    targets = [{"video": n, "start_s": 0, "end_s": 9, "frames": 2, "region": region, "detail": detail} for n in (1, 2)]
    return turn("", {"name": "observe", "args": {"targets": targets}, "id": "close"})


@pytest.mark.parametrize(
    ("region", "settings", "look"),
    [
        ("", {}, ("", "high", 8)),
        ("top left", {}, ("top left", "high", 8)),
        ("", {"max_frames": 50}, ("", "high", 2)),
    ],
)
async def test_with_zoom_the_second_look_is_a_close_one_if_the_reserve_allows(region: str, settings: Any, look: Any):
    master = FakeMaster(turns=[closely(region), answers("A", cite("red"))])
    perception = FakePerception()
    graph = create_cvr_graph(master, perception, features=Features(verify=True, zoom=True)).compile()
    await graph.ainvoke(QUESTION, context=CVRContext(**settings))
    again = perception.requests[-1]
    assert isinstance(again, Observe)
    (target,) = again.targets
    assert target.zoom is not None and (target.zoom.region, target.zoom.detail, target.frames) == look


async def test_a_result_that_refutes_is_sent_to_the_master_once():
    again = answers("B", cite("The ball is green.", 2), id="again")
    run = Run(answers("A", cite("The ball is blue.")), again)
    output = await run()
    assert output["answer"].value == "B" and len(run.master.seen) == 3
    assert 'video 1, 0.0-9.0 s, "The ball is blue.": contradicted' in run.last_read
    assert "[video 1, 0.0-9.0 s] a red ball" in run.last_read
    assert [(one.turn, one.verdict) for one in output["verifications"]] == [(2, "contradicted"), (3, "contradicted")]


async def test_the_master_may_keep_its_answer_and_nothing_is_looked_at_twice():
    run = Run(answers("A", cite("The ball is blue.")), answers("A", cite("The ball is blue."), id="again"))
    output = await run()
    assert output["answer"].value == "A" and len(output["verifications"]) == 1
    assert trajectory_of(output).verification_of(output["answer"].citations[0]) == output["verifications"][0]


async def test_the_master_may_look_further_before_it_answers_again():
    more = turn("", observe((2, 20, 30, 4), id="more"))
    run = Run(answers("A", cite("The ball is blue.")), more, answers("B", id="again"))
    output = await run()
    assert output["answer"].value == "B" and len(output["observations"]) == 3


async def test_a_citation_without_a_claim_is_unclear_and_costs_nothing():
    given = {key: value for key, value in cite("").items() if key != "claim"}
    run = Run(answers("A", given), answers("A", given, id="again"))
    output = await run()
    assert [one.reason for one in output["verifications"]] == ["the citation states no claim"]
    assert output["usage"].frames == 8


async def test_nothing_happens_when_a_run_turns_it_off():
    run = Run(answers("A", cite("The ball is blue.")))
    output = await run(verify="never")
    assert output["verifications"] == [] and output["usage"].frames == 8
    assert "512 frames" in run.master.seen[0][-1].text
    assert output["answer"].citations[0].claim == "The ball is blue."


def test_without_the_feature_the_graph_has_no_such_node():
    def nodes(features: Features) -> set[str]:
        return set(create_cvr_graph(FakeMaster(turns=[]), FakePerception(), features=features).compile().nodes)

    assert nodes(Features(verify=True)) - nodes(Features()) >= {"verify"}
    assert not any("verify" in name for name in nodes(Features()))


async def test_a_fifth_of_the_budgets_is_reserved_and_never_exceeded():
    cited = [cite("red", 1, n, n + 9) for n in range(4)]
    run = Run(answers("A", *cited))
    output = await run(max_frames=20, max_audio_s=50)
    assert "left: 11 turns, 16 frames, 40 audio seconds" in run.master.seen[0][-1].text
    assert [one.cost.frames for one in output["verifications"]] == [1, 1, 1, 1] and output["usage"].frames == 12


async def test_a_citation_beyond_the_reserve_is_unclear_and_says_so():
    cited = [cite("red", 1, n, n + 9) for n in range(3)]
    run = Run(answers("A", *cited), answers("A", *cited, id="again"))
    output = await run(max_frames=10)
    found = {one.citation.start_s: (one.verdict, one.reason) for one in output["verifications"]}
    assert found[2] == ("supported", "") and found[0] == ("unclear", "The frame budget is spent.")


async def test_no_more_than_eight_citations_are_checked_and_a_turn_of_them_stays_under_20_kb():
    cited = [cite("red", 1, n, n + 9) for n in range(10)]
    perception = FakePerception(text="a red ball, and a long line of evidence " * 20)
    run = Run(answers("A", *cited), answers("A", *cited, id="again"), perception=perception)
    before = len(JsonPlusSerializer().dumps_typed(await run(verify="never"))[1])
    output = await Run(answers("A", *cited), answers("A", *cited, id="again"), perception=perception)()
    reasons = [one.reason for one in output["verifications"] if one.verdict == "unclear"]
    assert reasons == ["only the first 8 citations of an answer are checked"] * 2
    assert len(JsonPlusSerializer().dumps_typed(output)[1]) - before < 20_000


async def test_what_the_judge_writes_does_not_stream_as_text():
    model = FakeMaster(turns=[AIMessage('{"verdict": "supported"}')])
    run = Run(answers("A", cite("red")), judge=model)
    streamed = [part async for part, _ in run.graph.astream(QUESTION, THREAD, stream_mode="messages")]
    assert streamed and not any("verdict" in part.text for part in streamed)


async def test_a_toolset_carries_the_judge_so_that_training_checks_too():
    features = Features(verify=True)
    tools = Toolset(features.apply(TOOLS), features.judge)
    master = FakeMaster(turns=[LOOK, answers("A", cite("red"))])
    output = await create_cvr_graph(master, FakePerception(), tools=tools).compile().ainvoke(QUESTION)
    assert [one.verdict for one in output["verifications"]] == ["supported"]


async def test_the_answer_of_the_last_turn_can_still_be_checked_and_given_again():
    run = Run(answers("A", cite("The ball is blue.")), answers("B", id="again"))
    output = await run(max_turns=3)
    assert output["answer"].value == "B" and len(run.master.seen) == 3
    assert "Call answer again: keep the answer, or correct it." in str(run.master.seen[-1])


async def test_a_master_that_may_abstain_reads_that_it_may_and_has_no_citations_to_check():
    abstains = {"name": "answer", "args": {"value": None, "looked_for": "a red ball"}, "id": "again"}
    master = FakeMaster(turns=[LOOK, answers("A", cite("The ball is blue.")), turn("", abstains)])
    features = Features(verify=True, abstain=True)
    output = await create_cvr_graph(master, FakePerception(), features=features).compile().ainvoke(QUESTION)
    assert "keep the answer, correct it, abstain, or look further first." in master.seen[-1][-1].text
    assert output["answer"] is not None and output["answer"].abstained and len(output["verifications"]) == 1


async def test_with_one_turn_there_is_nothing_to_send_it_to():
    master = FakeMaster(turns=[answers("A")])
    graph = create_cvr_graph(master, FakePerception(), features=Features(verify=True)).compile()
    output = await graph.ainvoke(QUESTION, context=CVRContext(max_turns=1, min_evidence=0))
    assert output["answer"] is not None and output["answer"].value == "A"


async def test_a_short_recursion_limit_ends_in_an_answer():
    for limit in range(6, 16):
        run = Run(answers("A", cite("The ball is blue.")), answers("B", cite("The ball is green."), id="again"))
        config: Any = {**THREAD, "recursion_limit": limit}
        output = await run.graph.ainvoke(QUESTION, config)
        assert output["answer"] is not None, limit


class FailingLook(FakePerception):
    """A perception whose second looks fail."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def observe(self, request: Observe, videos: Any) -> Any:
        if request.frames == 8 and len(request.targets) == 1:
            self.requests.append(request)
            raise self.error
        return await super().observe(request, videos)


@pytest.mark.parametrize(
    ("error", "attempts"),
    [(InfrastructureError("The disk is gone."), 1), (InfrastructureError("Busy.", transient=True), 3)],
)
async def test_a_failed_look_is_unclear_with_its_cause(error: InfrastructureError, attempts: int):
    perception = FailingLook(error)
    run = Run(
        answers("A", cite("red"), cite("hello", 1, 0, 5, "audio")), answers("A", id="again"), perception=perception
    )
    output = await run()
    found = {one.citation.modality: one for one in output["verifications"]}
    assert found["visual"].verdict == "unclear" and error.message in found["visual"].reason
    assert found["audio"].verdict == "supported" and output["answer"].value == "A"
    assert (
        sum(isinstance(one, Observe) and one.frames == 8 and len(one.targets) == 1 for one in perception.requests)
        == attempts
    )


class Judge:
    """A judge that answers from a list, or raises."""

    name = "fake"

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.seen: list[tuple[str, list[Evidence]]] = []

    async def judge(self, claim: str, seen: Any) -> Judgement:
        self.seen.append((claim, [*seen.evidence]))
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


@pytest.mark.parametrize("error", [ValueError("no"), SetupError("The key is refused."), TimeoutError()])
async def test_a_judge_that_fails_is_unclear_with_its_cause(error: Exception):
    replies = [error] * (3 if isinstance(error, TimeoutError) else 1)
    run = Run(answers("A", cite("red")), answers("A", id="again"), judge=Judge(*replies))
    output = await run()
    (found,) = output["verifications"]
    assert found.verdict == "unclear" and found.reason.startswith("the judge failed: ")
    assert found.observation is not None and found.cost.frames == 8


async def test_the_cost_of_the_judge_is_counted():
    reply = Judgement("supported", "it is", Cost(input_tokens=7, model_calls=1))
    output = await Run(answers("A", cite("red")), judge=Judge(reply))()
    assert output["usage"].input_tokens == 7 and output["usage"].frames == 16
    assert output["verifications"][0].judge == "fake"


async def test_citations_are_checked_at_the_same_time():
    both = asyncio.Barrier(2)

    class Waiting(Judge):
        async def judge(self, claim: str, seen: Any) -> Judgement:
            await both.wait()
            return Judgement("supported")

    async with asyncio.timeout(20):
        output = await Run(answers("A", cite("red"), cite("red", 2)), judge=Waiting())()
    assert len(output["verifications"]) == 2


async def test_a_cancelled_run_repeats_only_the_checks_that_had_not_ended():
    waiting, judged = asyncio.Event(), list[str]()

    class Stuck(Judge):
        async def judge(self, claim: str, seen: Any) -> Judgement:
            judged.append(claim)
            if claim == "slow" and not waiting.is_set():
                waiting.set()
                await asyncio.Event().wait()
            return Judgement("supported")

    run = Run(answers("A", cite("red"), cite("slow", 2)), judge=Stuck())
    task = asyncio.create_task(run())
    await waiting.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    output = await run(None)
    assert output["answer"].value == "A" and judged == ["red", "slow", "slow"]
    assert all(type(one.citation) is ClaimedCitation for one in output["verifications"])


async def test_an_expensive_check_waits_for_the_reviewer():
    run = Run(answers("A", cite("red")), answers("A", id="again"))
    first = await run(review_above_frames=7, min_evidence=0)
    assert first["__interrupt__"]  # the look of the first turn
    approved = Command(resume={"decisions": [{"type": "approve"}]})
    second = await run(approved)
    assert "observing video 1, 0.0-9.0 s (8 frames)" in json.dumps(second["__interrupt__"][0].value)
    output = await run(Command(resume={"decisions": [{"type": "reject", "message": "Too dear."}]}))
    assert [(one.verdict, one.reason) for one in output["verifications"]] == [
        ("unclear", "A person refused this look. Too dear.")
    ]


async def test_a_follow_up_has_verifications_of_its_own():
    run = Run(answers("A", cite("red")), answers("B", cite("red", 2), id="second"))
    await run()
    output = await run({**QUESTION, "question": "And the other one?"})
    assert [one.citation.video for one in output["verifications"]] == [2]


async def test_the_model_that_judges_reads_the_claim_and_not_the_question():
    model = FakeMaster(turns=[AIMessage('{"verdict": "contradicted", "reason": "It is red."}')])
    run = Run(answers("A", cite("The ball is blue.")), answers("B", id="again"), judge=model)
    output = await run()
    (system, task) = model.seen[0]
    assert "The ball is blue." in task.text and "a red ball" in task.text
    assert QUESTION["question"] not in system.text + task.text
    assert (output["verifications"][0].verdict, output["verifications"][0].reason) == ("contradicted", "It is red.")
    assert output["usage"].model_calls == 4


async def test_a_judge_without_a_verdict_is_asked_three_times():
    model = FakeMaster(turns=[AIMessage("Well."), AIMessage("{}"), AIMessage("I cannot say.")])
    seen = await FakePerception().observe(Observe.model_validate({"targets": [cite_target()]}), [])
    with pytest.raises(InfrastructureError, match="gave no verdict in 3 replies"):
        await ChatClaimJudge(model, "m").judge("red", seen)


def cite_target() -> dict[str, Any]:
    return {"video": 1, "start_s": 0, "end_s": 9, "frames": 2}


def test_what_is_no_judge_is_refused_when_the_graph_is_built():
    with pytest.raises(SetupError, match="`verify` is 3"):
        create_cvr_graph(FakeMaster(turns=[]), FakePerception(), features=Features(verify=3))  # pyright: ignore[reportArgumentType]


def test_the_command_line_shows_the_verdicts():
    shown = CliRunner().invoke(app, ["ask", "--swap", "cc-000000", "--verify", "offline"])
    assert shown.exit_code == 0 and "    supported: " in shown.output
    record = CliRunner().invoke(app, ["ask", "--swap", "cc-000000", "--features", "verify", "--json"])
    (first, *_) = json.loads(record.stdout)["verifications"]
    assert first["verdict"] == "supported" and "observation" not in first


def test_an_evaluation_verifies(tmp_path: Path):
    scripts = tmp_path / "s.jsonl"
    write_scripts(make_scripts({"CC": 1}), scripts)
    arguments = ["eval", "--scripts", str(scripts), "--out", str(tmp_path / "run"), "--verify", "offline"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    stored = "".join(path.read_text() for path in (tmp_path / "run").rglob("*.json*"))
    assert '"verdict":' in stored and "verify=offline" in stored
