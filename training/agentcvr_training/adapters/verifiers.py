"""The interface to verifiers 0.4 and prime-rl: the only module that knows their tasksets, harnesses and traces.

A task is one script with the settings of its run. The harness runs the compiled graph in swap mode, in this process,
and sends every call of the master to the endpoint that verifiers opens for the rollout; verifiers records messages
there and, in training, tokens. The finished run is recorded in the trace, and the rewards are computed from it.
A run that the infrastructure or a timeout ended is an error, so trainers leave it out; one that verifiers stopped at a
limit of turns or tokens earns nothing.
"""

# The type checker does not know the classes of verifiers, which has environments of its own.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUntypedBaseClass=false, reportUntypedFunctionDecorator=false
from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import verifiers.v1 as vf
from pydantic import Field

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.graph.builder import TIMEOUT_S, recursion_limit
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.perception.noise import resolve_noise
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.trajectory import Trajectory, trajectory_of
from agentcvr_graph.types import Usage
from agentcvr_training.adapters.endpoint_master import endpoint_master
from agentcvr_training.config.extensions import checked, load_graph_factory, with_features
from agentcvr_training.config.settings import Reward, Scripts, Shares, training_context
from agentcvr_training.rewards import REWARDS, infrastructure_failure, reward_of
from agentcvr_training.rollout.episodes import RolloutTask


class CVRData(vf.TaskData):
    """One task as plain data; the context has the budgets of this question."""

    script: Script
    context: CVRContext
    features: tuple[str, ...]
    noise: str


def recorded(trace: Any) -> Trajectory | None:
    """Return the run that the harness recorded; None if there is none, because verifiers stopped the rollout."""
    kept = trace.info.get("trajectory")
    return None if kept is None else Trajectory.model_validate(kept)


class CVRTask(vf.Task[CVRData]):
    """A question about the videos of a script, with one reward function for each name in `REWARDS`."""

    @property
    def key(self) -> str:
        return self.data.script.id

    async def finalize(self, trace: Any, runtime: Any) -> None:
        """Raise InfrastructureError after a timeout: the time of a run is that of the servers, not of the policy."""
        if trace.is_timeout:
            raise InfrastructureError(f"The rollout was stopped ({trace.stop_condition}).", fix="Raise its timeout.")

    @vf.metric
    async def measures(self, trace: Any) -> dict[str, float]:
        """Return the turns, the frames and the seconds of sound of a run."""
        run = recorded(trace)
        turns, used = (len(run.turns), run.usage) if run else (0, Usage())
        return {"turns": turns, "frames": used.frames, "seconds": used.audio_s}


def _reward(name: str) -> Callable[..., Any]:
    async def score(self: CVRTask, trace: Any) -> float:
        run = recorded(trace)
        rewards = None if run is None else reward_of(run, self.data.script, self.data.context)
        return 0.0 if rewards is None else rewards[name]

    score.__name__ = name
    return vf.reward(weight=REWARDS[name].weight)(score)


for _name in REWARDS:
    setattr(CVRTask, _name, _reward(_name))


class CVRTasksetConfig(vf.TasksetConfig):
    """The tasks; fields are those of a training configuration."""

    scripts: Annotated[Scripts, checked(Scripts.check_source)] = Scripts()
    graph: Annotated[dict[str, Any], checked(training_context)] = Field(default_factory=dict)
    """Fields of `CVRContext`. `dialect` is `tools` by default, because with `auto` the graph may ask the server."""
    features: Annotated[list[str], checked(with_features)] = Field(default_factory=list)
    noise: Annotated[str, checked(resolve_noise)] = "off"
    budget_shares: Shares | None = None
    reward: Reward = Reward()


class CVRTaskset(vf.Taskset[CVRTask, CVRTasksetConfig]):
    """Scripts of procedural worlds, or of a file or folder."""

    def load(self) -> Iterator[CVRTask]:
        """Yield a task for each script; raise InputError if there is none, or a setting is not allowed."""
        config = self.config
        weights = {name: vf.RewardFunctionConfig(weight=one) for name, one in config.reward.resolve().items()}
        task = config.task.model_copy(update={"rewards": weights | config.task.rewards})
        context = training_context({"dialect": "tools", **config.graph})
        fixed: dict[str, Any] = {"features": tuple(config.features), "noise": config.noise}
        for script in config.scripts.load():
            own = RolloutTask.drawn(script, 0, config.budget_shares, 0).settings(context)
            yield CVRTask(CVRData(id=script.id, prompt=script.question, script=script, context=own, **fixed), task)


class CVRHarnessConfig(vf.HarnessConfig):
    """How the graph is run."""

    timeout_s: float = Field(default=TIMEOUT_S, gt=0)
    """Longest single call of the master, in seconds."""
    make_graph: Annotated[str, checked(load_graph_factory)] = ""
    """Import path of a graph factory (`GraphFactory`), such as one of a parent graph; empty for the library's graph."""


class CVRHarness(vf.Harness[CVRHarnessConfig]):
    """Runs the graph in this process, with the model of the endpoint as its master."""

    EXECUTES_CODE = NEEDS_CONTAINER = False

    async def launch(self, ctx: Any, trace: Any, runtime: Any, endpoint: str, secret: str, *args: Any) -> Any:
        """Run the graph on the question of the task; raise HarnessError if the infrastructure ended the run."""
        data, config = trace.task.data, self.config
        master = await asyncio.to_thread(endpoint_master, endpoint, secret, ctx.model, config.timeout_s)
        make, tools = load_graph_factory(config.make_graph), with_features(data.features)
        graph = make(master, ScriptedPerception(ScriptLibrary.of([data.script]), data.noise), tools=tools).compile()
        question, limit = as_input(data.script.as_question()), {"recursion_limit": recursion_limit(data.context)}
        run = trajectory_of(await graph.ainvoke(question, limit, context=data.context))
        trace.info["trajectory"] = run.model_dump(mode="json")
        if (failure := infrastructure_failure(run)) and trace.stop_condition is None:
            raise vf.HarnessError(failure)
        return vf.ProgramResult(0, "", "")


class CVREnvConfig(vf.SingleAgentEnvConfig):
    """One agent, whose harness needs no sandbox."""

    agent: vf.AgentConfig = vf.AgentConfig(runtime=vf.SubprocessConfig())


class CVREnv(vf.SingleAgentEnv, vf.Env[CVREnvConfig]):
    """Runs the graph once for each task."""
