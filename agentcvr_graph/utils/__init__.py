"""Helpers that several packages share: concurrency, cancellation, files, JSONL logs, progress bars, job engines."""
