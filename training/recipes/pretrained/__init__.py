"""Train a pretrained model, SmolLM2-135M-Instruct or any other, to answer questions over tours; see `recipe.py`."""
