"""agentcvr_graph: a LangGraph plugin for questions whose evidence is spread over several videos.

The public names stand in `__init__.pyi`. Each is imported when it is first used: processes that decode videos need
none of them, and start four times as fast without LangGraph.
"""

import logging
import sys

import lazy_loader

# Without a handler, Python would print warnings of the library to the terminal of the application.
logging.getLogger(__name__).addHandler(logging.NullHandler())

# lazy_loader leaves its types open; those of the public names are in the stub.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # pyright: ignore[reportUnknownVariableType]

if "IPython" in sys.modules:  # a notebook: objects display themselves as HTML
    from agentcvr_graph.report.ipython import register

    register()
    del register
del logging, sys
