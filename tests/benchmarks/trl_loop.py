"""Baseline: TRL's own tool loop (`environment_factory`) over the same scripts, perception and texts.

An environment starts with the graph's brief and answers `observe` and `listen` with the graph's replies, through the
same planning and rendering, so the policy reads the same text as in the graph. Two things differ, both in TRL's favour:

- TRL's loop has no tool that ends an episode. `answer` is therefore not parsed as a call, so it ends the episode here
  too; a call would cost one more turn.
- A turn without a valid call ends the episode. The graph returns an error and gives the policy another turn.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl import GRPOTrainer

from agentcvr_graph.answers import resolve_kind
from agentcvr_graph.errors import ActionError
from agentcvr_graph.graph import prompts
from agentcvr_graph.graph.budget import budget_left
from agentcvr_graph.graph.catalogues import probe_all
from agentcvr_graph.graph.nodes.master import plan_turn
from agentcvr_graph.graph.state import Call
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.render import observation_text
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.tools import TOOLS
from agentcvr_graph.tools.budget import Budget
from agentcvr_graph.types import Cost
from tests.benchmarks.policies import CONTEXT, GROUP, SAMPLING, Player, task_of, trainer_settings

PARSING = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|assistant|>",
    "fields": {
        "tool_calls": {
            "open_pattern": r'<tool_call>(?=\{"name": "(?:observe|listen)")',
            "close_pattern": r"</tool_call>\s*",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close_pattern": r"<\|end\|>\s*", "content": "text"},
    },
}
"""How transformers parses calls in the tiny policy's turns. TRL recognizes only the templates of large models."""


class ScriptEnvironment:
    """One episode of a script. TRL makes tools of the public methods; the policy may read their docstrings."""

    def __init__(self, scripts: Mapping[str, Script], perception: ScriptedPerception) -> None:
        self._scripts = scripts
        self._perception = perception

    def reset(self, script: str, **_: object) -> str:
        """Return the brief."""
        question = self._scripts[script].as_question()
        self._context = task_of(self._scripts[script], 0).settings(CONTEXT)
        self._sources = asyncio.run(probe_all(self._perception, question.videos, self._context))
        self._turn, self._spent = 0, Cost()
        kind: Any = resolve_kind(question.kind, question.options)
        return prompts.brief(question.question, kind, question.options, self._sources, self._budget().shown())

    async def observe(self, targets: list[dict[str, float]], focus: str = "") -> str:
        """Look at windows of one or more videos: samples frames and tells what they show.

        Args:
            targets: Where to look.
            focus: What to look for.
        """
        return await self._act("observe", {"targets": targets, "focus": focus})

    async def listen(self, video: int, start_s: float, end_s: float, focus: str = "") -> str:
        """Listen to a window of one video: tells what is said and heard.

        Args:
            video: Number of the video, from 1.
            start_s: Start of the window in seconds from the start of the video.
            end_s: End of the window in seconds from the start of the video.
            focus: What to listen for.
        """
        return await self._act("listen", {"video": video, "start_s": start_s, "end_s": end_s, "focus": focus})

    async def _act(self, tool: str, arguments: dict[str, object]) -> str:
        self._turn += 1
        call = Call(id="call", tool=tool, arguments=arguments)
        plan = plan_turn([call], self._sources, self._budget(), TOOLS, self._turn)
        if not plan.assignments:
            raise ActionError(plan.refusals[0].text)
        (assignment,) = plan.assignments
        spec = TOOLS.spec(assignment.call.tool)
        seen = await spec.run(spec.load(assignment.request), self._perception, self._sources)
        self._spent += seen.cost
        return f"{observation_text(seen)}\n{assignment.left}"

    def _budget(self) -> Budget:
        return budget_left(self._context, self._turn, self._spent, elapsed_s=0.0)


class TrlLoop:
    """A `GRPOTrainer` with TRL's own rollouts, and one batch for it."""

    def __init__(self, player: Player, scripts: Sequence[Script], folder: Path) -> None:
        by_id = {script.id: script for script in scripts}
        perception = ScriptedPerception(ScriptLibrary.of(scripts))
        tokenizer = player.form.tokenizer
        tokenizer.response_template = PARSING
        prompt = [{"role": "system", "content": prompts.system("", "")}, {"role": "user", "content": ""}]
        self.rows = [{"prompt": prompt, "script": script.id} for script in scripts for _ in range(GROUP)]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "You are using 'environment_factory'")
            self.trainer = GRPOTrainer(
                model=player.model(),
                args=trainer_settings(
                    folder,
                    len(self.rows),
                    use_cpu=player.device == "cpu",
                    max_tool_calling_iterations=CONTEXT.max_turns - 1,
                    # TRL limits only the whole conversation; this limits a turn as the graph's sampling does.
                    generation_kwargs={"max_new_tokens": SAMPLING.max_new_tokens},
                ),
                reward_funcs=lambda completions, **_: [0.0] * len(completions),
                environment_factory=partial(ScriptEnvironment, by_id, perception),
                train_dataset=Dataset.from_list(self.rows),
                processing_class=tokenizer,
            )


def timed_batch(trainer: GRPOTrainer, rows: Sequence[dict[str, Any]]) -> tuple[int, float]:
    """Return the number of sampled tokens of one batch, and the seconds from prompts to rows with advantages."""
    trainer.model.train()
    started = time.perf_counter()
    batch = trainer._generate_and_score_completions(list(rows))
    seconds = time.perf_counter() - started
    return int((batch["completion_mask"] * batch["tool_mask"]).sum()), seconds
