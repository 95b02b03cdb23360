"""Rollouts: graph runs, the policy that samples in them, and the ledger of its tokens."""
