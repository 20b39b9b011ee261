"""The audit log: who let an agent do what, in a file that shows whether it was changed.

One line of JSON for each decision, and for each operation that matters. Rules:

Rule 1: a line is with the operating system before what it tells of happens, and on the disk within
    a second. Where it cannot be written nothing new is begun and nothing is allowed.
Rule 2: each line has the SHA-256 of the bytes of the line before it (without the newline), and its
    number. The chain goes on in the next file, and after a restart.
Rule 3: bytes that are written stay. What a crash or a full disk left torn is ended, and the next
    line tells of it: how many bytes, and their SHA-256.
Rule 4: nothing that a caller or an agent says is in it. Of a tool's input there is the SHA-256, and
    of its title nothing where it may quote a command or a URL.

Who can write the file can write a new chain. It is proof for who has noted its head elsewhere.
"""

from a2acore.audit.lines import Line, ToolSeen, lines
from a2acore.audit.verify import Verified, verify
from a2acore.audit.writer import SIZE, Audit, BadAudit, NoAudit, Unaudited, open_audit

__all__ = [
    "SIZE",
    "Audit",
    "BadAudit",
    "Line",
    "NoAudit",
    "ToolSeen",
    "Unaudited",
    "Verified",
    "lines",
    "open_audit",
    "verify",
]
