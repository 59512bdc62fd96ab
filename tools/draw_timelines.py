"""Draw docs/explanation/timeline-*.svg: what becomes of a key's versions when an event arrives.

python -m tools.draw_timelines [--check]

A test computes the same cases by the plain reference of the history's rules.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

FOLDER = Path(__file__).parents[1] / "docs" / "explanation"

_FIRST_DAY, _LAST_DAY = 1, 8
_LEFT, _DAY, _ROW, _WIDTH = 96, 72, 24, 640
_STYLE = """\
  <style>
    text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
    .card { fill: #ffffff; stroke: #d0d7de }
    .day { stroke: #d0d7de }
    .name { fill: #44515d }
    .version { fill: #1f6f8b }
    .value { fill: #ffffff; font-weight: 600 }
    .known { fill: #1f6f8b }
    .arrives { fill: #b7791f }
  </style>
"""


@dataclass(frozen=True, slots=True)
class Change:
    """An event: a value since a day, None for a delete; `tie` is its tie-breaker."""

    day: int
    value: str | None
    tie: int = 0


@dataclass(frozen=True, slots=True)
class Interval:
    """A version: its value from the start to before the end; None is open."""

    value: str
    start: int
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A picture: what is known, what arrives, and the versions before and after."""

    title: str
    known: tuple[Change, ...]
    arrives: tuple[Change, ...]
    before: tuple[Interval, ...]
    after: tuple[Interval, ...]


CASES = {
    "late": Case(
        "A late event takes its place",
        known=(Change(1, "Ulm"), Change(6, "Bonn")),
        arrives=(Change(3, "Köln"),),
        before=(Interval("Ulm", 1, 6), Interval("Bonn", 6)),
        after=(Interval("Ulm", 1, 3), Interval("Köln", 3, 6), Interval("Bonn", 6)),
    ),
    "repeated": Case(
        "A value that came again matters to a late event",
        known=(Change(1, "Ulm"), Change(5, "Ulm")),
        arrives=(Change(3, "Köln"),),
        before=(Interval("Ulm", 1),),
        after=(Interval("Ulm", 1, 3), Interval("Köln", 3, 5), Interval("Ulm", 5)),
    ),
    "correction": Case(
        "A correction of the same instant, with a greater tie-breaker",
        known=(Change(1, "Ulm"), Change(4, "Bnon", tie=1)),
        arrives=(Change(4, "Bonn", tie=2),),
        before=(Interval("Ulm", 1, 4), Interval("Bnon", 4)),
        after=(Interval("Ulm", 1, 4), Interval("Bonn", 4)),
    ),
    "delete": Case(
        "A delete ends, and what returns leaves the gap",
        known=(Change(1, "Ulm"), Change(3, None)),
        arrives=(Change(5, "Ulm"),),
        before=(Interval("Ulm", 1, 3),),
        after=(Interval("Ulm", 1, 3), Interval("Ulm", 5)),
    ),
    "tie": Case(
        "Two values of one instant, and nothing that decides: both are refused",
        known=(Change(1, "Ulm"), Change(4, "Bonn")),
        arrives=(Change(4, "Köln"),),
        before=(Interval("Ulm", 1, 4), Interval("Bonn", 4)),
        after=(Interval("Ulm", 1),),
    ),
}
"""The pictures by the last part of their file's name."""


def picture(case: Case) -> str:
    """The SVG of a case."""
    days = range(_FIRST_DAY, _LAST_DAY + 1)
    grid = "".join(
        f'  <line x1="{_x(day)}" y1="48" x2="{_x(day)}" y2="132" class="day"/>\n'
        f'  <text x="{_x(day)}" y="146" text-anchor="middle" class="name">day {day}</text>\n'
        for day in days
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} 156" role="img"'
        f' aria-label="{escape(case.title)}">\n{_STYLE}'
        f'  <rect x="0.5" y="0.5" width="{_WIDTH - 1}" height="155" rx="6" class="card"/>\n'
        f'  <text x="12" y="20" font-weight="600">{escape(case.title)}</text>\n{grid}'
        f"{_events(case)}{_row('before', case.before, 72)}{_row('after', case.after, 104)}</svg>\n"
    )


def _x(day: int) -> int:
    return _LEFT + _DAY * (day - _FIRST_DAY)


def _events(case: Case) -> str:
    drawn = ['  <text x="12" y="54" class="name">events</text>\n']
    for changes, kind in ((case.known, "known"), (case.arrives, "arrives")):
        for change in changes:
            text = "deleted" if change.value is None else change.value
            above = kind == "arrives"
            middle = 34 if above else 50
            drawn.append(
                f'  <circle cx="{_x(change.day)}" cy="{middle}" r="5" class="{kind}"/>\n'
                f'  <text x="{_x(change.day) + 9}" y="{middle + 4}" class="{kind}">'
                f"{escape(text)}{', arrives' if above else ''}</text>\n"
            )
    return "".join(drawn)


def _row(name: str, versions: tuple[Interval, ...], top: int) -> str:
    drawn = [f'  <text x="12" y="{top + 16}" class="name">{name}</text>\n']
    for version in versions:
        left, right = _x(version.start), _x(version.end or _LAST_DAY)
        middle, end = top + _ROW // 2, right if version.end else right + 14
        # An open version ends in a point, as an arrow does.
        tip = f"{end},{middle} " if version.end is None else ""
        drawn.append(
            f'  <polygon points="{left},{top} {right - 1},{top} {tip}{right - 1},{top + _ROW}'
            f' {left},{top + _ROW}" class="version"/>\n'
            f'  <text x="{left + 8}" y="{top + 16}" class="value">{escape(version.value)}</text>\n'
        )
    return "".join(drawn)


def main() -> int:
    """Draw the pictures, or with `--check` say whether they are current; the exit code."""
    drawn = {FOLDER / f"timeline-{name}.svg": picture(case) for name, case in CASES.items()}
    if "--check" in sys.argv:
        return int(any(not p.is_file() or p.read_text("utf-8") != t for p, t in drawn.items()))
    for path, text in drawn.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
