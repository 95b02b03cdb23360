"""Decode files, URLs and image folders into frames, sound and subtitles. Knows no agents, questions or models.

Import from the modules: `library` opens videos; `sampling` and `cache` need no video library.
"""
