"""The cached engine samples the tokens of `generate`, with the log probabilities that a trainer computes."""

from __future__ import annotations

import asyncio
import random

import pytest
import torch
from agentcvr_training.inference import cached
from agentcvr_training.inference.base import Call, Sampling
from agentcvr_training.inference.cached import CachedEngine
from agentcvr_training.inference.kv_slots import InPlaceCache, SlotCache
from agentcvr_training.inference.sampling import draw
from transformers import RepetitionPenaltyLogitsProcessor

from agentcvr_graph.errors import BugError, InfrastructureError, SetupError
from tests.support.tiny_models import model, tokenizer

STOP = [tokenizer().eos_token_id]
GREEDY = Sampling(temperature=0.0, max_new_tokens=12)


def prompts(count, longest=60, seed=0):
    rng = random.Random(seed)
    return [[rng.randrange(3, len(tokenizer())) for _ in range(rng.randrange(1, longest))] for _ in range(count)]


async def sampled(engine, prompt_ids, sampling, first=0):
    calls = [Call(ids, f"s{n}", sampling, first + n) for n, ids in enumerate(prompt_ids)]
    return await asyncio.gather(*(engine.sample(call) for call in calls))


async def passes_of(engine, count):
    """Wait until the engine has made `count` forward passes."""
    while engine.passes < count:  # noqa: ASYNC110
        await asyncio.sleep(0)


def logprobs_of(net, prompt, ids, temperature=1.0):
    with torch.no_grad():
        logits = net(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1] / temperature
    return logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None])[:, 0].tolist()


@pytest.fixture(params=[InPlaceCache, SlotCache])
def use_attention(request, monkeypatch):
    """Run the test with both cache classes, the one for CPUs and the one for accelerators."""
    monkeypatch.setattr(cached, "slot_cache", request.param)
    return request.param


async def test_greedy_sampling_equals_generate(use_attention):
    net, prompt_ids = model(), prompts(20)
    with CachedEngine(net, STOP, slots=6) as engine:
        found = await sampled(engine, prompt_ids, GREEDY)
    for prompt, one in zip(prompt_ids, found, strict=True):
        wanted = net.generate(
            torch.tensor([prompt]), max_new_tokens=12, do_sample=False, eos_token_id=STOP, pad_token_id=0
        )
        assert one.ids == wanted[0, len(prompt) :].tolist()


@pytest.mark.parametrize("changes", [{}, {"num_key_value_heads": 4}, {"attention_bias": True}])
async def test_logprobs_equal_those_of_the_trainer_over_several_turns(changes, use_attention):
    net, prompt_ids = model(**changes), prompts(24, 400)
    sampling = Sampling(temperature=0.7, max_new_tokens=20)
    with CachedEngine(net, STOP, slots=10) as engine:
        for turn in range(3):
            found = await sampled(engine, prompt_ids, sampling, turn * 100)
            for prompt, one in zip(prompt_ids, found, strict=True):
                assert one.logprobs == pytest.approx(logprobs_of(net, prompt, one.ids, 0.7), abs=1e-4)
            prompt_ids = [
                [*p, *one.ids, *[5, 6] * (n % 5), 9] for n, (p, one) in enumerate(zip(prompt_ids, found, strict=True))
            ]


async def test_sampled_tokens_depend_only_on_the_seed():
    net, prompt_ids = model(), prompts(12)
    with CachedEngine(net, STOP, slots=12) as engine:
        together = await sampled(engine, prompt_ids, Sampling(max_new_tokens=15))
    with CachedEngine(net, STOP, slots=1) as engine:
        alone = [
            (await engine.sample(Call(p, f"s{n}", Sampling(max_new_tokens=15), n))).ids
            for n, p in enumerate(prompt_ids)
        ]
    assert [one.ids for one in together] == alone
    assert len({tuple(ids) for ids in alone}) > 6


async def test_a_completed_turn_frees_its_slot_immediately():
    """Ten turns of 4 tokens and one of 40 share two slots; no short turn waits for the long one to end."""
    net = model()
    with CachedEngine(net, [], slots=2) as engine:
        long = engine.sample(Call([5], "long", Sampling(max_new_tokens=40), 0))
        short = [engine.sample(Call([6, n + 10], f"s{n}", Sampling(max_new_tokens=4), n)) for n in range(10)]
        found = await asyncio.gather(long, *short)
    assert [len(one.ids) for one in found] == [40] + [4] * 10
    assert engine.passes <= 40 + 10 + 2  # one pass for each token of the long turn, one to read each short prompt


async def test_a_conversation_continues_from_its_cached_tokens():
    net = model()
    read = []
    forward = net.forward
    net.forward = lambda *a, **k: read.append(k["input_ids"].shape[1]) or forward(*a, **k)
    with CachedEngine(net, [], slots=2) as engine:
        one = await engine.sample(Call(list(range(3, 103)), "a", Sampling(max_new_tokens=3), 0))
        await engine.sample(Call([*range(3, 103), *one.ids, 7, 8], "a", Sampling(max_new_tokens=1), 0))
        engine.release("a")
        await engine.sample(Call([*range(3, 103), *one.ids, 7, 8], "a", Sampling(max_new_tokens=1), 0))
    # The last sampled token was never read. After the release the whole conversation is read again.
    assert read == [100, 1, 1, 3, 105]


async def test_shared_prefixes_are_computed_once(use_attention):
    """Four prompts are equal, a fifth shares their first 60 tokens: 100 tokens are read, then only what differs."""
    net = model()
    read = []
    forward = net.forward
    net.forward = lambda *a, **k: read.append(tuple(k["input_ids"].shape)) or forward(*a, **k)
    prompt = [3 + n % 300 for n in range(100)]
    prompt_ids = [prompt] * 4 + [[*prompt[:60], 7, 8, 9]]
    sampling = Sampling(max_new_tokens=1)
    with CachedEngine(net, [], slots=8) as engine:
        found = await sampled(engine, prompt_ids, sampling)
    assert read[0] == (1, 100)
    # Then each other prompt reads its last token, which predicts the next. Where all rows attend together, the batch
    # has one more row: the first slot lies between them and is empty.
    assert sorted(read[1:]) == [(1, 3), (3 if use_attention is InPlaceCache else 4, 1)]
    net.forward = forward
    with CachedEngine(net, [], slots=1) as engine:
        alone = [await engine.sample(Call(ids, f"s{n}", sampling, n)) for n, ids in enumerate(prompt_ids)]
    for one, other in zip(found, alone, strict=True):
        assert one.ids == other.ids
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


async def test_a_pass_decodes_only_occupied_slots(use_attention):
    """After twelve short turns end, the two long ones in the first and last slot are decoded in passes of two rows."""
    net, rows = model(), []
    forward = net.forward
    net.forward = lambda *a, **k: rows.append(k["input_ids"].shape[0]) or forward(*a, **k)
    with CachedEngine(net, [], slots=14) as engine:
        lengths = [8, *[2] * 12, 8]
        calls = [Call([5 + n, 6, 7], f"s{n}", Sampling(max_new_tokens=k), n) for n, k in enumerate(lengths)]
        found = await asyncio.gather(*map(engine.sample, calls))
    assert rows == [14, 14, *[2] * 6]
    net.forward = forward
    for call, one in zip(calls, found, strict=True):
        assert one.logprobs == pytest.approx(logprobs_of(net, call.prompt_ids, one.ids), abs=1e-4)


async def test_a_cancelled_call_frees_its_slot():
    net = model()
    with CachedEngine(net, [], slots=1) as engine:
        endless = asyncio.create_task(engine.sample(Call([5], "a", Sampling(max_new_tokens=5000), 0)))
        queued = asyncio.create_task(engine.sample(Call([6], "b", Sampling(max_new_tokens=5000), 0)))
        await passes_of(engine, 3)
        for task in (queued, endless):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        passes = engine.passes
        one = await engine.sample(Call([7, 8], "c", Sampling(max_new_tokens=4), 0))
        assert engine.passes <= passes + 4
        # The conversation can continue from its cached tokens.
        again = await engine.sample(Call([5], "a", Sampling(max_new_tokens=4), 0))
    assert one.logprobs == pytest.approx(logprobs_of(net, [7, 8], one.ids), abs=1e-4)
    assert again.logprobs == pytest.approx(logprobs_of(net, [5], again.ids), abs=1e-4)


async def test_releasing_a_conversation_fails_its_pending_call():
    with CachedEngine(model(), [], slots=1) as engine:
        running = asyncio.create_task(engine.sample(Call([5], "a", Sampling(max_new_tokens=5000), 0)))
        await passes_of(engine, 2)
        engine.release("a")
        with pytest.raises(BugError, match="a was released in the middle of a turn"):
            await running
        assert (await engine.sample(Call([5], "b", GREEDY, 0))).ids


async def test_two_engines_run_concurrently():
    nets, prompt_ids = [model(1), model(2)], prompts(6)
    with CachedEngine(nets[0], STOP, slots=3) as one, CachedEngine(nets[1], STOP, slots=4) as other:
        found = await asyncio.gather(sampled(one, prompt_ids, GREEDY), sampled(other, prompt_ids, GREEDY))
    assert found[0] != found[1]
    for net, turns in zip(nets, found, strict=True):
        for prompt, turn in zip(prompt_ids, turns, strict=True):
            assert turn.logprobs == pytest.approx(logprobs_of(net, prompt, turn.ids), abs=1e-4)


def test_an_engine_works_in_successive_event_loops():
    """An engine may stay open over several batches, each in its own event loop."""
    net, prompt_ids = model(), prompts(5)
    with CachedEngine(net, STOP, slots=3) as engine:
        first, again = (asyncio.run(sampled(engine, prompt_ids, GREEDY)) for _ in range(2))
    assert [one.ids for one in first] == [one.ids for one in again]


async def test_closing_an_engine_fails_its_pending_calls():
    with CachedEngine(model(), [], slots=1) as engine:
        left = asyncio.create_task(engine.sample(Call([5], "a", Sampling(max_new_tokens=5000), 0)))
        await asyncio.sleep(0)
    with pytest.raises(BugError, match="closed in the middle"):
        await left


async def test_conversations_wait_for_a_free_slot():
    net, prompt_ids = model(), prompts(9)
    with CachedEngine(net, STOP, slots=2) as engine:
        first = await sampled(engine, prompt_ids, GREEDY)
        again = await sampled(engine, prompt_ids, GREEDY)
    assert [one.ids for one in first] == [one.ids for one in again]


async def test_an_engine_continues_after_a_model_error():
    net = model()
    forward = net.forward
    net.forward = lambda *a, **k: (_ for _ in ()).throw(RuntimeError("out of memory"))
    with CachedEngine(net, STOP, slots=2) as engine:
        with pytest.raises(InfrastructureError, match="out of memory"):
            await engine.sample(Call([5, 6], "a", GREEDY, 0))
        net.forward = forward
        assert (await engine.sample(Call([5, 6], "a", GREEDY, 0))).ids


async def test_misuse_and_unsupported_models_raise():
    net = model()
    with pytest.raises(BugError, match="not running"):
        await CachedEngine(net, STOP).sample(Call([5], "a", GREEDY, 0))
    with CachedEngine(net, STOP, max_length=10) as engine, pytest.raises(BugError, match="11 tokens"):
        await engine.sample(Call([5] * 11, "a", GREEDY, 0))
    sliding = model(use_sliding_window=True, sliding_window=8, max_window_layers=1)
    with pytest.raises(SetupError, match="sliding_attention"):
        CachedEngine(sliding, STOP)


def test_sampling_follows_the_probabilities():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]]))
    cases = [(0.0, 0), (0.49, 0), (0.51, 1), (0.79, 1), (0.81, 2), (0.999, 2)]
    for uniform, token in cases:
        ids, logprobs = draw(logits, [Sampling()], [uniform])
        assert ids == [token]
        assert logprobs[0] == pytest.approx(logits[0, token].item())


def test_top_p_samples_from_the_nucleus_and_returns_the_untruncated_logprob():
    logits = torch.log(torch.tensor([[0.2, 0.5, 0.3], [0.2, 0.5, 0.3]]))
    ids, logprobs = draw(logits, [Sampling(top_p=0.6), Sampling()], [0.99, 0.1])
    assert ids == [2, 0]  # the first row never draws token 0; the second does
    assert logprobs == pytest.approx([logits[0, 2].item(), logits[1, 0].item()])
    assert draw(logits[:1], [Sampling(top_p=0.45)], [0.99])[0] == [1]


def test_top_k_and_min_p_bound_what_is_drawn_and_leave_the_log_probability():
    logits = torch.log(torch.tensor([[0.1, 0.5, 0.15, 0.25]] * 4))
    ways = [Sampling(top_k=2), Sampling(min_p=0.3), Sampling(top_k=1), Sampling()]
    ids, logprobs = draw(logits, ways, [0.99] * 4)
    assert ids == [3, 3, 1, 3]
    assert logprobs == pytest.approx([logits[0, token].item() for token in ids])
    # 0.15 is 0.3 of 0.5: kept by min_p 0.29. Of 0.5, 0.25 and 0.15, renormalised, top_p 0.8 keeps two.
    assert draw(logits[:1], [Sampling(min_p=0.29)], [0.62])[0] == [2]
    assert draw(logits[:1], [Sampling(min_p=0.29, top_p=0.8)], [0.62])[0] == [1]
    assert draw(logits[:1], [Sampling(top_k=3, top_p=0.8)], [0.99])[0] == [3]


def test_a_repetition_penalty_is_that_of_transformers_and_not_in_the_log_probability():
    logits = torch.tensor([[2.0, -1.0, 1.8, 0.0]])
    processor = RepetitionPenaltyLogitsProcessor(1.5)
    theirs = processor(torch.tensor([[0, 1, 1]]), logits.clone())
    assert int(theirs.argmax()) == 2
    sampling = Sampling(temperature=0.0, repetition_penalty=1.5)
    ids, logprobs = draw(logits, [sampling], [0.5], [[0, 1, 1]])
    assert ids == [2] and logprobs[0] == pytest.approx(torch.log_softmax(logits, -1)[0, 2].item())
    # Drawn: the cumulative shares of the penalized distribution decide.
    first, second = torch.softmax(theirs, -1)[0].cumsum(0)[:2].tolist()
    warm = Sampling(repetition_penalty=1.5)
    assert [draw(logits, [warm], [u], [[0, 1]])[0][0] for u in (first - 0.01, first + 0.01, second + 0.01)] == [0, 1, 2]


async def test_a_greedy_turn_with_a_penalty_equals_generate():
    net, prompt = model(), [5, 6, 7, 5]
    with CachedEngine(net, STOP) as engine:
        sampling = Sampling(temperature=0.0, max_new_tokens=12, repetition_penalty=1.3)
        turn = await engine.sample(Call(prompt, "a", sampling, 0))
    out = net.generate(
        torch.tensor([prompt]), max_new_tokens=len(turn.ids), do_sample=False, repetition_penalty=1.3, pad_token_id=0
    )
    assert out[0, len(prompt) :].tolist() == turn.ids
