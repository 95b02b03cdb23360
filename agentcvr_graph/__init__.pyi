from .graph.as_tool import as_tool as as_tool
from .errors import (
    ActionError as ActionError,
    BugError as BugError,
    CVRError as CVRError,
    InputError as InputError,
    SetupError as SetupError,
    VideoError as VideoError,
    InfrastructureError as InfrastructureError,
)
from .graph.builder import create_cvr_graph as create_cvr_graph
from .perception.base import Perception as Perception
from .graph.state import (
    CVRContext as CVRContext,
    CVRInput as CVRInput,
    CVROutput as CVROutput,
    CVRState as CVRState,
)
from .graph.retake import retake as retake
from .trajectory import Trajectory as Trajectory, trajectory_of as trajectory_of
from .types import (
    Answer as Answer,
    Citation as Citation,
    Cost as Cost,
    Evidence as Evidence,
    Failure as Failure,
    Listen as Listen,
    Observation as Observation,
    Observe as Observe,
    Question as Question,
    Target as Target,
    Usage as Usage,
    Video as Video,
    VideoInfo as VideoInfo,
    Window as Window,
)
