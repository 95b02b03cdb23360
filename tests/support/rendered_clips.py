"""Videos rendered from scripts, made once per script and kept on disk."""

from __future__ import annotations

from pathlib import Path

import agentcvr_graph
from agentcvr_graph.scripts.library import script_json
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.scripts.video import RenderedScript, render_script
from tests.support.disk_cache import cached_folder

RENDERER = Path(agentcvr_graph.__file__).parent / "scripts" / "video"


def rendered(script: Script) -> RenderedScript:
    """Return the rendered videos of a script. Tests must not change the files."""
    folder = cached_folder(
        f"clips-{script.id}", [RENDERER, script_json(script)], lambda path: render_script(script, path)
    )
    return render_script(script, folder)
