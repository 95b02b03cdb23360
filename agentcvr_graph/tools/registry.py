"""The tools of the library, in the order in which the master reads them."""

from __future__ import annotations

from agentcvr_graph.tools.answer import ANSWER
from agentcvr_graph.tools.listen import LISTEN
from agentcvr_graph.tools.observe import OBSERVE
from agentcvr_graph.tools.toolset import Toolset

TOOLS = Toolset(
    [
        OBSERVE,
        LISTEN,
        ANSWER,
    ]
)
TOOL_SCHEMAS = TOOLS.schemas
"""The canonical tool dictionaries of these tools."""
