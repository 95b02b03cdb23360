"""A master from nothing, on two CPU cores: see `recipe.py`."""
