"""What the command logs, and what it never does.

Everything that is logged in this process goes through here, whoever says it: without secrets, and
without anything that could pass for another line or act on a terminal.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

from a2acli.plain import plain
from a2acore.middleware.payloads import PAYLOADS
from a2acore.redaction import Redactor

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
MARGIN = "    | "
"""Before each line of a traceback: no line that is not ours looks like one that is."""


class Discreet(logging.Formatter):
    """Writes a record on one line, and its traceback on lines that are marked."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__(FORMAT)
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        # Not `super().format`: it keeps what it makes of a traceback in the record, for everybody.
        message = plain(self._redactor(record.getMessage())).replace("\n", "\\n")
        values = {**vars(record), "message": message, "asctime": self.formatTime(record)}
        said = [FORMAT % values]
        if record.exc_info and record.exc_info[0] is not None:
            trace = plain(self._redactor(self.formatException(record.exc_info)))
            said += [f"{MARGIN}{line}" for line in trace.splitlines()]
        return "\n".join(said)


def begin(level: str, redactor: Redactor, *, payloads: bool, to: TextIO | None = None) -> None:
    """Log to stderr from `level` on, and what is asked and answered if it is wanted."""
    handler = logging.StreamHandler(to or sys.stderr)
    handler.setFormatter(Discreet(redactor))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    if payloads:
        logging.getLogger(PAYLOADS).setLevel(logging.DEBUG)
