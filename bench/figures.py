"""The arithmetic: medians, percentiles, ratios with their spread, orders of growth.

Plain functions on plain numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import linear_regression, median

from attrs import frozen


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all values do not exceed, by the nearest rank.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values, hence no percentile")
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


@frozen
class Ratio:
    """How many times better than another; above 1 is better, whatever was measured."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        middle, least, most = (rounded(each) for each in (self.median, self.least, self.most))
        return f"{middle}×" if least == most else f"{middle}× ({least}–{most})"


def ratio(ours: Sequence[float], theirs: Sequence[float], *, more_is_better: bool) -> Ratio | None:
    """Compare round by round; nothing, when there is no round with both.

    Both have a value for each round, in order. A round in which one of them has measured zero
    compares with nothing, and is left out.
    """
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=False) if a > 0 and b > 0]
    if not pairs:
        return None
    ratios = [a / b if more_is_better else b / a for a, b in pairs]
    return Ratio(median(ratios), min(ratios), max(ratios))


UPPER = 3
"""Of how many points, the largest, an order of growth is made."""


def order(points: Sequence[tuple[float, float]]) -> float | None:
    """The exponent k of `time = c * size ** k`: 0 is constant, 1 linear, 2 quadratic.

    It is fitted, by least squares of the logarithms, to the largest three sizes: below them, what
    a request costs besides hides the growth. Nothing, when there are fewer than three.
    """
    upper = sorted((size, time) for size, time in points if size > 0 and time > 0)[-UPPER:]
    if len(upper) < UPPER:
        return None
    sizes, times = zip(*upper, strict=True)
    return linear_regression([math.log(s) for s in sizes], [math.log(t) for t in times]).slope


def slope(points: Sequence[tuple[float, float]]) -> float:
    """What y grows by for each x, over the second half of the points, by least squares.

    The first half is left out: caches and the allocator are filling up there.
    """
    late = sorted(points)[len(points) // 2 :]
    return linear_regression(*zip(*late, strict=True)).slope


def rounded(value: float) -> str:
    """A number to three digits, for people; thousands are set apart."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"
