"""`${VAR}` and `${VAR:-default}` in a file's texts: the environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

VARIABLE = re.compile(r"\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?")


def fill(text: str, environment: Mapping[str, str], wrong: Callable[[str], None]) -> str:
    """The text with what its variables stand for; `wrong` is told of each that cannot be filled."""

    def filled(found: re.Match[str]) -> str:
        name, default = found[1], found[2]
        if name is None:
            wrong("has a `${` that does not begin ${NAME} or ${NAME:-default}")
            return ""
        value = environment.get(name, "")
        if value or (name in environment and default is None):
            return value
        if default is None:
            wrong(f"needs the environment variable {name}, which is not set")
        return default or ""

    return VARIABLE.sub(filled, text)
