"""The command `a2acode`, on a machine whose name server is the attacker's.

`NAMES` names a file: JSON, with a list of answers for each name below `.attack.example`; each is a
list of addresses, given one after the other, and the last one for ever. What is asked is noted
beside it. Every other name is looked up as usual.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from a2acli.main import main

FILE = Path(os.environ["NAMES"])
ASKED = FILE.with_suffix(".asked")
as_usual = socket.getaddrinfo


def look_up(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
    if not str(host).rstrip(".").endswith(".attack.example"):
        return as_usual(host, port, *rest, **more)
    asked = ASKED.read_text().splitlines() if ASKED.exists() else []
    with ASKED.open("a") as file:
        file.write(f"{host}\n")
    answers = json.loads(FILE.read_text())[host.rstrip(".").removesuffix(".attack.example")]
    found = answers[min(asked.count(host), len(answers) - 1)]
    return [place for address in found for place in as_usual(address, port, *rest, **more)]


if __name__ == "__main__":
    socket.getaddrinfo = look_up
    main()
