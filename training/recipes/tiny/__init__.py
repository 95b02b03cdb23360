"""A master trained from random weights on two CPU cores: see `recipe.py`."""
