"""Baselines that decide where to look without reading any evidence; the answer is the trained policy's."""
