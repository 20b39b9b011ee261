"""What a file holds that a caller sends, and how it is called. Pure.

Callers label files badly or not at all: the bytes decide where they can, and a label is believed
only for what they do not show.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress

# fmt: off
CHARSETS = frozenset({
    "ascii", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32",
    "iso8859-1", "iso8859-2", "iso8859-15",
    "cp1250", "cp1251", "cp1252", "koi8-r",
    "shift_jis", "euc_jp", "gb18030", "gbk", "big5", "euc_kr",
})
# fmt: on
"""What a label may name; Python knows codecs that are no charsets, and some that take for ever."""

BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

IMAGES = (
    ("image/png", re.compile(rb"\x89PNG")),
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/gif", re.compile(rb"GIF8[79]a")),
    ("image/webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
)
"""The images that models look at, by how they begin."""

LONGEST_NAME = 60
"""Characters of a name: at most 240 bytes, where a file's may have 255."""


def essence(media_type: str) -> str:
    """A media type without its parameters; nothing, if it is none."""
    found = re.match(r"\s*([\w!#$&^.+-]+/[\w!#$&^.+-]+)\s*(;|$)", media_type, re.ASCII)
    return found[1].lower() if found else ""


def image_type(raw: bytes) -> str:
    """What image it really is; nothing, if none that models look at.

    The label does not count: an image that is none fails every further turn of its session.
    """
    return next((kind for kind, start in IMAGES if start.match(raw)), "")


def text_of(raw: bytes, media_type: str) -> str | None:
    """The text that a file is, or `None`.

    Whatever decodes is text, be it called application/json, application/octet-stream or nothing at
    all; but not what is called a picture, a sound or a PDF, which may happen to decode.
    """
    kind = essence(media_type)
    pictured = kind.startswith(("image/", "audio/", "video/", "font/")) and not kind.endswith(
        "+xml"
    )
    if pictured or kind == "application/pdf" or raw.startswith(b"%PDF-"):
        return None
    for charset in _charsets(raw, media_type):
        with suppress(UnicodeDecodeError):
            text = raw.decode(charset)
            return None if "\0" in text else text
    return None


def _charsets(raw: bytes, media_type: str) -> Iterator[str]:
    """What it may be written in: as its label says, or else as most is."""
    named = re.search(r";\s*charset\s*=\s*\"?([\w.:-]+)", media_type, re.IGNORECASE)
    if named:
        with suppress(LookupError):
            charset = codecs.lookup(named[1]).name
            if charset in CHARSETS:
                yield charset
    yield "utf-16" if raw.startswith(BYTE_ORDER_MARKS) else "utf-8-sig"


def fenced(text: str, language: str = "") -> str:
    """Text between fences that nothing in it can close."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def label(filename: str, otherwise: str) -> str:
    """What to call a file in a prompt: its name or path, without what could pass for more."""
    return _plain(filename, r"\w ./+=@-")[-2 * LONGEST_NAME :] or otherwise


def file_name(filename: str, otherwise: str) -> str:
    """A name that it can have in any folder: without the path, its suffix kept."""
    name = _plain(re.split(r"[/\\]", filename)[-1], r"\w.+=@-").strip(".-") or otherwise
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 10:
        return name[:LONGEST_NAME]
    return f"{stem[: LONGEST_NAME - len(suffix) - 1]}.{suffix}"


def _plain(name: str, kept: str) -> str:
    return re.sub(f"[^{kept}]+", "_", name).strip()
