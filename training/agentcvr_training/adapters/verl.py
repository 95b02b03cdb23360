"""Train a master with verl: an agent loop that runs the compiled graph over verl's own rollout servers.

verl (0.9) makes an agent loop for every sample and calls `run` with the columns of the dataset. Ours reads the script
from the column `script`, samples every turn with `server_manager.generate`, token ids in and out, and returns the rows
of the ledger. An episode that forked returns several rows, which verl's trainer v1 takes; its older trainer takes one,
the one with most sampled tokens. The reward comes with the rows, so verl needs no reward function; its parts are in
`reward_extra_info`, which verl logs.

`configs/verl/agent_loop.yaml` names this class and our training configuration (graph, budgets, noise, rewards, sampling
lengths, chat template). `docs/how-to/train-elsewhere.md` has the whole way from scripts to a reward curve.
"""

# verl has an environment of its own, so its types are unknown here.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUntypedBaseClass=false

from __future__ import annotations

import copy
import functools
import inspect
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopMetrics, AgentLoopOutput

from agentcvr_graph.errors import InfrastructureError, InputError, SettingsError
from agentcvr_graph.scripts.schema import Script
from agentcvr_training.adapters.contract import AdaptedEpisode, EpisodeSource
from agentcvr_training.config.extensions import load_graph_factory
from agentcvr_training.config.loading import format_of
from agentcvr_training.config.settings import Settings, load_settings
from agentcvr_training.inference.base import Call, Sampled, Sampling
from agentcvr_training.inference.factory import training_sampling
from agentcvr_training.rollout.episodes import trained_row
from agentcvr_training.rollout.ledger import Row

WEIGHTS: dict[str, Callable[[int, int], int]] = {"min_global_steps": min, "max_global_steps": max}
"""What verl's trainer wants to know of each row: the steps whose weights sampled its first and its last turn."""


@functools.cache
def _settings(config: str) -> Settings:
    return load_settings(Path(config))


class GraphAgentLoop(AgentLoopBase):
    """One episode of the graph, sampled by verl's servers.

    Args:
        run_config: path of a training configuration. Of its `model` only the chat template is used, of its `rollout`
            neither temperature nor `top_p`, and no trainer settings: verl has its own.
        one_row: return the row with most sampled tokens alone, for verl's trainers before v1.
        make_graph: import path of a graph factory, such as a parent graph; empty for the library's graph.

    Raises:
        SettingsError: another name, which verl would ignore.
    """

    def __init__(self, *args: Any, run_config: str, one_row: bool = False, make_graph: str = "", **kwargs: Any) -> None:
        kwargs.pop("tools", None)  # the graph has its own
        if unknown := sorted(kwargs.keys() - inspect.signature(AgentLoopBase.__init__).parameters.keys()):
            raise SettingsError(
                f"Unknown setting {unknown[0]!r}.", fix="Choose from run_config, one_row and make_graph."
            )
        super().__init__(*args, **kwargs)
        settings = _settings(run_config)
        form = format_of(copy.copy(self.tokenizer), settings.model)
        self._source = EpisodeSource(settings, form, load_graph_factory(make_graph))
        self._one_row = one_row
        self._openings: dict[str, int] = {}
        self._weights: dict[str, int] = {}

    async def run(self, sampling_params: dict[str, Any], **kwargs: Any) -> AgentLoopOutput | list[AgentLoopOutput]:
        """Run the graph about the script of a sample; return one output a row.

        Args:
            sampling_params: verl's temperature, top_p, top_k and logprobs; greedy at validation.
            kwargs: the columns of the dataset. `script` is the script as JSON. `seed`, if there is one, is passed to
                the server, so that a rollout can be repeated; rollouts of one prompt add their `session_id`.

        Raises:
            InputError: there is no column `script`, or verl's lengths leave no room for a turn.
            InfrastructureError: a server or an agent failed; trainer v1 trains without this rollout.
        """
        if "script" not in kwargs:
            raise InputError("There is no column 'script'.", fix="Write it with agentcvr_training.adapters.dataset.")
        lengths = self.rollout_config
        episode = await self._source.run(
            Script.model_validate_json(str(kwargs["script"])),
            functools.partial(self._sample, sampling_params, "seed" in kwargs),
            seed=int(kwargs.get("seed", secrets.randbits(31))) + int(kwargs.get("session_id", 0)),
            group=int(kwargs.get("global_steps", 0)),
            sampling=self._sampling(sampling_params),
            max_length=lengths.prompt_length + lengths.response_length,
        )
        best = trained_row(episode.rows)
        rows: Sequence[Row] = [best] if self._one_row and best else episode.rows
        outputs = [self._output(row, episode, bool(sampling_params.get("logprobs"))) for row in rows]
        return outputs[0] if len(outputs) == 1 else outputs

    def _sampling(self, params: dict[str, Any]) -> Sampling:
        """Return our record of verl's sampling; only the longest turn is ours to say."""
        longest = training_sampling(self._source.settings.rollout).max_new_tokens
        return Sampling(float(params["temperature"]), float(params["top_p"]), longest)

    async def _sample(self, params: dict[str, Any], seeded: bool, call: Call) -> Sampled:
        """Sample one turn on a server of verl's; turns of one conversation go to the same one."""
        room = self._room(call)
        if room < 1:
            return Sampled([], [])  # an empty turn, as for any conversation that is too long
        own = {"max_tokens": min(call.sampling.max_new_tokens, room), "stop_token_ids": self._source.form.stop_ids}
        if seeded:
            own["seed"] = call.seed % 2**31
        token_output = await self.server_manager.generate(
            request_id=call.session, prompt_ids=list(call.prompt_ids), sampling_params={**params, **own}
        )
        if token_output.stop_reason == "aborted":
            raise InfrastructureError("The server aborted a turn.")
        ids, logprobs = list[int](token_output.token_ids), list[float](token_output.log_probs or ())
        if ids and not logprobs and params.get("logprobs"):
            raise InfrastructureError("The server returned no log probabilities, though they were asked for.")
        for name, first_or_last in WEIGHTS.items():
            if (step := token_output.extra_fields.get(name)) is not None:
                self._weights[name] = first_or_last(self._weights.get(name, int(step)), step)
        return Sampled(ids, logprobs or [0.0] * len(ids))

    def _room(self, call: Call) -> int:
        """Return how many tokens may follow a prompt; all of them fit into verl's row of the conversation."""
        lengths, length = self.rollout_config, len(call.prompt_ids)
        opening = self._openings[call.session] = min(length, self._openings.get(call.session, length))
        return min(opening, lengths.prompt_length) + lengths.response_length - length

    def _output(self, row: Row, episode: AdaptedEpisode, with_logprobs: bool) -> AgentLoopOutput:
        """Return a row for verl; what its prompt cannot hold, such as that of a fork, begins the response, masked."""
        cut, length = self.rollout_config.prompt_length, self.rollout_config.response_length
        moved = row.prompt_ids[cut:]
        unsampled, trained = [0] * len(moved), row.trained_on(self._source.settings.rollout.train_on)
        return AgentLoopOutput(
            prompt_ids=row.prompt_ids[:cut],
            response_ids=[*moved, *row.completion_ids][:length],
            response_mask=[*unsampled, *trained][:length],
            response_logprobs=[*map(float, unsampled), *row.logprobs][:length] if with_logprobs else None,
            reward_score=episode.reward,
            num_turns=episode.turns,
            metrics=AgentLoopMetrics(),
            extra_fields={"reward_extra_info": episode.rewards, "turn_scores": [], "tool_rewards": [], **self._weights},
        )
