"""How a command exits."""

DONE = 0
FAILED = 1
"""The task failed, was rejected or canceled; or the agent could not be asked."""
ASKED_WRONGLY = 2
"""No such option, no such task: asking the same again will not help."""
PAUSED = 3
"""The agent waits for an answer."""
INTERRUPTED = 130
"""What shells say of a program that Ctrl-C stopped."""
