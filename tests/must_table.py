"""The table of what A2A asks and what proves that we keep to it: `docs/conformance.md`.

    python -m tests.must_table

writes it anew. What proves a statement is found, not told: a test that names its id, or a check of
`a2acode conformance` that does. What nothing proves has its reason in `spec/reasons.toml`.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from attrs import frozen

from a2acli.conformance import checks as checks  # importing them registers them
from a2acli.conformance.musts import Must, musts, spec
from a2acli.conformance.registry import CHECKS

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs/conformance.md"

LINES = {"0.3": "A2A 0.3.0", "1.0": "A2A 1.0"}
WHO = {
    "S": "servers",
    "C": "clients",
    "B": "both",
    "X": "authors",
    "T": "tools",
}

ABOUT_IDS = {"test_conformance", "test_must_table"}
"""Tests of those who judge: they name ids, and prove nothing of a server or a client."""

ID = re.compile(r"(V(?:03|10)-(?:MUST|SHOULD)-)(\d{3})(?: to \1(\d{3}))?")
"""An id, or the first and the last of a row of them."""

INTRODUCTION = """\
# What A2A asks, and what proves it

Every statement of both lines of the protocol that binds somebody, in our words, and beside each
what proves that a2acode keeps to it: tests (`tests/FILE.py::TEST`, here without the folder) and
checks of `a2acode conformance`, which are played against our own server by
`tests/test_conformance.py`. Where nothing is proved stands the reason: it does not bind us, it is
another's to see to, or it is not done yet.

This page is made by `python -m tests.must_table`, from `spec/must.toml` (the statements),
`spec/reasons.toml` (the reasons), and the ids that tests and checks name. A test fails when it is
not what that command makes, when a statement has neither a proof nor a reason, and when a reason
is no longer needed.

The same checks can be asked of any server, whoever wrote it:

    a2acode conformance URL

It reports by these ids, as text, as JSON or as JUnit XML; its `--help` says more.

The second column says whom a statement binds: servers, clients (and who receives webhooks), both,
authors of extensions and of bindings of their own, or tools.
"""


@frozen
class Reason:
    """Why statements are not proved."""

    why: str
    ids: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    """Checks that prove nothing of our server: it gives them no occasion, or does not pass them."""


@cache
def reasons() -> tuple[Reason, ...]:
    told = tomllib.loads((spec() / "reasons.toml").read_text("utf-8"))["reason"]
    return tuple(
        Reason(each["why"], tuple(each.get("ids", ())), tuple(each.get("checks", ())))
        for each in told
    )


@cache
def excuses() -> Mapping[str, str]:
    """The reason of each statement that has one."""
    return {id: reason.why for reason in reasons() for id in reason.ids}


@cache
def proofs() -> Mapping[str, tuple[str, ...]]:
    """What proves each statement that is proved, tests first."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        for id, test in _cited(path) if path.stem not in ABOUT_IDS else ():
            found[id].append(f"`{path.stem}::{test}`" if test else f"`{path.stem}`")
    mute = {name for reason in reasons() for name in reason.checks}
    for check in CHECKS:
        for id in check.ids if check.name not in mute else ():
            found[id].append(f"`a2acode conformance`: {check.name}")
    return {id: tuple(dict.fromkeys(names)) for id, names in found.items()}


def _cited(path: Path) -> Iterator[tuple[str, str]]:
    """The ids that a file of tests names, each with its test; without one when all of them do."""
    text = path.read_text("utf-8")
    lines = text.split("\n")
    module = ast.parse(text)
    for id in ids_in(ast.get_docstring(module) or ""):
        yield id, ""
    tables: dict[str, list[str]] = {}
    for node in module.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            ids = ids_in(_source(lines, node))
            tables |= {target.id: ids for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("test_"):
                tables[node.name] = ids_in(_source(lines, node))
                continue
            for id in ids_in(_source(lines, node)):
                yield id, node.name
            for used in ast.walk(node):
                if isinstance(used, ast.Name):
                    for id in tables.get(used.id, ()):
                        yield id, node.name


def _source(lines: list[str], node: ast.stmt) -> str:
    """The lines of a statement, with its decorators and the comments right above it."""
    decorators = getattr(node, "decorator_list", [])
    first = min(each.lineno for each in (node, *decorators)) - 1
    while first and lines[first - 1].startswith("#"):
        first -= 1
    return "\n".join(lines[first : node.end_lineno])


def ids_in(text: str) -> list[str]:
    """The ids that a text names, also those between two that `to` stands between."""
    joined = re.sub(r"\s*\n[ \t#]*", " ", text)
    return [
        f"{kind}{number:03}"
        for kind, first, last in ID.findall(joined)
        for number in range(int(first), int(last or first) + 1)
    ]


def document() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for line, title in LINES.items():
        asked = [must for must in musts().values() if must.line == line]
        parts.append(f"## {title}\n\n{_sum(asked)}\n")
        rows = ["| Id | Binds | What is asked | What proves it |", "| --- | --- | --- | --- |"]
        rows += [_row(must) for must in asked]
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


def _row(must: Must) -> str:
    told = "<br>".join(proofs().get(must.id, ())) or excuses().get(must.id, "")
    cells = (must.id, WHO[must.who], must.text, told)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _sum(asked: Iterable[Must]) -> str:
    """How many are proved, in a sentence."""
    counted = []
    for word, should in (("MUST", False), ("SHOULD", True)):
        of_kind = [must for must in asked if must.should is should]
        proved = sum(must.id in proofs() for must in of_kind)
        counted.append(f"Of {len(of_kind)} {word}, {proved} are proved")
    return "; of ".join((counted[0], counted[1].removeprefix("Of "))) + ". The rest have reasons."


if __name__ == "__main__":
    DOCUMENT.write_text(document(), "utf-8")
