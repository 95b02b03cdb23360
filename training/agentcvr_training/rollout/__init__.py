"""Rollouts: run the graph with a policy, and record the policy's tokens in a ledger."""
