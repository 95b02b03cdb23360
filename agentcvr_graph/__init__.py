"""agentcvr_graph: a LangGraph plugin for questions whose evidence is spread over several videos."""

from agentcvr_graph.embedding import as_tool
from agentcvr_graph.errors import (
    ActionError,
    BugError,
    CVRError,
    InputError,
    SetupError,
    VideoError,
    WorldError,
)
from agentcvr_graph.graph import create_cvr_graph
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.state import CVRContext, CVRInput, CVROutput, CVRState
from agentcvr_graph.trajectory import Trajectory, trajectory_of
from agentcvr_graph.types import (
    Answer,
    Citation,
    Evidence,
    Failure,
    Listen,
    Observation,
    Observe,
    Question,
    Target,
    Usage,
    Video,
    VideoInfo,
    Window,
)

__all__ = [
    "ActionError",
    "Answer",
    "BugError",
    "CVRContext",
    "CVRError",
    "CVRInput",
    "CVROutput",
    "CVRState",
    "Citation",
    "Evidence",
    "Failure",
    "InputError",
    "Listen",
    "Observation",
    "Observe",
    "Perception",
    "Question",
    "SetupError",
    "Target",
    "Trajectory",
    "Usage",
    "Video",
    "VideoError",
    "VideoInfo",
    "Window",
    "WorldError",
    "as_tool",
    "create_cvr_graph",
    "trajectory_of",
]
