"""From the measurements to rows and a table."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from benchmarks.load.case import AIMS
from benchmarks.load.measure import Measured

__all__ = ["Row", "result_rows", "table_text"]

Row = dict[str, Any]


def result_rows(measured: Iterable[Measured]) -> list[Row]:
    """One row per size, kind of load and build.

    `runs` are seconds of the measured rounds and `median_s` their median. `ratio` is the median of
    the working tree over that of the base in the same case, `first_ratio` the same of the first
    loads; both are None for the base itself. `steps_s` are medians of each step.
    """
    rows = [_row(each) for each in measured]
    base = {(row["rows"], row["load"]): row for row in rows if row["build"] == "base"}
    for row in rows:
        other = base.get((row["rows"], row["load"]))
        if row["build"] == "base" or other is None:
            continue
        row["ratio"] = round(row["median_s"] / other["median_s"], 3)
        row["first_ratio"] = round(row["first_load_s"] / other["first_load_s"], 3)
        row["aim"] = AIMS[row["load"]]
    return rows


def _row(one: Measured) -> Row:
    first, warm_up, *rounds = one.loads
    seconds = [each["seconds"] for each in rounds]
    steps = list(dict.fromkeys(step for each in rounds for step in each["steps"]))
    return {
        "rows": one.case.rows,
        "load": one.case.kind,
        "build": one.build,
        "changed": one.case.changed,
        "right": one.right,
        "first_load_s": round(first["seconds"], 3),
        "warm_up_s": round(warm_up["seconds"], 3),
        "runs": [round(each, 3) for each in seconds],
        "median_s": round(median(seconds), 3),
        "ratio": None,
        "first_ratio": None,
        "aim": None,
        "steps_s": {
            step: round(median(each["steps"].get(step, 0.0) for each in rounds), 3)
            for step in steps
        },
        "told": {
            name: rounds[-1][name]
            for name in ("rows_read", "refused", "opened", "closed", "memory_mb")
        },
    }


def table_text(rows: list[Row]) -> str:
    """The rows as a table for people."""
    head = f"{'rows':>11} {'load':<11} {'build':<5} {'first s':>8} {'ratio':>6}"
    lines = [f"{head} {'median s':>9} {'ratio':>6} {'aim':>5}  runs s"]
    for row in rows:
        first, ratio, aim = (
            "" if row[name] is None else f"{row[name]:.2f}"
            for name in ("first_ratio", "ratio", "aim")
        )
        runs = " ".join(f"{each:.2f}" for each in row["runs"])
        wrong = "" if row["right"] else "  NOT what the source is"
        lines.append(
            f"{row['rows']:>11,} {row['load']:<11} {row['build']:<5} {row['first_load_s']:>8.2f}"
            f" {first:>6} {row['median_s']:>9.2f} {ratio:>6} {aim:>5}  {runs}{wrong}"
        )
    return "\n".join(lines)
