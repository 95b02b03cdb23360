"""Semantic scripts: the videos and questions of swap mode.

`schema.py` defines a script, `library.py` reads many of them, `checks.py` finds faults. `generators/` makes scripts,
`formats/` imports and exports them, `timeline/` draws them, `video/` renders them to real videos.
"""
