"""The backend that needs no agent: it echoes, and acts out whatever a prompt or a script asks for.

`docs/echo.md` says which words do what, and how to write a script.
"""

from a2abackends.echo.agent import ECHO

__all__ = ["ECHO"]
