"""What others say, made safe to print: a terminal acts on characters that no one sees."""

from __future__ import annotations

import re

ACTING = re.compile(
    # All controls but newline and tab; line and paragraph separators; what turns the direction of
    # writing around, so that a line reads as another one.
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


def plain(text: str) -> str:
    """The text with everything that a terminal would act on written out, lines left as they are.

    Written out as JSON does it, so that a JSON text stays one, and says the same.
    """
    return ACTING.sub(_written, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The same on one line."""
    return plain(text).replace("\n", "⏎").replace("\t", " ")


def _written(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
