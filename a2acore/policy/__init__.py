"""What is decided without the caller: the file of `--policy`, and what follows from it."""

from a2acore.policy.file import BadPolicy, read_policy
from a2acore.policy.rules import Decision, Policy, Rule

__all__ = ["BadPolicy", "Decision", "Policy", "Rule", "read_policy"]
