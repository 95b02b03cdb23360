"""The environment package of verifiers and prime-rl, which find it by its name: `vf-eval agentcvr-env`."""

from agentcvr_training.adapters.verifiers import CVREnv, CVRHarness, CVRTaskset

__all__ = ["CVREnv", "CVRHarness", "CVRTaskset"]
