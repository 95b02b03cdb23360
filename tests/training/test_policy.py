"""The ledger records the tokens that the policy samples, wherever in a graph it is called."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated

import pytest
from agentcvr_training.inference.base import Call, Sampled, Sampling
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.episodes import RolloutRunner, RolloutTask
from agentcvr_training.rollout.ledger import Drift, DriftError
from agentcvr_training.rollout.policy import PolicyChatModel, recording
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, SystemMessage, ToolMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import RetryPolicy, Send
from typing_extensions import TypedDict

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.tools import TOOL_SCHEMAS
from tests.support.tiny_models import WITHOUT_TOOLS, tokenizer

SCRIPTS = list(make_scripts({"BU": 4, "FSA": 4}))
LOOK = (
    'let me see<tool_call>\n{"name": "observe", "arguments": {"targets": '
    '[{"video": 1, "start_s": 0, "end_s": 20.5, "frames": 4}]}}\n</tool_call>'
)
LISTEN = '<tool_call>\n{"name":"listen","arguments":{"video":2,"start_s":0,"end_s":9}}</tool_call>'
BAD = '<tool_call>\n{"name": "observe", "arguments": {"targets": []}}\n</tool_call>'
WORDS = "I had rather talk"
ANSWER = '<tool_call>\n{"name": "answer", "arguments": {"value": "A"}}\n</tool_call>'
JSON_LOOK = 'see {"action": "listen", "arguments": {"video": 1, "start_s": 0.0, "end_s": 9.0}}'
JSON_ANSWER = '{"action": "answer", "arguments": {"value": [1.0, 5.0]}}'


class Spoken:
    """An engine that returns given texts, one per turn, encoded letter by letter as no tokenizer would encode them."""

    def __init__(self, form, texts, *, cut=False):
        self.form, self.texts, self.cut = form, list(texts), cut
        self.calls: list[Call] = []
        self.said: dict[str, int] = {}
        self.released: list[str] = []

    async def sample(self, call):
        self.calls.append(call)
        turn = self.said.get(call.session, 0)
        self.said[call.session] = turn + 1
        text = self.texts[min(turn, len(self.texts) - 1)]
        await asyncio.sleep(0)
        ids = [token for letter in text for token in self.form.tokenizer.encode(letter, add_special_tokens=False)]
        ids = ids if self.cut else [*ids, self.form.end_of_turn[0]]
        return Sampled(ids, [-0.25 - 0.001 * n for n in range(len(ids))])

    def release(self, session):
        self.released.append(session)


def made(texts, template=None, **options):
    form = ChatFormat(tokenizer() if template is None else tokenizer(template))
    engine = Spoken(form, texts, **options)
    return PolicyChatModel(engine=engine, form=form, max_length=100_000), engine, form


async def played(policy, context=CVRContext(min_evidence=0), strict=True, scripts=SCRIPTS):  # noqa: B008
    runner = RolloutRunner(policy, ScriptedPerception(ScriptLibrary.of(scripts)), context, live_graphs=5, strict=strict)
    return await runner.run([RolloutTask(script, n) for n, script in enumerate(scripts)])


def sampled_runs(row):
    """Return the consecutive runs of tokens in a row that the policy sampled."""
    runs, open_run = [], False
    for token, mask in zip(row.completion_ids, row.mask, strict=True):
        if mask and open_run:
            runs[-1].append(token)
        elif mask:
            runs.append([token])
        open_run = bool(mask)
    return runs


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("texts", [[LOOK, LISTEN, BAD, WORDS, ANSWER], [LOOK + LISTEN, ANSWER], [WORDS]])
async def test_exactly_the_sampled_tokens_are_trained_on(texts, cut):
    policy, engine, form = made(texts, cut=cut)
    episodes = await played(policy)
    for episode in episodes:
        (row,) = episode.rows
        by_turn = [call for call in engine.calls if call.session.startswith(episode.recording._name)]
        spelled = [(await Spoken(form, [text], cut=cut).sample(by_turn[0])).ids for text in texts]
        wanted = [spelled[min(n, len(texts) - 1)] for n in range(len(by_turn))]
        assert sampled_runs(row) == wanted
        # Each prompt equals the row up to that call.
        for n, call in enumerate(by_turn[1:], start=1):
            end = len(call.prompt_ids)
            assert call.prompt_ids == row.ids[:end]
            assert row.ids[end : end + len(wanted[n])] == wanted[n]
        assert set(episode.recording.drifts) <= {Drift.CLEAN}
        assert {node for node, mask in zip(row.nodes, row.mask, strict=True) if mask} == {"master"}
        assert all(logprob == 0.0 for logprob, mask in zip(row.logprobs, row.mask, strict=True) if not mask)
    assert sorted(engine.released) == sorted({call.session for call in engine.calls})


async def test_environment_text_follows_the_template():
    policy, _engine, form = made([LOOK, ANSWER])
    (episode, *_) = await played(policy, scripts=SCRIPTS[:2])
    text = form.tokenizer.decode(episode.rows[0].ids)
    assert "<|im_end|>\n<|im_start|>tool\nseen: video 1, 0.0-20.5 s (4 frames)\n[video 1, 0.0-" in text
    assert text.endswith(f"<|im_start|>assistant\n{ANSWER}<|im_end|>")
    assert text.startswith("<|im_start|>system\nYou answer a question")


async def test_json_actions_are_recorded_without_drift():
    policy, _engine, _form = made([JSON_LOOK, JSON_ANSWER], WITHOUT_TOOLS)
    context = CVRContext(dialect="json", min_evidence=0)
    for episode in await played(policy, context, scripts=SCRIPTS[4:]):
        assert len(episode.rows) == 1
        assert episode.trajectory.answer is not None
        assert set(episode.recording.drifts) == {Drift.CLEAN}


async def test_a_conversation_at_the_maximum_length_gets_empty_turns():
    policy, engine, _ = made([LOOK])
    policy.max_length = 1200
    (episode,) = await played(policy, scripts=SCRIPTS[:1])
    assert episode.trajectory.failure is not None
    assert episode.trajectory.failure.boundary == "master"
    assert episode.reward is not None and episode.reward["answer"] == 0
    assert all(len(call.prompt_ids) + call.sampling.max_new_tokens <= 1200 for call in engine.calls)
    assert episode.rows[0].last_turn > 0  # the environment's text after the last turn is not in the row


async def test_concurrent_subgraphs_have_separate_ledgers():
    """Three questions run concurrently in one run, each in a subgraph started with `Send`."""
    policy, engine, _form = made([LOOK, ANSWER])
    inner = create_cvr_graph(policy, ScriptedPerception(ScriptLibrary.of(SCRIPTS))).compile()

    class Outer(TypedDict):
        values: Annotated[list, operator.add]

    async def ask(state):
        output = await inner.ainvoke(state["question"], context=CVRContext(min_evidence=0))
        return {"values": [output["answer"].value]}

    graph = StateGraph(Outer)
    graph.add_node("ask", ask)
    graph.add_conditional_edges(
        START, lambda _: [Send("ask", {"question": as_input(s.as_question())}) for s in SCRIPTS[:3]]
    )
    graph.add_edge("ask", END)
    with recording(strict=True) as book:
        output = await graph.compile().ainvoke({"values": []})
    assert len(output["values"]) == 3
    assert [len(ledger.rows) for ledger in book.ledgers] == [1, 1, 1]
    assert [len(sampled_runs(ledger.rows[0])) for ledger in book.ledgers] == [2, 2, 2]
    assert {call.session for call in engine.calls} == {conv.session for conv in book.conversations.values()}


async def test_a_retried_node_records_one_turn():
    """A failed attempt, in the model call or after it, leaves no turn in the ledger."""
    policy, engine, _form = made([WORDS, ANSWER])
    sample, failing = engine.sample, {2}

    async def unreliable(call):
        if len(engine.calls) in failing:
            failing.clear()
            raise ConnectionError("lost")
        return await sample(call)

    engine.sample = unreliable
    tries = []

    async def master(state):
        message = await policy.ainvoke(state["messages"])
        tries.append(len(state["messages"]))
        if tries.count(3) == 1 and len(state["messages"]) == 3:
            raise ConnectionError("lost after the model")
        return {"messages": [message, HumanMessage("go on")]}

    graph = StateGraph(MessagesState)
    policy_of_node = RetryPolicy(max_attempts=3, initial_interval=0.01, retry_on=ConnectionError)
    graph.add_node("master", master, retry_policy=policy_of_node)
    graph.add_edge(START, "master")
    graph.add_conditional_edges("master", lambda state: "master" if len(state["messages"]) < 7 else END)
    with recording(strict=True) as book:
        output = await graph.compile().ainvoke({"messages": [HumanMessage("start")]})
    (ledger,) = book.ledgers
    (row,) = ledger.rows
    said = [m.text for m in output["messages"] if isinstance(m, AIMessage)]
    assert len(sampled_runs(row)) == len(said) == 3
    assert set(ledger.drifts) == {Drift.CLEAN}


async def test_rewritten_history_forks_the_ledger():
    policy, _engine, _form = made([WORDS])

    async def master(state):
        return {"messages": [await policy.ainvoke(state["messages"])]}

    async def forget(state):
        return {"messages": [RemoveMessage(id=state["messages"][0].id), HumanMessage("anew")]}

    graph = StateGraph(MessagesState)
    graph.add_node("master", master)
    graph.add_node("forget", forget)
    graph.add_edge(START, "master")
    graph.add_conditional_edges("master", lambda state: "forget" if len(state["messages"]) < 3 else END)
    graph.add_edge("forget", "master")
    with recording() as book:
        await graph.compile().ainvoke({"messages": [HumanMessage("a"), HumanMessage("b")][:1]})
    (ledger,) = book.ledgers
    assert ledger.drifts == {Drift.FORK: 1}
    assert [row.sampled for row in ledger.rows] == [len(WORDS) + 1] * 2
    with recording(strict=True), pytest.raises(DriftError, match="departs"):
        await graph.compile().ainvoke({"messages": [HumanMessage("a")]})


async def test_the_policy_answers_without_a_recording():
    policy, engine, _form = made([LOOK])
    bound = policy.bind_tools(list(TOOL_SCHEMAS))
    message = await bound.ainvoke([SystemMessage("s"), HumanMessage("q")])
    assert message.tool_calls[0]["name"] == "observe"
    assert message.text == "let me see"
    assert message.usage_metadata["output_tokens"] == len(LOOK) + 1
    again = await bound.ainvoke([SystemMessage("s"), HumanMessage("q"), message, ToolMessage("x", tool_call_id="c")])
    assert again.tool_calls
    assert len(engine.released) == 2


async def test_sampling_seeds_are_derived_from_the_episode():
    policy, engine, _ = made([LOOK, ANSWER])
    policy.sampling = Sampling(max_new_tokens=7)
    await played(policy, scripts=SCRIPTS[:2])
    first = [call.seed for call in engine.calls]
    engine.calls.clear()
    engine.said.clear()
    await played(policy, scripts=SCRIPTS[:2])
    assert sorted(call.seed for call in engine.calls) == sorted(first)
    assert len(set(first)) == len(first)
    assert {call.sampling.max_new_tokens for call in engine.calls} == {7}
