"""Prompts for the chat model that writes scripts: the rules of every script, and one text for each of the ten tasks."""

from __future__ import annotations

from collections.abc import Sequence

from agentcvr_graph.answers import KINDS
from agentcvr_graph.scripts.generators.llm.jobs import Job
from agentcvr_graph.scripts.schema import KIND_OF, Task

RULES = """You write scripts of short videos and a question that can only be answered from several of them together.

Rules:
- Every video is a row of scenes without gaps or overlaps, from 0 to its duration, in seconds. 5 to 10 scenes a video.
- "visual" tells what a camera sees and nothing that can only be heard. "caption" is what is said, word for word, and
  tells nothing that can only be seen; leave it empty where nobody speaks.
- Captions carry facts that the pictures do not show, and pictures facts that nobody says. The answer needs both.
- The answer needs at least two of the videos. Nobody may guess it from the question and the options alone.
- Wrong videos and options differ from the right ones in a single detail.
- "evidence" lists the windows that together suffice to answer, each "visual" or "audio".
- Write about concrete people, things and actions. Never write the answer itself into a scene."""

ASKS: dict[Task, str] = {
    "BU": (
        "Behaviour understanding. The question asks which of the people do certain things in a certain order "
        "and say a certain thing. The options are statements or videos; one or more are right."
    ),
    "NC": (
        "Narrative comprehension. The videos are clips of films. The question asks which clip's plot meets "
        "two conditions, one that is shown and one that is told."
    ),
    "CC": (
        "Culinary comparison. The videos are cooking videos. The question asks which cook does something, "
        "comparing ingredients, order or tools, and says something."
    ),
    "PEA": (
        "Procedural error analysis. Three workers assemble the same thing. The question asks in which video a "
        "mistake is made, by a rule that is told in only one of them."
    ),
    "PI": (
        "Plot inference. Video 1 is the beginning of a story and video 2 its ending. The question asks what "
        "happened in between; the six options are all plausible, and only one fits both."
    ),
    "FSA": (
        "Functional step alignment. The question points at an interval of video 1 by its seconds and asks "
        "which interval of video 2 serves the same purpose by other means."
    ),
    "PSS": (
        "Procedural step sorting. The videos are shuffled segments of one recording. The question asks for "
        "their order in time, which clues in pictures and words tell."
    ),
    "MSR": (
        "Multi-view spatial reasoning. Two drones film the same place at the same time; the views are called "
        "view 1 and view 2. The question asks where a thing of one view lies as seen from a thing of the "
        "other."
    ),
    "MOC": (
        "Multi-view object counting. Two drones film the same place. The question asks how many different "
        "things of a kind there are in both views together; some are in both. The options are numbers."
    ),
    "CCQA": (
        "Comparative culinary question. Two cooking videos. The question has two parts, is answered in free "
        "text, and 'scoring_points' lists what a full answer says."
    ),
}


def request(job: Job) -> str:
    """Return the request for one script."""
    lines = [
        f"Task: {ASKS[job.task]}",
        f"Answer format: {KINDS[KIND_OF[job.task]].format}.",
        f"Number of videos: {job.videos}.",
        f"Number of options: {job.options}." if job.options else "No options.",
        f"Place: {job.topic}. What makes it hard: {job.turn}.",
        f"The right answer must be: {job.key}." if job.key else "",
        f"This is script {job.id}, take {job.attempt + 1}; make it unlike all others.",
    ]
    return "\n".join(line for line in lines if line)


def repair(faults: Sequence[str]) -> str:
    """Return the message that lists the faults of a script."""
    listed = "\n".join(f"- {fault}" for fault in faults)
    return f"That script cannot be used:\n{listed}\nWrite the whole script again, without these faults."


def as_json(schema: str) -> str:
    """Return the JSON instructions for models without structured output."""
    return f"Reply with one JSON object of this JSON schema and nothing else:\n{schema}"
