"""HTML reports: the evidence report as a page, its excerpts, and the HTML that notebooks show.

The public names are listed in `__init__.pyi` and imported on first use, because a notebook registers its renderers when
`agentcvr_graph` is imported, and should not wait for the templates then.
"""

import lazy_loader

# lazy_loader leaves its types open; those of the public names are in the stub.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # pyright: ignore[reportUnknownVariableType]
