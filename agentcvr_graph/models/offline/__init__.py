"""Models that need no download, no network and no GPU, and give the same output for the same input.

`vision.py` reads on-screen text and names colours and motion; `audio.py` recognises clear speech and simple sounds;
`master/` answers by matching words. `make bench` measures and prints their accuracy.

ONNX Runtime, which finds text and voices, reports its use to its maker. That is switched off here, before it is
imported; `ORT_DISABLE_TELEMETRY=0` in the environment leaves it on.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
