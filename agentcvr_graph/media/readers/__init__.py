"""Frame readers: one small class for each decoding library, behind one protocol (`base.py`)."""
