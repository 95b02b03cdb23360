"""Readers of pictures: one small class for each library, behind one protocol (`base.py`)."""
