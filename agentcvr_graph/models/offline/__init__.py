"""Models that need no download, no network and no GPU, and give the same output for the same input.

`vision.py` reads on-screen text and names colours and motion; `audio.py` recognises clear speech and simple sounds;
`master/` answers by matching words. `make bench` measures and prints their accuracy.
"""
