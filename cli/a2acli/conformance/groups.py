"""Exception groups: a nursery wraps what is raised inside, even when it is one thing."""

from __future__ import annotations


def alone(error: BaseException) -> BaseException:
    """The one thing that a group holds; the group itself when there are several."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
