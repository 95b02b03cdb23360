"""The tools of the master.

`spec.py` defines a tool. `observe.py`, `listen.py` and `answer.py` hold one each, `registry.py` lists them, and
`features.py` changes them where a feature is on. To add a tool, see `docs/how-to/extend.md`: write a file that ends in
a `ToolSpec`, then add it to `registry.py` or pass it to `create_cvr_graph(..., tools=[*TOOLS, MY_TOOL])`.
"""

from agentcvr_graph.tools.answer import ANSWER as ANSWER
from agentcvr_graph.tools.answer import AnswerArgs as AnswerArgs
from agentcvr_graph.tools.budget import Budget as Budget
from agentcvr_graph.tools.features import NO_FEATURES as NO_FEATURES
from agentcvr_graph.tools.features import Features as Features
from agentcvr_graph.tools.listen import LISTEN as LISTEN
from agentcvr_graph.tools.observe import OBSERVE as OBSERVE
from agentcvr_graph.tools.registry import TOOL_SCHEMAS as TOOL_SCHEMAS
from agentcvr_graph.tools.registry import TOOLS as TOOLS
from agentcvr_graph.tools.spec import ToolSchema as ToolSchema
from agentcvr_graph.tools.spec import ToolSpec as ToolSpec
from agentcvr_graph.tools.toolset import Toolset as Toolset
from agentcvr_graph.tools.windows import clip_window as clip_window
from agentcvr_graph.tools.windows import find_video as find_video
