"""What must not be told is taken out of what is told: the one place that knows how.

It knows secrets by their value, when it was told them, however they are spelled: as they are, as in
a URL, as in JSON, in base64. And by their looks, when nobody could tell it: credentials in headers
and URLs, JWTs, private keys, the keys that well-known services give out.

Rule 1: a text is looked at whole. Who has it in pieces gives them to a `Flow`, and who wants only
    its beginning asks for `beginning`: half a secret looks like nothing.
Rule 2: what is no secret stays as it is. Where looks alone decide, they are looks that ordinary
    words do not have.
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from attrs import define, field, frozen

GONE = "***"

SHORTEST = 4
"""Characters of a secret: anything shorter would black out half of an ordinary text."""
SHORTEST_IN_BASE64 = 8
"""Characters of one that is looked for in base64 too, where less of it can be seen."""
SPELLED = 24
"""Characters that one of a secret may take: an emoji in a URL in a URL, and others less."""
LONGEST_LINE = 64 * 1024
"""Characters of a line that comes in pieces; what is longer is not told at all."""

_NAMES_A_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL", re.IGNORECASE)

_WORD = (
    r"(?:[\w.-]{0,40}[_.-])?"
    r"(?:access|auth|bearer|refresh|id|client|api|app|private|signing)?[_.-]?"
    r"(?:token|secret|password|passwd|passphrase|credentials?"
)
"""How what holds a secret is called; a `key` may be anything, so it needs more before it."""
_LOOKS: tuple[tuple[str, str], ...] = (
    # A private key in PEM, its line breaks perhaps escaped; also when its end or its start is cut.
    (
        r"-----BEGIN [A-Z0-9 ]{0,20}PRIVATE KEY-----"
        r"(?:(?:(?!-----BEGIN)[\s\S]){0,20000}?-----END [A-Z0-9 ]{0,20}PRIVATE KEY-----"
        r"|(?:\s|\\{1,4}[nr]|[A-Za-z0-9+/=]{12,}+)*+)",
        GONE,
    ),
    (
        r"(?<![A-Za-z0-9+/=])(?:[A-Za-z0-9+/=]{1,80}+(?:\s|\\{1,4}[nr]){1,4}+){0,100}+"
        r"-----END [A-Z0-9 ]{0,20}PRIVATE KEY-----",
        GONE,
    ),
    # A header, as it is sent, in JSON, or as Python shows it.
    (
        r"(?i)\b((?:proxy-)?authorization\\{0,4}[\"']?\s{0,4}[:=,]\s{0,4}b?\\{0,4}[\"']?)"
        r"(?:(?:bearer|basic|token|negotiate|apikey)\s{1,4}[^\s\"'\\,;<]+|digest\s[^\r\n]+"
        r"|[^\s\"'\\,;<]{16,})",
        rf"\1{GONE}",
    ),
    (r"(?i)\b(bearer\s{1,4})(?=[^\s\"'<]{0,200}\d|[^\s\"'<]{20})[\w.~+/-]{8,}=*", rf"\1{GONE}"),
    (r"\beyJ[\w-]{6,}+\.[\w-]*+\.[\w-]++(?:\.[\w-]*+){0,2}", GONE),
    # What services give out is made to be found, because so much of it is lost.
    (r"\b(?:sk|pk|rk)[-_](?=[\w-]{0,200}\d)[\w-]{16,}", GONE),
    (r"\bgh[opsur]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}", GONE),
    (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\bxox[abeoprs]-[\w-]{10,}", GONE),
    (r"\b(?:npm|hf)_[A-Za-z0-9]{30,}\b", GONE),
    # URLs: who logs in (a user alone is a name for ssh, and a token for https), and what unlocks.
    (r"(?i)([a-z0-9]://)[^\s/?#@\"'<>:]{0,400}:[^\s/?#\"'<>@]{0,4000}@", rf"\1{GONE}@"),
    (r"(?i)(https?://)[^\s/?#@\"'<>]{1,4000}@", rf"\1{GONE}@"),
    (
        rf"(?i)([?&;]{_WORD}|signature|(?:[\w.-]{{0,40}}[_.-])?(?:key|sig)|apikey)=)"
        r"[^&\s\"'<>#\\]+",
        rf"\1{GONE}",
    ),
    # A member of JSON, which may itself stand in a text of JSON; and a line of an environment.
    (
        rf"(?i)(\"{_WORD}|(?:api|access|private)[_-]?key)(\\{{0,4}})\"\s{{0,4}}:\s{{0,4}}\2\")"
        r"(?:(?!(?<!\\)\2\")[\s\S]){1,4096}",
        rf"\1{GONE}",
    ),
    (
        r"\b([A-Z][A-Z0-9_]{0,60}_(?:KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)=)[^\s\"'<$*]+",
        rf"\1{GONE}",
    ),
)
_BY_LOOKS = tuple((re.compile(look), instead) for look, instead in _LOOKS)

_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,20}PRIVATE KEY-----(?![\s\S]*-----END )")
_END = re.compile(r"-----END [A-Z0-9 ]{0,20}PRIVATE KEY-----")


def secrets_of(env: Mapping[str, str], others: Iterable[str] = ()) -> tuple[str, ...]:
    """The values in an environment that are secrets by their names, and others; longest first."""
    values = {value for name, value in env.items() if _NAMES_A_SECRET.search(name)}.union(others)
    return tuple(sorted((v for v in values if len(v) >= SHORTEST), key=len, reverse=True))


@frozen
class Redactor:
    """Takes secrets out of texts: those that it was told, and what looks like one."""

    _secrets: tuple[str, ...] = field(default=(), repr=False, converter=tuple[str, ...])
    _needles: tuple[bytes, ...] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        # Each line of a secret that has several is one by itself: texts are often told by lines.
        lines = (line for secret in self._secrets for line in (secret, *secret.splitlines()))
        known = secrets_of({}, (line.strip() for line in lines))
        needles = {needle for secret in known for needle in _needles(secret)}
        object.__setattr__(self, "_needles", tuple(sorted(needles, key=len, reverse=True)))

    def knowing(self, secrets: Iterable[str]) -> Redactor:
        """One that knows further secrets too."""
        return Redactor((*self._secrets, *secrets))

    def __call__(self, text: str) -> str:
        """The text with `***` for every secret."""
        if self._needles:
            text = self._without_needles(text)
        for look, instead in _BY_LOOKS:
            text = look.sub(instead, text)
        return text

    def beginning(self, text: str, most: int) -> str:
        """The first characters of a text, which may be very long: those alone are looked at, and
        as many more as a secret that begins among them can take."""
        reach = max(4096, SPELLED * max(map(len, self._secrets), default=0))
        return self(text[: most + reach])[:most]

    def _without_needles(self, text: str) -> str:
        raw = text.encode(errors="surrogatepass")
        spans = [span for reading in _readings(raw) for span in reading.spans(self._needles)]
        if not spans:
            return text
        told, at = bytearray(), 0
        for start, end in sorted(spans):
            if start >= at:
                told += raw[at:start] + GONE.encode()
            at = max(at, end)
        return (told + raw[at:]).decode(errors="replace")


@define(eq=False)
class Flow:
    """Redacts a text that comes in pieces. It tells whole lines, when they have come."""

    redactor: Callable[[str], str]
    _unfinished: str = ""
    _too_long: bool = False
    _in_key: bool = False

    def feed(self, piece: str) -> str:
        """Take a piece; what can be told of it and of those before it."""
        lines, newline, self._unfinished = (self._unfinished + piece).rpartition("\n")
        if newline and self._too_long:  # the rest of it
            lines, self._too_long = lines.partition("\n")[2], False
        if len(self._unfinished) > LONGEST_LINE:
            self._unfinished, self._too_long = "", True
        return self._told(lines + newline)

    def rest(self) -> str:
        """What is left when nothing more comes."""
        rest, self._unfinished = ("" if self._too_long else self._unfinished), ""
        return self._told(rest)

    def _told(self, text: str) -> str:
        if self._in_key:
            end = _END.search(text)
            if end is None:
                return ""
            text, self._in_key = text[end.end() :], False
        if begin := _BEGIN.search(text):
            text, self._in_key = f"{text[: begin.start()]}{GONE}\n", True
        return self.redactor(text)


def _needles(secret: str) -> Iterator[bytes]:
    """What to look for: a secret as it is, as a form says it, and what is sure of it in base64."""
    given = secret.encode(errors="surrogatepass")
    yield given
    yield given.replace(b" ", b"+")
    if len(given) < SHORTEST_IN_BASE64:
        return
    for before in range(3):  # how many bytes of something else share its first four characters
        text = base64.b64encode(bytes(before) + given)
        sure = text[-(-before * 8 // 6) : (before + len(given)) * 8 // 6]
        yield sure
        yield sure.translate(bytes.maketrans(b"+/", b"-_"))


# Escapes: what a text says when they are read, and where that stands

_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_BACKSLASH = re.compile(
    rb"\\(?:u([dD][89abAB][0-9A-Fa-f]{2})\\u([dD][c-fC-F][0-9A-Fa-f]{2})"
    rb"|u([0-9A-Fa-f]{4})|U(00[01][0-9A-Fa-f]{5})|x([0-9A-Fa-f]{2})|([\"'/\\nrtbf]))"
)
_SHORT = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


@frozen
class Reading:
    """A text whose escapes were read, and where each piece of it stood."""

    text: bytes
    _ours: Sequence[int] = (0,)
    _theirs: Sequence[int] = (0,)
    _below: Reading | None = None
    """What was read to get this one; nothing for the text itself."""

    def spans(self, needles: Iterable[bytes]) -> Iterator[tuple[int, int]]:
        """Where needles stand in the text itself, spelled as they are there."""
        for needle in needles:
            at = self.text.find(needle)
            while at >= 0:
                yield self._origin(at), self._origin(at + len(needle), ending=True)
                at = self.text.find(needle, at + 1)

    def read(self, escape: re.Pattern[bytes], say: Callable[[re.Match[bytes]], bytes]) -> Reading:
        """Read the escapes of one kind."""
        said, ours, theirs, at = bytearray(), [0], [0], 0
        for found in escape.finditer(self.text):
            said += self.text[at : found.start()]
            ours.append(len(said))
            theirs.append(found.start())
            said += say(found)
            at = found.end()
            ours.append(len(said))
            theirs.append(at)
        return Reading(bytes(said + self.text[at:]), ours, theirs, self)

    def _origin(self, at: int, *, ending: bool = False) -> int:
        if self._below is None:
            return at
        place = bisect_right(self._ours, at) - 1
        inside = at - self._ours[place]
        if inside and place % 2:  # in the middle of what one escape says: all of it
            found = self._theirs[place + 1] if ending else self._theirs[place]
        else:
            found = self._theirs[place] + inside
        return self._below._origin(found, ending=ending)


def _readings(raw: bytes) -> Iterator[Reading]:
    """A text as it is, and with its escapes read in every order, two deep."""
    itself = Reading(raw)
    yield itself
    for first in _read(itself):
        yield first
        yield from _read(first)


def _read(reading: Reading) -> Iterator[Reading]:
    if b"%" in reading.text:
        yield reading.read(_PERCENT, lambda found: bytes.fromhex(found[1].decode()))
    if b"\\" in reading.text:
        yield reading.read(_BACKSLASH, _said)
        if b"\\x" in reading.text:  # in Python a character in a text, and a byte among bytes
            yield reading.read(_BACKSLASH, _said_by_bytes)


def _said(found: re.Match[bytes], *, in_bytes: bool = False) -> bytes:
    high, low, code, long, byte, short = found.groups()
    if short:
        return _SHORT.get(short, short)
    if byte and in_bytes:
        return bytes.fromhex(byte.decode())
    if high:
        return bytes.fromhex((high + low).decode()).decode("utf-16-be").encode()
    value = int(code or long or byte, 16)
    return chr(value).encode(errors="surrogatepass") if value < 0x110000 else found[0]


_said_by_bytes = partial(_said, in_bytes=True)
