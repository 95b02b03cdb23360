"""Tests on real files: decoding, rendering, recognising."""
