"""A number over the runs of a table as a line, with its limit and the runs that were stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from strandline.page_elements.html_elements import Html, element, joined, stepped_chart

_WIDTH, _HEIGHT = 1060, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 18, 16, 34
_TICKS = 4
_LABELS = 8
_SMALL_WIDTH, _SMALL_HEIGHT, _SMALL_EDGE = 150, 30, 4
_FLAT = 1e-12


@dataclass(frozen=True, slots=True)
class RunPoint:
    """One run. `value` None: there was nothing to measure; `stopped`: it was not published."""

    label: str
    value: float | None
    text: str
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """What the vertical axis shows: its ends, and how its numbers are written.

    `limit` is the value of the limit's line, if there is one, and `limit_text` what it says.
    """

    low: float
    high: float
    written: Callable[[float], str]
    limit: float | None = None
    limit_text: str = ""


def line_chart(name: str, points: Sequence[RunPoint], scale: Scale) -> Html:
    """The points from left to right, one per run, joined where neither lacks a value."""
    ticks = nice_ticks(scale.low, scale.high)
    low, high = min(scale.low, ticks[0]), max(scale.high, ticks[-1])
    across = [_across(position, len(points)) for position in range(len(points))]

    def down(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / ((high - low) or 1.0)

    parts = [_axis(ticks, down, scale)]
    for run in _unbroken(points):
        place = " ".join(f"{across[i]:.1f},{down(value):.1f}" for i, value in run)
        parts.append(element("polyline", points=place, class_="line"))
    if scale.limit is not None:
        parts.append(_limit(down(scale.limit), scale.limit_text))
    parts += [
        _mark(x, None if point.value is None else down(point.value), point)
        for x, point in zip(across, points, strict=True)
    ]
    parts += [
        element(
            "text", points[i].label, x=across[i], y=_HEIGHT - 10, text_anchor=_anchor(i, points)
        )
        for i in _labelled(len(points))
    ]
    return stepped_chart(name, parts, width=_WIDTH, height=_HEIGHT)


def small_line(name: str, values: Sequence[float | None]) -> Html:
    """A line without axes, for a cell of a table; its last value has a dot."""
    known = [value for value in values if value is not None and isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    flat = high - low < _FLAT
    inside = _SMALL_HEIGHT - 2 * _SMALL_EDGE

    def down(value: float) -> float:
        share = 0.5 if flat else (high - value) / (high - low)
        return _SMALL_EDGE + inside * share

    wide = _SMALL_WIDTH - 2 * _SMALL_EDGE
    between = wide / max(1, len(values) - 1)
    points = [RunPoint("", value, "") for value in values]
    lines = [
        element(
            "polyline",
            points=" ".join(
                f"{_SMALL_EDGE + i * between:.1f},{down(value):.1f}" for i, value in run
            ),
            class_="line",
        )
        for run in _unbroken(points)
    ]
    last = values[-1] if values else None
    if last is not None and isfinite(last):
        x = _SMALL_EDGE + (len(values) - 1) * between
        lines.append(element("circle", cx=x, cy=down(last), r=3, class_="dot"))
    return element(
        "svg",
        *lines,
        viewBox=f"0 0 {_SMALL_WIDTH} {_SMALL_HEIGHT}",
        width=_SMALL_WIDTH,
        role="img",
        aria_label=name,
    )


def nice_ticks(low: float, high: float) -> tuple[float, ...]:
    """Round numbers that cover the range from `low` to `high`, a few of them."""
    span = high - low
    if span < _FLAT:
        span = abs(high) or 1.0
        low = high - span
    rough = span / _TICKS
    size = 10.0 ** floor(log10(rough))
    step = next(size * by for by in (1, 2, 2.5, 5, 10) if size * by >= rough * (1 - 1e-9))
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return tuple(round(number * step, 12) for number in range(first, last + 1))


def _across(position: int, count: int) -> float:
    wide = _WIDTH - _LEFT - _RIGHT
    return _LEFT + wide / 2 if count == 1 else _LEFT + 8 + (wide - 16) * position / (count - 1)


def _unbroken(points: Sequence[RunPoint]) -> Iterable[list[tuple[int, float]]]:
    """The stretches of points that have a value: the position and the value of each."""
    run: list[tuple[int, float]] = []
    for position, point in enumerate(points):
        if point.value is not None and isfinite(point.value):
            run.append((position, point.value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _axis(ticks: Sequence[float], down: Callable[[float], float], scale: Scale) -> Html:
    parts = []
    for tick in ticks:
        y = down(tick)
        parts.append(element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(element("text", scale.written(tick), x=_LEFT - 8, y=y + 4, text_anchor="end"))
    return joined(parts)


def _limit(y: float, text: str) -> Html:
    line = element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="limit")
    label = element("text", text, x=_LEFT + 4, y=max(11.0, y - 5), class_="limit-text")
    return joined((line, label))


def _mark(x: float, y: float | None, point: RunPoint) -> Html:
    bottom = float(_HEIGHT - _BOTTOM)
    catch = element("rect", x=x - 6, y=_TOP, width=12, height=bottom - _TOP, fill="transparent")
    title = element("title", point.text)
    if point.stopped:
        # A cross in a diamond: the shape tells it, not the colour alone.
        at = bottom - 9 if y is None else y
        path = f"M{x:.1f} {at - 8:.1f}l8 8l-8 8l-8-8z"
        shape = element("path", d=path, class_="closed")
    elif y is None:
        shape = element("circle", cx=x, cy=bottom - 6, r=4, class_="none")
    else:
        shape = element("circle", cx=x, cy=y, r=3.5, class_="dot")
    return element("g", title, catch, shape, class_="point")


def _labelled(count: int) -> list[int]:
    """Which runs have their label written: the first, the last, and some between."""
    if count <= _LABELS:
        return list(range(count))
    return sorted({round(i * (count - 1) / (_LABELS - 1)) for i in range(_LABELS)})


def _anchor(position: int, points: Sequence[RunPoint]) -> str:
    if len(points) > 1 and position == len(points) - 1:
        return "end"
    return "start" if len(points) > 1 and position == 0 else "middle"
