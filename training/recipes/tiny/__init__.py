"""Train a master from random weights on two CPU cores; `recipe.py` lists the steps."""
