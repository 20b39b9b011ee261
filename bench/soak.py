"""Memory over many tasks: does it stay, once what is kept is full?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from bench.environments import Missing
from bench.figures import rounded, slope
from bench.load import Hopeless
from bench.machine import settled
from bench.targets import Failed, Target, running
from bench.works import fill

STEP = 5_000
TASKS = 50_000


@frozen
class Soaked:
    """The memory of one target: pairs of the tasks that it has finished and MiB."""

    name: str
    points: Sequence[tuple[int, float]]
    why: str = ""
    """Why there are no more of them."""

    @property
    def slope(self) -> float:
        """KiB that each task of the second half has added."""
        return slope(self.points) * 1024


def soak(
    targets: Sequence[Target],
    *,
    step: int = STEP,
    tasks: int = TASKS,
    tell: Callable[[str], None],
) -> list[Soaked]:
    """Give each target many tasks, and look at its memory in between."""
    return [_soak(target, step, tasks, tell) for target in targets]


def _soak(target: Target, step: int, tasks: int, tell: Callable[[str], None]) -> Soaked:
    points: list[tuple[int, float]] = []
    try:
        with running(target) as server:
            fill(server, 1)  # what the first one loads is not what a task costs
            points.append((0, settled(server.pid)))
            for done in range(step, tasks + 1, step):
                fill(server, step)
                points.append((done, settled(server.pid)))
                tell(f"    {target.name}: {points[-1][1]:.1f} MiB after {done:,} tasks")
    except (Missing, Failed, Hopeless) as exc:
        tell(f"    {target.name}: {exc}")
        return Soaked(target.name, points, str(exc))
    return Soaked(target.name, points)


def table(results: Sequence[Soaked]) -> str:
    """MiB of each target at each step, and what a late task adds."""
    steps = sorted({tasks for result in results for tasks, _ in result.points})
    head = ["MiB after", *(f"{tasks:,}" for tasks in steps), "KiB for each late task"]
    lines = [head, ["---"] * len(head)]
    for result in results:
        known = dict(result.points)
        cells = [f"{known[tasks]:.0f}" if tasks in known else "–" for tasks in steps]
        late = rounded(result.slope) if len(result.points) > 3 else "–"
        lines.append([result.name, *cells, late])
    said = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    broken = [f"- {result.name} cannot: {result.why}" for result in results if result.why]
    return "\n".join((said, *(["", *broken] if broken else [])))
