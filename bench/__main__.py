"""Measure this checkout beside others, in one run. The table goes to stdout, the rest to stderr."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench import machine, soak
from bench.plan import everything, quick
from bench.plot import chart
from bench.report import ROOT, Report, as_json, write
from bench.rounds import run
from bench.targets import TARGETS, Target
from bench.works import KINDS, Pace

QUICK = ("peer", "sdk", "bare", "ours")

CHARTS = {
    "stream": ("A stream, by its length", "chunks", "seconds"),
    "fanout": ("200 chunks, by those who follow", "followers", "seconds"),
    "list": ("A page of 50 tasks, by how many there are", "tasks", "seconds"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    # Told to stop, it leaves its blocks, so that no server stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    names = options.targets or (QUICK if options.quick else tuple(TARGETS))
    targets = [TARGETS[name] for name in names]
    if options.memory:
        return _memory(targets, options.write)
    works = [
        work
        for work in (quick() if options.quick else everything())
        if not options.only or work.kind in options.only
    ]
    pace = Pace(options.seconds or (1.0 if options.quick else 2.0))
    rounds = options.rounds or (2 if options.quick else 5)
    before = machine.described()
    rows = run(works, targets, rounds=rounds, pace=pace, tell=_tell)
    report = Report(rows, targets, before, rounds, pace)
    print("\n\n".join(filter(None, report.blocks().values())))
    if options.json:
        options.json.write_text(as_json(report.document()))
    if options.write:
        write(report.blocks())
        _draw(report)
    wrong = sum(row.errors(name)[0] for row in rows for name in row.measures)
    return 1 if wrong else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="two minutes instead of most of an hour"
    )
    parser.add_argument("--only", type=_some(KINDS), metavar="KIND,...", help=", ".join(KINDS))
    parser.add_argument(
        "--targets", type=_some(TARGETS), metavar="TARGET,...", help=", ".join(TARGETS)
    )
    parser.add_argument("--rounds", type=int, help="how often each target is measured")
    parser.add_argument("--seconds", type=float, help="how long a round lasts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all of it, for programs")
    parser.add_argument(
        "--memory",
        action="store_true",
        help=f"measure memory over {soak.TASKS:,} tasks, and nothing else",
    )
    parser.add_argument(
        "--write", action="store_true", help="fill the tables and charts of the documents"
    )
    return parser.parse_args(arguments)


def _some(known: Iterable[str]) -> Callable[[str], list[str]]:
    """A reader of names, with commas between them."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"no {name!r}; there are {', '.join(known)}")
        return names

    return read


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _memory(targets: Sequence[Target], wanted: bool) -> int:
    table = soak.table(soak.soak(targets, tell=_tell))
    print(table)
    if wanted:
        write({"memory": table})
    return 0


def _draw(report: Report) -> None:
    for kind, (title, across, up) in CHARTS.items():
        curves = {name: points for name, points in report.curves(kind).items() if len(points) > 1}
        if curves:
            picture = chart(title, across, up, curves, tuple(TARGETS))
            (ROOT / f"docs/growth-{kind}.svg").write_text(picture)


if __name__ == "__main__":
    sys.exit(main())
