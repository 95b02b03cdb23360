"""Tests on real media files: decoding, rendering, recognition."""
