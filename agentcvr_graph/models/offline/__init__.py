"""Eyes and ears that need no download, no network and no GPU, and always say the same of the same frames and sound.

They read on-screen text and clear speech, name colours, motion and simple sounds, and know nothing else of the world.
How good they are is measured, not promised: see the table that `make bench` prints.
"""

from agentcvr_graph.models.offline.audio import OfflineAudio
from agentcvr_graph.models.offline.vision import OfflineVision

__all__ = ["OfflineAudio", "OfflineVision"]
