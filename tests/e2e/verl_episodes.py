"""Episodes through verl's agent loop and through the library's own rollout, with the same sampler; prints JSON.

Runs in verl's own environment: `.venv-verl/bin/python -m tests.e2e.verl_episodes FOLDER`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from agentcvr_training.adapters.contract import EpisodeSource
from agentcvr_training.adapters.verl import GraphAgentLoop
from agentcvr_training.config.extensions import load_graph_factory
from agentcvr_training.config.settings import Settings, load_settings
from agentcvr_training.inference.base import Call, Sampling
from agentcvr_training.measures.evaluation import simulator_of
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.episodes import Episode, RolloutRunner, RolloutTask
from agentcvr_training.rollout.policy import PolicyChatModel, seed_of
from omegaconf import OmegaConf
from trl.chat_template_utils import qwen3_chat_template, qwen3_training_chat_template
from verl.experimental.agent_loop.agent_loop import AgentLoopOutput, DictConfigWrap
from verl.utils.dataset.rl_dataset import RLHFDataset
from verl.workers.rollout.replica import TokenOutput

from agentcvr_graph.errors import InfrastructureError, InputError
from agentcvr_graph.scripts.budgets import drawn_share
from agentcvr_graph.scripts.schema import Script
from tests.support.adapter_episodes import CONFIG, RandomTurns, scripts
from tests.support.tiny_models import PLAIN, tokenizer

LONGEST = 30_000
FIRST_STEP = 3
PARAMS = {"temperature": 1.0, "top_p": 1.0, "top_k": -1, "repetition_penalty": 1.0, "logprobs": True}


class Server:
    """In place of verl's client of its servers: samples a turn for each request, each with newer weights."""

    def __init__(self, sampler: RandomTurns) -> None:
        self._sampler = sampler
        self.step = FIRST_STEP - 1

    async def generate(self, request_id: str, *, prompt_ids: list[int], sampling_params: dict[str, Any]) -> TokenOutput:
        sampling = Sampling(max_new_tokens=sampling_params["max_tokens"])
        assert sampling_params["stop_token_ids"] and sampling_params["temperature"] == 1.0
        sampled = await self._sampler.sample(Call(prompt_ids, request_id, sampling, sampling_params["seed"]))
        self.step += 1
        steps = {"min_global_steps": self.step, "max_global_steps": self.step}
        return TokenOutput(
            token_ids=sampled.ids, log_probs=sampled.logprobs, stop_reason="completed", extra_fields=steps
        )


class Short:
    """The sampler with the seeds that a server takes."""

    def __init__(self, sampler: RandomTurns) -> None:
        self._sampler = sampler

    async def sample(self, call: Call) -> Any:
        return await self._sampler.sample(replace(call, seed=call.seed % 2**31))

    def release(self, session: str) -> None:
        pass


class Talker:
    """A server that fills every turn with token 5."""

    def __init__(self) -> None:
        self.prompts: list[list[int]] = []
        self.most = 0

    async def generate(self, request_id: str, *, prompt_ids: list[int], sampling_params: dict[str, Any]) -> TokenOutput:
        self.prompts.append(prompt_ids)
        count = sampling_params["max_tokens"]
        self.most = max(self.most, count)
        return TokenOutput(token_ids=[5] * count, log_probs=[-0.5] * count, stop_reason="completed")


def loop_of(
    config: Path,
    server: Server | Talker,
    make_graph: str,
    lengths: tuple[int, int] = (LONGEST, LONGEST),
    template: str = PLAIN,
    **more: str,
) -> GraphAgentLoop:
    """Return verl's agent loop, made as its worker makes it.

    Args:
        more: settings of `agent_loop.yaml`.
        lengths: verl's longest prompt and longest response, in tokens.
    """
    whole = OmegaConf.create(
        {
            "actor_rollout_ref": {"rollout": {"prompt_length": lengths[0], "response_length": lengths[1]}},
            "data": {},
        }
    )
    return GraphAgentLoop(
        trainer_config=DictConfigWrap(whole),
        server_manager=server,
        tokenizer=tokenizer(template),
        processor=None,
        dataset_cls=RLHFDataset,
        data_config=DictConfigWrap(whole.data),
        hf_model_type="qwen3",
        tools=None,
        run_config=str(config),
        make_graph=make_graph,
        **more,
    )


async def own(settings: Settings, form: ChatFormat, chosen: list[Script], make_graph: Any) -> list[Episode]:
    """Run the library's own rollout."""
    policy = PolicyChatModel(
        engine=Short(RandomTurns(form)),
        form=form,
        sampling=Sampling(max_new_tokens=settings.rollout.max_new_tokens),
        max_length=2 * LONGEST,
    )
    world = simulator_of(chosen, settings)
    runner = RolloutRunner(policy, world, settings.context, tools=settings.load_tools(), make_graph=make_graph)
    shares = [drawn_share((0.15, 1.0), seed_of(settings.seed, 0, script.id)) for script in chosen]
    return await runner.run([RolloutTask(chosen[n], n, budget_share=share) for n, share in enumerate(shares)])


def differences(output: Any, episode: Episode, weights: dict[str, float], last_step: int) -> list[str]:
    """Return the names of what differs between verl's output and an episode of our own.

    Args:
        last_step: the step whose weights sampled the last turn; verl's trainer reads the first and the last.
    """
    outputs: list[AgentLoopOutput] = output if isinstance(output, list) else [output]
    rows = [row for row in episode.rows if row.sampled]
    reward = sum(weights[name] * value for name, value in (episode.reward or {}).items())
    pairs: dict[str, tuple[Any, Any]] = {
        "prompts": ([one.prompt_ids for one in outputs], [row.prompt_ids for row in rows]),
        "ids": ([one.response_ids for one in outputs], [row.completion_ids for row in rows]),
        "masks": ([one.response_mask for one in outputs], [row.mask for row in rows]),
        "log probabilities": ([one.response_logprobs for one in outputs], [row.logprobs for row in rows]),
        "rewards": ([one.reward_score for one in outputs], [reward] * len(rows)),
        "steps": (list(map(steps_of, outputs)), [[FIRST_STEP, last_step]] * len(rows)),
    }
    return [name for name, (theirs, ours) in pairs.items() if theirs != ours]


def steps_of(output: AgentLoopOutput) -> list[int]:
    """Return the steps of a row as verl's trainer v1 reads them, which fails where one is missing."""
    fields = output.as_dict()["extra_fields"]
    return np.array([fields.get("min_global_steps"), fields.get("max_global_steps")], dtype=int).tolist()


async def compare(config: Path, count: int, make_graph: str) -> dict[str, Any]:
    """Return how many episodes differ, by what, and how varied they are."""
    settings, form, chosen = load_settings(config), ChatFormat(tokenizer()), scripts(count)
    episodes = await own(settings, form, chosen, load_graph_factory(make_graph))
    different: dict[str, int] = {}
    weights = EpisodeSource(settings, form).settings.reward.resolve()
    for n, episode in enumerate(episodes):
        server = Server(RandomTurns(form))
        loop = loop_of(config, server, make_graph)
        output = await loop.run(dict(PARAMS), script=chosen[n].model_dump_json(), seed=n, raw_prompt=[])
        for name in differences(output, episode, weights, server.step):
            different[name] = different.get(name, 0) + 1
    return {
        "episodes": len(episodes),
        "different": different,
        "sampled": sum(episode.sampled for episode in episodes),
        "turns": sorted({len(episode.trajectory.turns) for episode in episodes}),
        "rows": sorted({len(episode.rows) for episode in episodes}),
        "answered": sum(episode.trajectory.answer is not None for episode in episodes),
    }


async def rows_within(config: Path) -> dict[str, Any]:
    """Return the row of an endless talker for a response of 70 tokens and two lengths of the prompt."""
    script = scripts(2)[0].model_dump_json()
    first = Talker()
    await loop_of(config, first, "").run(dict(PARAMS), script=script, raw_prompt=[])
    opening = first.prompts[0]
    found: dict[str, Any] = {}
    for name, longest in (("prompt too long by 10", len(opening) - 10), ("prompt shorter by 100", len(opening) + 100)):
        server = Talker()
        output: Any = await loop_of(config, server, "", (longest, 70)).run(dict(PARAMS), script=script, raw_prompt=[])
        moved = opening[longest:]
        found[name] = {
            "prompt": output.prompt_ids == opening[:longest],
            "moved": [len(moved), output.response_ids[: len(moved)] == moved],
            "sampled": output.response_ids[len(moved) :].count(5),
            "response": len(output.response_ids),
            "mask": [output.response_mask.count(0), output.response_mask.count(1)],
            "logprobs": sum(output.response_logprobs),
            "longest turn": server.most,
        }
    return found


def templates(folder: Path) -> dict[str, bool]:
    """Return whether the loop has the template of the configuration, and the engine's tokenizer still its own."""
    config = folder / "template.yaml"
    config.write_text(CONFIG.format(model="none, chat_template: training"))
    loop = loop_of(config, Talker(), "", template=qwen3_chat_template)
    own, engine = loop._source.form.tokenizer.chat_template, loop.tokenizer.chat_template
    return {"loop": own == qwen3_training_chat_template, "engine": engine == qwen3_chat_template}


def unknown_setting(folder: Path) -> str:
    """Return the error of a misspelt name in `agent_loop.yaml`."""
    try:
        loop_of(folder / "run.yaml", Talker(), "", run_cfg="x")
    except InputError as error:
        return str(error)
    return ""


async def without_logprobs(config: Path) -> str:
    """Return the error of a server that sends no log probabilities where they were asked for."""

    class Silent(Talker):
        async def generate(self, request_id: str, **request: Any) -> TokenOutput:
            sampled = await super().generate(request_id, **request)
            return sampled.model_copy(update={"log_probs": None})

    try:
        await loop_of(config, Silent(), "").run(dict(PARAMS), script=scripts(2)[0].model_dump_json(), raw_prompt=[])
    except InfrastructureError as error:
        return str(error)
    return ""


def main(folder: Path) -> None:
    """Compare the library's graph, and parent graphs that hold it."""
    config = folder / "run.yaml"
    config.write_text(CONFIG.format(model="none"))
    graphs = "tests.support.adapter_episodes:"
    chosen = {"graph": ("", 256), "subgraph": (graphs + "parent_graph", 256), "fork": (graphs + "planning_graph", 64)}
    found: dict[str, Any] = {name: asyncio.run(compare(config, count, path)) for name, (path, count) in chosen.items()}
    errors = {"setting": unknown_setting(folder), "logprobs": asyncio.run(without_logprobs(config))}
    lengths = asyncio.run(rows_within(config))
    print(json.dumps({**found, "lengths": lengths, "templates": templates(folder), "errors": errors}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
