"""What an exception means to the person at the terminal: one line, and an exit code."""

from __future__ import annotations

import errno

import click

from a2acli.codes import ASKED_WRONGLY, FAILED, INTERRUPTED
from a2acli.plain import one_line
from a2acore.audit import BadAudit
from a2acore.backend import BackendError, BadSettings
from a2acore.client import ClientError, Unauthorized
from a2acore.errors import A2AError, InternalError, InvalidAgentResponse, TaskNotFound
from a2acore.store.terms import BadStore


def explain(error: BaseException) -> tuple[str, int]:
    """The line, empty when there is nothing to say, and the exit code."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    text, code = _explain(error)
    return one_line(text), code


def _explain(error: BaseException) -> tuple[str, int]:
    match error:
        case KeyboardInterrupt() | click.Abort():
            return "", INTERRUPTED
        case click.UsageError():
            path = error.ctx.command_path if error.ctx else "a2acode"
            return f"{error.format_message().rstrip('.')}; see `{path} --help`", error.exit_code
        case click.ClickException():
            return error.format_message(), error.exit_code
        case Unauthorized():
            hint = "put one into a file and name it with --token-file, or into A2ACODE_TOKEN"
            return f"{error}; {hint}", FAILED
        case TaskNotFound():
            return f"{error.message}; check the id, and that --url is where it runs", ASKED_WRONGLY
        case A2AError():
            wrong = [
                f"{violation.field}: {violation.description}" for violation in error.violations
            ]
            # The server's fault or the agent's; everything else was a wrong thing to ask.
            theirs = isinstance(error, InternalError | InvalidAgentResponse)
            return (
                "; ".join([error.message, *wrong]) + (" (the agent's own failure)" * theirs),
                FAILED if theirs else ASKED_WRONGLY,
            )
        case BadSettings() | BadAudit():
            return str(error), ASKED_WRONGLY
        case BadStore():
            return f"{error} (--store URL)", ASKED_WRONGLY
        case ClientError() | BackendError():
            return str(error), FAILED
        case OSError(errno=errno.EADDRINUSE):
            return f"{error.strerror}; try another --port", FAILED
        case _:
            name = type(error).__name__
            return f"{name}: {error}; run with A2ACODE_DEBUG=1 for the traceback", FAILED
