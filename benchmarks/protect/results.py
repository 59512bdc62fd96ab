"""From the measurements to rows and a table."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from benchmarks.protect.contract import NAMES
from benchmarks.protect.measure import Kind, Measured

__all__ = ["AIMS", "BAR", "Row", "result_rows", "table_text"]

Row = dict[str, Any]

BAR = 1.10
"""The specification's: what an incremental load and its pass may cost, of unprotected ones."""
AIMS: dict[Kind, float] = {"incremental": 1.05, "first": 1.25}
"""What a whole load is to cost at most, relative to an unprotected one."""
_FIGURES = (("load", "cpu"), ("load", "seconds"), ("pass", "pass_cpu"), ("pass", "pass_seconds"))


def result_rows(measured: Iterable[Measured]) -> list[Row]:
    """One row per kind of load, part (the whole load or its pass) and figure (CPU or wall).

    Figures are seconds. `ratios` are those of each measured pair, protected over plain, `ratio`
    their median; `plain` and `protected` are the medians of each. `most` is the aim, or the bar.
    `others` is the greatest share of the machine's CPU that processes of others took in a load.
    """
    return [
        _row(each, part, figure) for each in measured for part, figure in _FIGURES if each.pairs
    ]


def _row(one: Measured, part: str, figure: str) -> Row:
    _warm_up, *pairs = one.pairs
    ratios = [pair["protected"][figure] / pair["plain"][figure] for pair in pairs]
    ratio = round(median(ratios), 3)
    most = AIMS[one.kind] if part == "load" else BAR if one.kind == "incremental" else None
    return {
        "load": one.kind,
        "part": part,
        "figure": "cpu" if figure.endswith("cpu") else "wall",
        **{name: round(median(pair[name][figure] for pair in pairs), 3) for name in NAMES},
        "ratio": ratio,
        "ratios": [round(each, 3) for each in ratios],
        "most": most,
        "met": None if most is None else ratio <= most,
        "others": round(max(pair[name]["others"] for pair in pairs for name in NAMES), 2),
        "right": one.right,
    }


def table_text(rows: list[Row]) -> str:
    """The rows as a table for people."""
    words = {None: "", True: "met", False: "NOT met"}
    head = f"{'load':<12} {'part':<5} {'of':<5} {'plain s':>8} {'protected s':>12} {'ratio':>6}"
    lines = [f"{head} {'most':>5} {'':<8} {'others':>6}  ratios of each pair"]
    for row in rows:
        most = "" if row["most"] is None else f"{row['most']:.2f}"
        ratios = " ".join(f"{each:.2f}" for each in row["ratios"])
        wrong = "" if row["right"] else "  NOT what the source is"
        lines.append(
            f"{row['load']:<12} {row['part']:<5} {row['figure']:<5} {row['plain']:>8.2f}"
            f" {row['protected']:>12.2f} {row['ratio']:>6.3f} {most:>5} {words[row['met']]:<8}"
            f" {row['others']:>6.0%}  {ratios}{wrong}"
        )
    return "\n".join(lines)
