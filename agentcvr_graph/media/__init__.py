"""Files, URLs and image folders as frames, sound and subtitles. Knows nothing of agents, questions or models."""

from agentcvr_graph.media.cache import DiskCache
from agentcvr_graph.media.clip import Media, MediaInfo
from agentcvr_graph.media.library import MediaLibrary, default_cache_dir
from agentcvr_graph.media.sampling import sample_times

__all__ = ["DiskCache", "Media", "MediaInfo", "MediaLibrary", "default_cache_dir", "sample_times"]
