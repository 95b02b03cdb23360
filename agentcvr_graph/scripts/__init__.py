"""Semantic scripts: the world of swap mode. See `schema.py` for what a script is, `library.py` for many of them."""
