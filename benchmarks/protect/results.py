"""From the measurements to rows and a table."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from benchmarks.protect.contract import NAMES, Name
from benchmarks.protect.measure import Kind, Measured

__all__ = ["AIMS", "BAR", "Row", "result_rows", "table_text"]

Row = dict[str, Any]

BAR = 1.10
"""The specification's: what an incremental load and its pass may cost, of unprotected ones."""
AIMS: dict[Kind, float] = {"incremental": 1.05, "first": 1.25}
"""What a whole load is to cost at most, relative to an unprotected one."""
_FIGURES = (("load", "cpu"), ("load", "seconds"), ("pass", "pass_cpu"), ("pass", "pass_seconds"))


def result_rows(measured: Iterable[Measured]) -> list[Row]:
    """One row per kind of load, protecting contract, part (load or its pass) and figure.

    Figures are seconds, of CPU or by the clock. `ratios` are those of each round, `contract` over
    plain, `ratio` their median; `plain` and `protected` are the medians of each. `most` is the aim,
    or the bar; keys of persons have none. `others` is the greatest share of the machine's CPU that
    processes of others took in a load.
    """
    return [
        _row(each, name, part, figure)
        for each in measured
        for name in NAMES[1:]
        for part, figure in _FIGURES
        if each.rounds
    ]


def _row(one: Measured, name: Name, part: str, figure: str) -> Row:
    _warm_up, *rounds = one.rounds
    ratios = [loads[name][figure] / loads["plain"][figure] for loads in rounds]
    ratio = round(median(ratios), 3)
    most = AIMS[one.kind] if part == "load" else BAR if one.kind == "incremental" else None
    if name != "protected":
        most = None
    return {
        "load": one.kind,
        "contract": name,
        "part": part,
        "figure": "cpu" if figure.endswith("cpu") else "wall",
        "plain": round(median(loads["plain"][figure] for loads in rounds), 3),
        "protected": round(median(loads[name][figure] for loads in rounds), 3),
        "ratio": ratio,
        "ratios": [round(each, 3) for each in ratios],
        "most": most,
        "met": None if most is None else ratio <= most,
        "others": round(max(loads[each]["others"] for loads in rounds for each in NAMES), 2),
        "right": one.right,
    }


def table_text(rows: list[Row]) -> str:
    """The rows as a table for people."""
    words = {None: "", True: "met", False: "NOT met"}
    head = f"{'load':<12} {'contract':<12} {'part':<5} {'of':<5} {'plain s':>8} {'protected s':>12}"
    lines = [f"{head} {'ratio':>6} {'most':>5} {'':<8} {'others':>6}  ratios of each round"]
    for row in rows:
        most = "" if row["most"] is None else f"{row['most']:.2f}"
        ratios = " ".join(f"{each:.2f}" for each in row["ratios"])
        wrong = "" if row["right"] else "  NOT what the source is"
        lines.append(
            f"{row['load']:<12} {row['contract']:<12} {row['part']:<5} {row['figure']:<5}"
            f" {row['plain']:>8.2f} {row['protected']:>12.2f} {row['ratio']:>6.3f} {most:>5}"
            f" {words[row['met']]:<8} {row['others']:>6.0%}  {ratios}{wrong}"
        )
    return "\n".join(lines)
