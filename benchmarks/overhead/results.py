"""From seconds to rows and a table."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

__all__ = ["STARTING", "Row", "Seconds", "result_rows", "table_text"]

Row = dict[str, Any]
Seconds = dict[tuple[str, str], list[float]]
"""By subject and case, the warm-up first."""

BASE = "functions"
STARTING = ("temporary server", "start")


def result_rows(seconds: Mapping[tuple[str, str], list[float]]) -> list[Row]:
    """One row per subject and case.

    `ratio` is the median over that of `ratio_to`, the bare functions in the same case;
    `overhead_s` is the difference of the two. Both are None where there is nothing to compare with,
    and the ratio also where the functions do nothing.
    """
    medians = {key: median(runs[1:]) for key, runs in seconds.items()}
    rows = []
    for (subject, case), runs in seconds.items():
        middle = medians[subject, case]
        base = medians.get((BASE, case))
        comparable = base is not None and case != "empty"
        rows.append(
            {
                "subject": subject,
                "case": case,
                "warm_up_s": round(runs[0], 4),
                "runs": [round(each, 4) for each in runs[1:]],
                "median_s": round(middle, 4),
                "overhead_s": None if base is None else round(middle - base, 4),
                "ratio": round(middle / base, 3) if base and comparable else None,
                "ratio_to": f"{BASE}, {case}" if comparable else None,
            }
        )
    return rows


def table_text(rows: list[Row]) -> str:
    """The rows as a table for people."""
    lines = [f"{'subject':<24} {'case':<6} {'median s':>9} {'overhead s':>11} {'ratio':>6}  runs s"]
    for row in rows:
        over = "" if row["overhead_s"] is None else f"{row['overhead_s']:.2f}"
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        runs = " ".join(f"{each:.2f}" for each in row["runs"])
        lines.append(
            f"{row['subject']:<24} {row['case']:<6} {row['median_s']:>9.2f} {over:>11} {ratio:>6}"
            f"  {runs}"
        )
    return "\n".join(lines)
