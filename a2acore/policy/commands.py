"""What a command would run, as far as that can be told from its text.

It is read in two ways. To allow, it has to be plain: one program and its words, with nothing in it
that a shell acts on. To deny, it is cut up wherever a shell would, and more often rather than less.

Rule 1: what is not understood whole is never plain. The list is of what is understood.
Rule 2: to deny, `None` says that it cannot be told. Then nothing may be allowed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from functools import lru_cache

from a2acore.policy.glob import ANY, among, fits, names

Command = str | tuple[str, ...] | None
"""A line for a shell, or a program and its arguments; `None` is one that cannot be found."""

LONGEST = 20_000
"""Characters: a longer command is not looked at, and so neither allowed nor surely denied."""
DEEPEST = 8
"""Commands within commands."""

_BARE = r"[A-Za-z0-9_./:@%+,=-]"
"""Characters that no shell acts on, wherever they stand; but for `=`, see below."""
_QUOTED = r"""'[^']*'|"[^"$`\\!]*\""""
_WORD = rf"(?!=)(?:{_BARE}|{_QUOTED})+"  # zsh puts the path of a program in place of `=program`
_LINE = re.compile(rf"{_WORD}(?: +{_WORD})*")
_ARGUMENT = re.compile(rf"{_BARE}+")
_PROGRAM = re.compile(r"[A-Za-z0-9_./+-]+")
"""Not `NAME=value`, which sets what the program is run with."""

_SHELL = re.compile(r"(?:/(?:usr/(?:local/)?)?bin/)?(?:ba|z|da|k)?sh")
_RUNS_TEXT = frozenset({"-c", "-lc"})

_CUTS = ";&|<>()`\n"
_NESTING = re.compile(r"[\s;&|<>()`$]")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_UNCERTAIN = re.compile(r"[$`{]")
_RUNNERS = names(
    "sh bash zsh dash ksh eval exec command builtin env sudo doas su nohup setsid nice ionice "
    "time timeout stdbuf xargs parallel find busybox chroot unshare watch script strace ssh "
    "! { if then elif else while until do"
)
"""Words in front of a program that is run all the same."""


def pattern(text: str) -> tuple[str, ...]:
    """The pattern that a rule writes as words; a last `*` is any number of words.

    Raises:
        ValueError: it says more than the words of one program, so that nothing would fit it.
    """
    if re.search(r"[;&|<>()`$\n]", text):
        raise ValueError("is about one program and its words, without anything for a shell")
    words = shlex.split(text)
    if not words:
        raise ValueError("must not be empty")
    return (*words[:-1], ANY if words[-1] == "*" else words[-1])


def plain(command: Command, depth: int = 0) -> tuple[str, ...] | None:
    """The words of a command that is plain, or `None`.

    A shell that is run for nothing but a line is taken for the line.
    """
    if command is None or depth > DEEPEST:
        return None
    if isinstance(command, str):
        if len(command) > LONGEST or not command.isprintable() or not _LINE.fullmatch(command):
            return None
        words = tuple(shlex.split(command))
    else:
        words = command
    if _is_shell(words):
        return plain(words[2], depth + 1)
    # Whoever runs a list may put the words together again, and not all do so with care.
    if not isinstance(command, str) and not all(_ARGUMENT.fullmatch(word) for word in words):
        return None
    return words if words and _PROGRAM.fullmatch(words[0]) else None


def _is_shell(words: Sequence[str]) -> bool:
    return len(words) == 3 and bool(_SHELL.fullmatch(words[0])) and words[1] in _RUNS_TEXT


def runs(command: Command, pattern: Sequence[str], depth: int = 0) -> bool | None:
    """Whether any program that a command runs fits the pattern; `None` if it may be."""
    if command is None or depth > DEEPEST or len("".join(command)) > LONGEST:
        return None
    pattern = [glob.casefold() for glob in pattern]
    try:
        pieces = _pieces(command) if isinstance(command, str) else (command,)
    except ValueError:  # a quote without its end
        return None
    found = [_piece(piece, pattern, depth) for piece in pieces]
    if True in found:
        return True
    unsure = None in found or (isinstance(command, str) and _UNCERTAIN.search(command))
    return None if unsure else False


@lru_cache(maxsize=8)  # each rule looks at the same ones again
def _pieces(text: str) -> tuple[tuple[str, ...], ...]:
    """A line cut up into the programs that it runs, each with its words, without redirections."""
    lexer = shlex.shlex(text.replace("\\\n", ""), posix=True, punctuation_chars=_CUTS)
    lexer.whitespace = " \t\r\f\v"
    lexer.whitespace_split = True
    lexer.commenters = ""
    pieces: list[tuple[str, ...]] = []
    piece: list[str] = []
    tokens = iter(lexer)
    for token in tokens:
        if not token or set(token) - set(_CUTS):
            piece.append(token)
        elif set(token) <= set("<>&") and set(token) & set("<>"):
            if piece and piece[-1].isdigit():  # which stream it is
                piece.pop()
            next(tokens, None)
        else:
            pieces.append(tuple(piece))
            piece = []
    return (*pieces, tuple(piece))


def _piece(words: Sequence[str], pattern: Sequence[str], depth: int) -> bool | None:
    while words and _ASSIGNMENT.match(words[0]):
        words = words[1:]
    if not words:
        return False
    runner = _name(words[0].casefold()) in _RUNNERS
    whole = [word.casefold() for word in words]
    called = whole if "/" in pattern[0] else [_name(word) for word in whole]
    for at in range(len(whole) if runner else 1):
        if fits(called[at : at + 1], pattern[:1]) and fits(whole, pattern[1:], at + 1):
            return True
    unsure = not _PROGRAM.fullmatch(words[0]) or among(
        (form for pair in zip(called, whole, strict=True) for form in pair), pattern
    )
    for word in words:
        if not _NESTING.search(word):
            continue
        match runs(word, pattern, depth + 1):
            case True if runner or "`" in word or "$(" in word:
                return True
            case True | None:
                unsure = True
    return None if unsure else False


def _name(word: str) -> str:
    """A program without its folder."""
    return word.rpartition("/")[2]
