"""A model rephrases observations: it sees only the statements of one, and unfaithful replies are ignored."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.media.cache import DiskCache
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.phrased import PhrasedPerception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_script
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import TASKS
from agentcvr_graph.testing import FakeMaster
from agentcvr_graph.types import Listen, Observe, Target, Window


def replying(change):
    def reply(messages):
        texts = json.loads(messages[1].text)
        usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
        return AIMessage(json.dumps(change(texts)), usage_metadata=usage)

    return reply


UPPER = replying(lambda texts: [f"One sees: {text}" for text in texts])


async def looked(tmp_path, turns, script, start_s=0.0, end_s=12.0):
    inner = ScriptedPerception(ScriptLibrary.of([script]))
    model = FakeMaster(turns=turns)
    perception = PhrasedPerception(inner, model, DiskCache(tmp_path, 2**20), "fake")
    assert isinstance(perception, Perception)
    infos = [await perception.probe(video, n) for n, video in enumerate(script.as_question().videos, start=1)]
    request = Observe(targets=(Target(video=1, start_s=start_s, end_s=end_s, frames=6),), focus="the key")
    return perception, model, infos, request, await inner.observe(request, infos)


@pytest.mark.parametrize("task", TASKS)
async def test_the_model_receives_only_the_statements(tmp_path, task):
    script = make_script(task, 3, LEVELS["easy"])
    perception, model, infos, request, plain = await looked(tmp_path, [UPPER], script)
    observation = await perception.observe(request, infos)
    shown = list(dict.fromkeys(e.text for e in plain.evidence))
    assert json.loads(model.seen[0][1].text) == shown
    everything = " ".join(message.text for message in model.seen[0])
    assert script.question not in everything
    assert "the key" not in everything
    assert not any(scene.caption and scene.caption in everything for video in script.videos for scene in video.scenes)
    assert [e.text for e in observation.evidence] == [f"One sees: {e.text}" for e in plain.evidence]
    assert [e.window for e in observation.evidence] == [e.window for e in plain.evidence]
    assert observation.cost.model_calls == 1
    assert observation.cost.input_tokens == 7


async def test_a_statement_is_rephrased_once(tmp_path):
    script = make_script("CC", 3, LEVELS["easy"])
    perception, model, infos, request, _ = await looked(tmp_path, [UPPER], script)
    first = await perception.observe(request, infos)
    again = await perception.observe(request, infos)  # a second call would run out of turns
    assert again.evidence == first.evidence
    assert again.cost.model_calls == 0
    assert len(model.seen) == 1
    elsewhere, other, infos, request, _ = await looked(tmp_path, [], script)  # a new process with the same cache
    assert (await elsewhere.observe(request, infos)).evidence == first.evidence
    assert other.seen == []


@pytest.mark.parametrize(
    "change",
    [
        lambda texts: texts[:-1],
        lambda texts: [text.replace('"', "'") for text in texts],
        lambda texts: [f'{text} and a sign "EXIT"' for text in texts],
        lambda texts: {"texts": texts},
    ],
)
async def test_unfaithful_rephrasings_are_ignored(tmp_path, change):
    script = make_script("FSA", 3, LEVELS["easy"])
    perception, _, infos, request, plain = await looked(tmp_path, [replying(change)], script)
    assert (await perception.observe(request, infos)).evidence == plain.evidence


@pytest.mark.parametrize("thought", ["<think>[1]</think>", "[1]</think>", "<reasoning>[1]</reasoning>"])
async def test_the_reasoning_of_the_model_is_not_read(tmp_path, thought):
    def thinking(messages):
        return AIMessage(thought + UPPER(messages).text)

    perception, _, infos, request, plain = await looked(tmp_path, [thinking], make_script("CC", 3, LEVELS["easy"]))
    evidence = (await perception.observe(request, infos)).evidence
    assert [said.text for said in evidence] == [f"One sees: {said.text}" for said in plain.evidence]


async def test_spoken_words_are_not_rephrased(tmp_path):
    script = make_script("FSA", 3, LEVELS["easy"])
    perception, model, infos, _, _ = await looked(tmp_path, [], script)
    heard = await perception.listen(Listen(window=Window(video=1, start_s=0, end_s=9)), infos)
    assert script.videos[0].scenes[0].caption in heard.evidence[0].text
    assert model.seen == []


async def test_a_failing_model_raises_infrastructure_error(tmp_path):
    perception, _, infos, request, _ = await looked(tmp_path, [ValueError("down")], make_script("CC", 3))
    with pytest.raises(InfrastructureError, match="the model that phrases observations failed: ValueError: down"):
        await perception.observe(request, infos)
