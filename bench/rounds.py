"""The run: for each work, every target in turn, round after round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from statistics import median

from attrs import define, field

from bench.environments import Missing
from bench.figures import Ratio, ratio
from bench.load import Hopeless
from bench.speech import Wrong
from bench.targets import PEER, Failed, Server, Target, running
from bench.works import KINDS, Measure, Pace, Round, Work


@define(eq=False)
class Row:
    """One work, with what was measured of each target."""

    work: Work
    measures: dict[str, list[Measure]] = field(factory=dict)
    """By the target's name, one for each round; the same rounds for all."""
    cannot: dict[str, str] = field(factory=dict)
    """Who cannot do this, and why."""

    def value(self, name: str) -> float | None:
        """The median over the rounds."""
        measures = self.measures.get(name)
        return median(measure.value for measure in measures) if measures else None

    def detail(self, name: str, key: str) -> float | None:
        measures = self.measures.get(name, ())
        values = [measure.details[key] for measure in measures if key in measure.details]
        return median(values) if values else None

    def ratio(self, name: str) -> Ratio | None:
        """How many times better than the peer."""
        ours, theirs = (
            [measure.value for measure in self.measures.get(each, ())] for each in (name, PEER)
        )
        return ratio(ours, theirs, more_is_better=KINDS[self.work.kind].more_is_better)

    def cpu_ratio(self, name: str) -> Ratio | None:
        """How many times less CPU than the peer, for a request."""
        ours, theirs = (
            [measure.details.get("cpu", 0.0) for measure in self.measures.get(each, ())]
            for each in (name, PEER)
        )
        return ratio(ours, theirs, more_is_better=False)

    def errors(self, name: str) -> tuple[int, str]:
        """Wrong answers over all rounds, and what was wrong with the first."""
        measures = self.measures.get(name, ())
        samples = [measure.wrong for measure in measures if measure.wrong]
        return sum(measure.errors for measure in measures), samples[0] if samples else ""


def run(
    works: Sequence[Work],
    targets: Sequence[Target],
    *,
    rounds: int,
    pace: Pace,
    tell: Callable[[str], None],
) -> list[Row]:
    """Measure all works on all targets. `tell` hears what is going on, a line at a time."""
    rows = []
    for number, work in enumerate(works, 1):
        tell(f"{number}/{len(works)} {work}")
        row = _measure(work, targets, rounds, pace)
        for name in (target.name for target in targets):
            tell(f"    {name}: {_short(row, name)}")
        rows.append(row)
    return rows


def _measure(work: Work, targets: Sequence[Target], rounds: int, pace: Pace) -> Row:
    """Each work begins with fresh servers: none pays for what another work has left in it."""
    row = Row(work)
    with ExitStack() as servers:
        ready: dict[str, tuple[Server, Round]] = {}
        for target in targets:
            try:
                server = servers.enter_context(running(target))
                ready[target.name] = server, KINDS[work.kind].prepare(server, work)
            except (Missing, Failed, Wrong, Hopeless) as exc:
                row.cannot[target.name] = str(exc)
        for _ in range(min(rounds, KINDS[work.kind].rounds)):
            for name, (_, measure) in list(ready.items()):
                try:
                    row.measures.setdefault(name, []).append(measure(pace))
                except (Failed, Wrong, Hopeless) as exc:
                    # What it did before it broke is not a result.
                    del ready[name], row.measures[name]
                    row.cannot[name] = str(exc)
    return row


def _short(row: Row, name: str) -> str:
    value = row.value(name)
    if value is None:
        return f"cannot: {row.cannot[name]}"
    compared = row.ratio(name) if name != PEER else None
    errors, wrong = row.errors(name)
    told = f"{value:,.4g} {KINDS[row.work.kind].unit}"
    told += f", {compared}" if compared else ""
    return told + (f", {errors} WRONG ANSWERS: {wrong}" if errors else "")
