"""A fake chat model that writes questions about extracted kitchen videos, answers them from notes, and judges texts.

It knows no key: what it answers follows from the notes that it gets. Fields make its questions unusable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from langchain_core.messages import AIMessage
from pydantic import Field, PrivateAttr

from agentcvr_graph.models.chat_base import ChatModelBase, ChatRequest
from agentcvr_graph.scripts.extraction.extracted import ExtractedVideo
from agentcvr_graph.scripts.extraction.questions import prompts
from agentcvr_graph.scripts.schema import Scene, ScriptedVideo

SCENE_S = 5.0
SPICES = (
    *("anise", "basil", "chili", "dill", "fennel", "ginger", "honey", "lemon"),
    *("mint", "nutmeg", "onion", "pepper", "rosemary", "sage", "thyme"),
)
"""One for each pair of six videos."""
USAGE = {"input_tokens": 200, "output_tokens": 20, "total_tokens": 220}
_NOTE = re.compile(r"^\[video (\d+), ([\d.]+)-([\d.]+) s\] \"Step (\d+): I add (\w+)\.\"$", re.M)
_TASK = re.compile(r"This is question (\w+)-own-(\d+), take (\d+);")
_OPTION = re.compile(r"^([A-Z])\) (.*)$", re.M)


def kitchen_videos(count: int = 6) -> list[ExtractedVideo]:
    """Return videos of which each two add exactly one spice that both add."""
    pairs = dict(zip(combinations(range(6), 2), SPICES, strict=True))
    return [_video(n, [spice for pair, spice in pairs.items() if n in pair]) for n in range(count)]


def _video(number: int, spices: Sequence[str]) -> ExtractedVideo:
    scenes = [
        Scene(
            start_s=n * SCENE_S,
            end_s=(n + 1) * SCENE_S,
            visual=f"cook {number} at the stove",
            caption=f"Step {n + 1}: I add {spice}.",
        )
        for n, spice in enumerate(spices)
    ]
    return ExtractedVideo(
        name=f"clips/cook{number}.mp4", video=ScriptedVideo(duration_s=SCENE_S * len(spices), scenes=tuple(scenes))
    )


class Note:
    """What is said in a scene."""

    def __init__(self, match: re.Match[str]) -> None:
        self.video, self.step, self.spice = int(match[1]), int(match[4]), match[5]
        self.start_s, self.end_s = float(match[2]), float(match[3])

    @property
    def evidence(self) -> dict[str, Any]:
        return {"video": self.video, "start_s": self.start_s, "end_s": self.end_s, "modality": "audio"}


def notes_in(text: str) -> list[Note]:
    return [Note(match) for match in _NOTE.finditer(text)]


class QuestionAuthor(ChatModelBase):
    """Writes, answers and judges."""

    one_video: bool = False
    """Ask what a single video settles."""
    given_away: bool = False
    """Write the right answer into the question."""
    wrong_evidence: bool = False
    """Name windows that do not settle the question."""
    declines: tuple[int, ...] = ()
    """Attempts at each job to which it says that there is no question."""
    faults: int = 0
    """Unusable replies to each request before the first usable one."""
    raises: list[Any] = Field(default_factory=list)
    plain: bool = False
    """Do not support structured output."""
    _seen: list[Any] = PrivateAttr(default_factory=list)

    @property
    def seen(self) -> list[Any]:
        return self._seen

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        if self.plain:
            raise NotImplementedError
        return super().bind_tools(tools)

    async def _areply(self, request: ChatRequest) -> AIMessage:
        self._seen.append(list(request.messages))
        if self.raises:
            raise self.raises.pop(0)
        text = self.reply_text([message.text for message in request.messages])
        if request.messages[0].text != prompts.RULES:
            return AIMessage(text, usage_metadata=USAGE)
        if not request.tools:
            return AIMessage(f"```json\n{text}\n```", usage_metadata=USAGE)
        call = {"name": "QuestionDraft", "args": json.loads(text), "id": "1", "type": "tool_call"}
        return AIMessage("", tool_calls=[call], usage_metadata=USAGE)

    def reply_text(self, messages: Sequence[str]) -> str:
        """Return the reply to a conversation: a question as JSON, an answer, or grades."""
        system, asked = messages[0], messages[1]
        if system == prompts.SYSTEM:
            return f"Thinking.\nAnswer: {self._answer(asked)}"
        if system != prompts.RULES:
            return _grades(asked)
        draft = self._draft(asked)
        if len(messages) < 2 + 2 * self.faults:
            draft["evidence"] = draft["evidence"][:1]
        return json.dumps(draft)

    def _draft(self, asked: str) -> dict[str, Any]:
        found = _TASK.search(asked)
        assert found is not None
        if int(found[3]) - 1 in self.declines:
            return {"impossible": "nothing is in two videos", "evidence": []}
        task, notes = found[1].upper(), notes_in(asked)
        written = {"PSS": _sorting, "PI": _inference, "FSA": _alignment}.get(task, _comparison)(notes, task, asked)
        if self.one_video:
            (first,) = [note for note in notes if note.video == 1 and note.step == 1]
            written["question"] = "Which spice is added in step 1 of video 1?"
            written |= _spice_options(first.spice) if task != "BU" else {}
            written["evidence"] = [first.evidence, written["evidence"][1]]
        if self.given_away:
            written["question"] += f" Hint: {written['answer']}"
        if self.wrong_evidence:
            decisive = [(window["video"], window["start_s"]) for window in written["evidence"]]
            others = [note for note in notes if (note.video, note.start_s) not in decisive]
            written["evidence"] = [next(n for n in others if n.video == video).evidence for video in (1, 2)]
        return written

    def _answer(self, asked: str) -> str:
        """Answer from the notes, or from a hint in the question."""
        head, _, rest = asked.partition("----------")
        if hint := re.search(r"Hint: (.*)", head):
            return hint[1]
        notes = notes_in(rest)
        options = {text: letter for letter, text in _OPTION.findall(head)}
        count = int(re.findall(r"The question is about (\d+) videos", head)[0])
        if "step 1 of video 1" in head:
            found = [note.spice for note in notes if note.video == 1 and note.step == 1]
            return options.get(found[0], prompts.UNKNOWN) if found else prompts.UNKNOWN
        if len({note.video for note in notes}) < (count if "order" in head else 2):
            return prompts.UNKNOWN
        if "order" in head:
            first = {note.video: note.step for note in reversed(notes)}
            return "->".join(str(video) for video in sorted(first, key=lambda video: first[video]))
        if "between" in head:
            last = max(note.step for note in notes if note.video == 1)
            return options.get(f"step {last + 1}", prompts.UNKNOWN)
        shared = [one for one in notes for two in notes if (one.video, two.video) == (2, 1) and one.spice == two.spice]
        if not shared:
            return prompts.UNKNOWN
        if "interval" in head:
            return f"{shared[0].start_s}-{shared[0].end_s} s"
        return options.get(shared[0].spice, shared[0].spice)


def _comparison(notes: Sequence[Note], task: str, asked: str) -> dict[str, Any]:
    one, two = _shared(notes)
    written: dict[str, Any] = {
        "question": "Which spice do the cooks of video 1 and video 2 both add?",
        "evidence": [one.evidence, two.evidence],
        **_spice_options(one.spice),
    }
    if task == "BU":
        written["answer"] = [one.spice]
    if task == "CCQA":
        written |= {"options": [], "scoring_points": [one.spice]}
    return written


def _spice_options(right: str) -> dict[str, Any]:
    others = [spice for spice in SPICES if spice != right][:3]
    return {"options": [f"A) {right}", *others], "answer": right}


def _shared(notes: Sequence[Note]) -> tuple[Note, Note]:
    """Return what the first two videos both add."""
    pairs = ((one, two) for one in notes for two in notes if (one.video, two.video) == (1, 2))
    return next((one, two) for one, two in pairs if one.spice == two.spice)


def _alignment(notes: Sequence[Note], task: str, asked: str) -> dict[str, Any]:
    one, two = _shared(notes)
    return {
        "question": f"Which interval of video 2 adds what {one.start_s:g}-{one.end_s:g} s of video 1 adds?",
        "answer": [two.start_s, two.end_s],
        "evidence": [one.evidence, two.evidence],
    }


def _sorting(notes: Sequence[Note], task: str, asked: str) -> dict[str, Any]:
    firsts = {note.video: note for note in reversed(notes)}
    return {
        "question": "In which order were these parts recorded?",
        "answer": "",
        "evidence": [firsts[video].evidence for video in sorted(firsts)],
    }


def _inference(notes: Sequence[Note], task: str, asked: str) -> dict[str, Any]:
    last = [note for note in notes if note.video == 1][-1]
    first = next(note for note in notes if note.video == 2)
    return {
        "question": "Which step lies between video 1 and video 2?",
        "options": [f"step {n}" for n in (last.step + 1, 7, 8, 9, 10, 11)],
        "answer": f"step {last.step + 1}",
        "evidence": [last.evidence, first.evidence],
    }


def _grades(asked: str) -> str:
    """Grade one point: covered where the answer has its words."""
    (point,) = re.findall(r"^1\. (.*)$", asked, re.M)
    answer = asked.split("----------\n")[1]
    right = point in answer
    return json.dumps({"coverage": [right], "correctness": [right]})
