from .agent_graph import as_agent as as_agent
from .errors import (
    ActionError as ActionError,
    BugError as BugError,
    CVRError as CVRError,
    InputError as InputError,
    SetupError as SetupError,
    VideoError as VideoError,
    InfrastructureError as InfrastructureError,
)
from .graph.as_tool import as_tool as as_tool
from .graph.builder import create_cvr_graph as create_cvr_graph
from .graph.context import CVRContext as CVRContext
from .graph.events import Progress as Progress
from .graph.retake import retake as retake
from .graph.state import (
    ChatInput as ChatInput,
    CVRAnswered as CVRAnswered,
    CVRFailed as CVRFailed,
    CVRInput as CVRInput,
    CVROutput as CVROutput,
    CVRState as CVRState,
)
from .models.registry import resolve_chat_model as resolve_chat_model
from .perception.base import Perception as Perception
from .perception.factory import resolve_perception as resolve_perception
from .perception.live import LivePerception as LivePerception
from .perception.scripted import ScriptedPerception as ScriptedPerception
from .scripts.library import ScriptLibrary as ScriptLibrary
from .tools.features import Features as Features
from .trajectory import Trajectory as Trajectory, trajectory_of as trajectory_of
from .types import (
    Answer as Answer,
    Citation as Citation,
    ClaimedCitation as ClaimedCitation,
    Cost as Cost,
    Evidence as Evidence,
    Failure as Failure,
    Listen as Listen,
    Observation as Observation,
    Observe as Observe,
    Question as Question,
    Target as Target,
    Usage as Usage,
    Verification as Verification,
    Video as Video,
    VideoInfo as VideoInfo,
    Window as Window,
)
