"""A fake chat model that writes scripts from the procedural generators and can make them invalid.

Child processes and cluster workers import it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from pydantic import Field, PrivateAttr

from agentcvr_graph.models.chat_base import ChatModelBase, ChatRequest
from agentcvr_graph.scripts.generators.llm.jobs import Job
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_script
from agentcvr_graph.scripts.schema import KIND_OF

SYLLABLES = ("ka", "lo", "mi", "ne", "ru", "so", "ta", "vi", "wo", "ze")
USAGE = {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150}


def draft_for(job: Job) -> dict[str, Any]:
    """Return a valid draft for a job."""
    level = LEVELS["easy"].with_settings({"videos": job.videos})
    script = make_script(job.task, 1000 * job.attempt + job.seed, level)
    options = [f"option {n} of {job.seed}" for n in range(job.options)]
    key: Any = job.key
    if KIND_OF[job.task] in ("interval", "text"):
        key = list(script.key) if isinstance(script.key, tuple) else script.key
    rng = random.Random(job.id + str(job.attempt))

    def words() -> str:
        """Return a random sentence, so that no two scripts share one."""
        return " ".join(rng.choice(SYLLABLES) + rng.choice(SYLLABLES) for _ in range(8)) + "."

    evidence = [window.model_dump() for window in script.evidence]
    return {
        "question": script.question,
        "options": options,
        "answer": key.split(", ") if job.task == "BU" else key,
        "videos": [
            {
                "duration_s": video.duration_s,
                "scenes": [
                    {
                        "start_s": scene.start_s,
                        "end_s": scene.end_s,
                        "visual": words(),
                        "caption": words() if scene.caption else "",
                    }
                    for scene in video.scenes
                ],
            }
            for video in script.videos
        ],
        "evidence": evidence,
        "scoring_points": ["a point"] if job.task == "CCQA" else [],
    }


class RefusedError(Exception):
    """Raised like the error of a client whose server refuses a request."""

    status_code = 400


class Author(ChatModelBase):
    """A chat model that recognises a job by its request; the fields below make its replies invalid or unusual."""

    faults: int = 0
    """Number of invalid replies to each job before the first valid one."""
    hopeless: tuple[str, ...] = ()
    """Ids of jobs that always get invalid replies."""
    wrong_key: bool = False
    same_story: bool = False
    plain: bool = False
    """Do not support structured output."""
    silent: bool = False
    """Write no JSON."""
    knows_no_schema: bool = False
    """Refuse a request with a schema, as a server without structured output does."""
    thinks: bool = False
    """Write a reasoning block with braces before the script."""
    dies_once: str = ""
    """Path of a marker file. Without it, the fourth call creates it and ends the process; with it, no process ends."""
    delay_s: float = 0.0
    raises: list[Any] = Field(default_factory=list)
    _seen: list[Any] = PrivateAttr(default_factory=list)
    _busy: int = PrivateAttr(default=0)
    _most: int = PrivateAttr(default=0)

    @property
    def seen(self) -> list[Any]:
        return self._seen

    @property
    def most_concurrent(self) -> int:
        return self._most

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        if self.plain:
            raise NotImplementedError
        return super().bind_tools(tools)

    async def _areply(self, request: ChatRequest) -> AIMessage:
        self._seen.append(list(request.messages))
        if self.dies_once and len(self._seen) == 4:
            self._die()
        self._busy += 1
        self._most = max(self._most, self._busy)
        await asyncio.sleep(self.delay_s)
        self._busy -= 1
        if self.raises:
            raise self.raises.pop(0)
        if self.knows_no_schema and request.tools:
            raise RefusedError
        draft = self._write(request.messages)
        if request.tools:
            call = {"name": "Draft", "args": draft, "id": "1", "type": "tool_call"}
            return AIMessage("", tool_calls=[call], usage_metadata=USAGE)
        text = "I would rather not." if self.silent else f"Here it is:\n```json\n{json.dumps(draft)}\n```"
        text = f"<think>Videos {{1}} and {{2}}, say.</think>{text}" if self.thinks else text
        return AIMessage(text, usage_metadata=USAGE)

    def _die(self) -> None:
        marker = Path(self.dies_once)
        if not marker.exists():
            marker.touch()
            os._exit(1)

    def _write(self, messages: Any) -> dict[str, Any]:
        job = _job_of(messages[1].text)
        draft = draft_for(Job(job.task, 0) if self.same_story else job)
        if self.same_story:
            mine = draft_for(job)
            draft |= {"answer": mine["answer"], "options": mine["options"]}
            draft["videos"] = (draft["videos"] * 2)[: job.videos]
        repairs = (len(messages) - 2) // 2
        if repairs < self.faults or job.id in self.hopeless:
            draft["videos"][0]["scenes"][0]["end_s"] = 999
        if self.wrong_key:
            draft["answer"] = "ABCD"[("ABCD".index(job.key) + 1) % 4]
        return draft


def _job_of(text: str) -> Job:
    task, seed, take = re.search(r"This is script (\w+)-llm-(\d+), take (\d+);", text).groups()
    return Job(task.upper(), int(seed), int(take) - 1)
