"""Fast tests: no video is decoded, nothing is trained, no server is started."""
