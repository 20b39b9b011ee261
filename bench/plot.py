"""A chart as SVG: points on two logarithmic axes, a curve for each target.

On such axes a power is a straight line, and how steep it is is the order of growth. Colours are
readable on white and on black; there is no background.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from bench.figures import order

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 180, 40, 50
"""Room beside the axes; on the right stand the names."""

INK = "#808080"
COLOURS = ("#d9822b", "#8a63d2", "#5b8c5a", "#2b7bd9", "#c2497a", "#2aa198", "#999900")
BETWEEN = 16
"""How far names stand apart, at least."""


def chart(
    title: str, across: str, up: str, curves: Mapping[str, Points], names: Sequence[str]
) -> str:
    """The chart of some curves, their points in order, all of their numbers above zero.

    Each curve is named with its order of growth, where it has enough points for one. `names` are
    all that there may be: each has one colour, in every chart.
    """
    colours = dict(zip(names, COLOURS, strict=False))
    every = [point for points in curves.values() for point in points]
    x = _Axis.over([size for size, _ in every], LEFT, WIDTH - RIGHT)
    y = _Axis.over([time for _, time in every], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12" '
        f'fill="{INK}">',
        f"<title>{escape(title)}</title>",
        _text(LEFT, TOP - 18, title, "start", ' font-weight="bold"'),
    ]
    for value in x.decades():
        at = x.place(value)
        parts += [
            _line(at, TOP, at, HEIGHT - BOTTOM),
            _text(at, HEIGHT - BOTTOM + 18, short(value)),
        ]
    for value in y.decades():
        at = y.place(value)
        parts += [_line(LEFT, at, WIDTH - RIGHT, at), _text(LEFT - 8, at + 4, short(value), "end")]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, across))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(_text(18, middle, up, more=f' transform="rotate(-90 18 {middle:.1f})"'))
    ends = {name: y.place(points[-1][1]) for name, points in curves.items()}
    labels = spread(ends, BETWEEN)
    for name, points in curves.items():
        colour = colours[name]
        places = [(x.place(size), y.place(time)) for size, time in points]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
        power = order(points)
        label = name if power is None else f"{name}, power {power:.2f}"
        parts.append(
            _text(WIDTH - RIGHT + 8, labels[name] + 4, label, "start", f' style="fill:{colour}"')
        )
    return "\n".join((*parts, "</svg>", ""))


class _Axis:
    """A logarithmic axis over whole decades."""

    def __init__(self, first: int, last: int, start: float, end: float) -> None:
        self._first, self._last = first, last
        self._start, self._end = start, end

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        first = math.floor(math.log10(min(values)))
        last = math.ceil(math.log10(max(values)))
        return cls(first, max(last, first + 1), start, end)

    def place(self, value: float) -> float:
        share = (math.log10(value) - self._first) / (self._last - self._first)
        return self._start + share * (self._end - self._start)

    def decades(self) -> list[float]:
        return [10.0**power for power in range(self._first, self._last + 1)]


def spread(places: Mapping[str, float], least: float) -> dict[str, float]:
    """The same places, moved downwards until they are at least so far apart."""
    found: dict[str, float] = {}
    last = -math.inf
    for name, place in sorted(places.items(), key=lambda each: each[1]):
        last = found[name] = max(place, last + least)
    return found


def short(value: float) -> str:
    """A power of ten for an axis: 0.001, 1, 10,000."""
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _text(x: float, y: float, text: str, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{INK}" stroke-opacity="0.3"/>'
    )
