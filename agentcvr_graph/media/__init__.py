"""Files, URLs and image folders as frames, sound and subtitles. Knows nothing of agents, questions or models.

Import from its modules: `library` opens videos, `sampling` and `cache` need no video library.
"""
