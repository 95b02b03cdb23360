"""Small helpers that several packages share: concurrency, cancellation, JSONL logs."""
