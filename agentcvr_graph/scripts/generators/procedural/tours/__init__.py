"""Tours: worlds in which looking is a decision, because details are short, far apart and easy to find by their place.

A tour takes three to ten minutes and holds little text. See `layout.py` for what a cheap overview shows; `choosing.py`,
`numbers.py`, `rules.py` and `trails.py` for the tasks; `wordings.py` and `phrasings.py` for the language of the
questions; `sets.py` for short tours with nine questions each.
"""
