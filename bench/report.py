"""What was measured, told: tables for people, JSON for programs, blocks in the documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from bench.figures import order, rounded
from bench.plan import HEADLINE
from bench.rounds import Row
from bench.speech import FIRST
from bench.targets import OURS, PEER, Target
from bench.works import KINDS, PER_SECOND, Pace

ROOT = Path(__file__).parents[1]
DOCUMENTS = (ROOT / "docs/performance.md", ROOT / "README.md")
"""Where blocks are filled, if they are there."""

NOTHING = "–"
SATURATED = 0.85
"""The share of a core from which on it was we who were measured."""


@frozen
class Report:
    """One run."""

    rows: Sequence[Row]
    targets: Sequence[Target]
    machine: Mapping[str, str]
    rounds: int
    pace: Pace

    # For people

    def summary(self) -> str:
        """One row for each work, one column for each target."""
        names = [target.name for target in self.targets]
        return _table(
            ("", *names),
            ((str(row.work), *(self._cell(row, name) for name in names)) for row in self.rows),
        )

    def _cell(self, row: Row, name: str) -> str:
        value = row.value(name)
        if value is None:
            return NOTHING
        compared = row.ratio(name) if name != PEER else None
        return _with_unit(value, row) + (f", **{compared}**" if compared else "")

    def details(self) -> str:
        """One row for each work and target."""
        head = ("", "", "p50 ms", "p99 ms", "first ms", "CPU µs", "by CPU", "our CPU", "wrong")
        return _table(head, (line for row in self.rows for line in self._lines(row)))

    def _lines(self, row: Row) -> Iterable[tuple[str, ...]]:
        if KINDS[row.work.kind].unit != PER_SECOND and row.work.kind != "fanout":
            return
        for target in self.targets:
            if target.name in row.measures:
                keys = ("p50", "p99", "first" if row.work.kind == "stream" else "", "cpu")
                figures = [row.detail(target.name, key) for key in keys]
                own = row.detail(target.name, "generator") or 0.0
                yield (
                    str(row.work),
                    target.name,
                    *(NOTHING if each is None else rounded(each) for each in figures),
                    str((target.name != PEER and row.cpu_ratio(target.name)) or NOTHING),
                    f"{own:.0%}" + (" (!)" if own >= SATURATED else ""),
                    str(row.errors(target.name)[0]),
                )

    def notes(self) -> str:
        """Why there are dashes, and what was wrong with answers; nothing, if there is nothing."""
        found: dict[str, list[str]] = {}
        for row in self.rows:
            for name, reason in row.cannot.items():
                found.setdefault(f"{name} cannot: {reason}", []).append(str(row.work))
            for name in row.measures:
                errors, wrong = row.errors(name)
                if errors:
                    found.setdefault(f"{name} was wrong: {wrong}", []).append(str(row.work))
        return "\n".join(f"- {why} ({'; '.join(works)})" for why, works in found.items())

    def setting(self) -> str:
        """The machine and the method, in a sentence or two."""
        machine = self.machine
        return (
            f"Measured {machine['at']} on {machine['cpus']} × {machine['cpu']}, "
            f"{machine['memory']}, Linux {machine['kernel']}, Python {machine['python']}; load "
            f"{machine['load']} before. Medians of {self.rounds} rounds of "
            f"{self.pace.seconds:g} s. Bold: how many times better than `peer`, in brackets the "
            "least and the most of a round."
        )

    def headline(self) -> str:
        """What the README shows of it."""
        rows = {row.work: row for row in self.rows}
        return _table(
            ("", "a2acode", "peer", "better by"),
            (
                (
                    str(work),
                    self._plain(rows[work], OURS),
                    self._plain(rows[work], PEER),
                    str(rows[work].ratio(OURS) or NOTHING),
                )
                for work in HEADLINE
                if work in rows
            ),
        )

    def _plain(self, row: Row, name: str) -> str:
        value = row.value(name)
        return NOTHING if value is None else _with_unit(value, row)

    # Growth

    def curves(self, kind: str) -> dict[str, list[tuple[float, float]]]:
        """Seconds against the size of a work, for each target; one caller at a time."""
        found: dict[str, list[tuple[float, float]]] = {}
        for row in self.rows:
            work = row.work
            if (work.kind, work.callers, work.form) != (kind, 1, FIRST) or not work.size:
                continue
            for name in row.measures:
                value = row.value(name)
                if value:
                    unit = KINDS[kind].unit
                    seconds = 1 / value if unit == PER_SECOND else value / 1e3
                    found.setdefault(name, []).append((work.size, seconds))
        return {name: sorted(points) for name, points in found.items()}

    def growth(self) -> str:
        """The order of growth of what grows with something."""
        names = [target.name for target in self.targets]
        rows = []
        for kind, what in GROWING.items():
            curves = self.curves(kind)
            orders = {name: order(points) for name, points in curves.items()}
            if any(each is not None for each in orders.values()):
                cells = (orders.get(name) for name in names)
                rows.append((what, *(NOTHING if k is None else f"{k:.2f}" for k in cells)))
        return _table(("time grows with the power of", *names), rows)

    # For programs

    def document(self) -> dict[str, Any]:
        """All of it, every round, as JSON."""
        return {
            "machine": dict(self.machine),
            "rounds": self.rounds,
            "seconds": self.pace.seconds,
            "targets": {target.name: target.about for target in self.targets},
            "rows": [_row(row) for row in self.rows],
        }

    def blocks(self) -> dict[str, str]:
        """What goes into the documents."""
        return {
            "headline": self.headline(),
            "setting": self.setting(),
            "summary": self.summary() + ("\n\n" + self.notes() if self.notes() else ""),
            "growth": self.growth(),
            "details": self.details(),
        }


GROWING = {
    "stream": "the chunks of a stream",
    "fanout": "the followers of a task",
    "list": "the tasks there are, for a page of them",
    "get": "the tasks there are, for one of them",
}


def _row(row: Row) -> dict[str, Any]:
    kind = KINDS[row.work.kind]
    results = {}
    for name, measures in row.measures.items():
        compared = row.ratio(name)
        results[name] = {
            "value": row.value(name),
            "better": asdict(compared) if compared else None,
            "rounds": [asdict(measure) for measure in measures],
        }
    return {
        "work": str(row.work),
        "kind": row.work.kind,
        "size": row.work.size,
        "callers": row.work.callers,
        "form": str(row.work.form),
        "unit": kind.unit,
        "more_is_better": kind.more_is_better,
        "results": results,
        "cannot": row.cannot,
    }


def _with_unit(value: float, row: Row) -> str:
    unit = KINDS[row.work.kind].unit
    return rounded(value) + (unit if unit == PER_SECOND else f" {unit}")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fill(text: str, blocks: Mapping[str, str]) -> str:
    """The text, with what stands between `<!-- bench:NAME -->` and `<!-- /bench -->` made anew.

    Blocks that are not in the text are left out; those that are in the text alone stay.
    """

    def anew(found: re.Match[str]) -> str:
        block = blocks.get(found[2])
        return found[0] if block is None else f"{found[1]}\n{block}\n{found[3]}"

    return re.sub(r"(<!-- bench:(\w+) -->).*?(<!-- /bench -->)", anew, text, flags=re.DOTALL)


def write(blocks: Mapping[str, str]) -> None:
    """Fill the blocks of all documents that have them."""
    for document in DOCUMENTS:
        before = document.read_text()
        after = fill(before, blocks)
        if after != before:
            document.write_text(after)


def as_json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1) + "\n"
