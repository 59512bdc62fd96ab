"""From the measurements to rows and a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from benchmarks.quality.measure import Measured
from benchmarks.quality.subject import SUBJECTS

__all__ = ["TARGET_OVER_BARE", "TARGET_OVER_PEER", "Row", "result_rows", "summary", "table_text"]

Row = dict[str, Any]

BARE, OWN, SAME = "bare", "strandline", "same rules"
TARGET_OVER_BARE = 1.25
"""All checks, rates and counts of Strandline, relative to the bare write."""
TARGET_OVER_PEER = 3.0
"""What the best peer's checks cost that says which rows are broken, relative to Strandline's."""
_NAMES_ROWS = ("keys per rule", "reasons per row")


def result_rows(measured: Iterable[Measured], expected: Mapping[str, int]) -> list[Row]:
    """One row per subject and mode.

    `cpu` are the CPU seconds of each measured round and `median_cpu` their median; `ratio` is that
    over the bare write's, and `cost` the difference of the two. `differs` has each rule for which
    the subject found another number of rows than PostgreSQL; None where the rules are others, or
    it did not complete.
    """
    rows = [_row(each, expected) for each in measured]
    bare = next((row["median_cpu"] for row in rows if row["subject"] == BARE), None)
    for row in rows:
        if bare and row["median_cpu"] is not None:
            row["ratio"] = round(row["median_cpu"] / bare, 3)
            row["cost"] = round(row["median_cpu"] - bare, 3)
    return rows


def _row(one: Measured, expected: Mapping[str, int]) -> Row:
    complete = one.failed is None and bool(one.runs)
    return {
        "subject": one.subject,
        "mode": one.mode,
        "reports": SUBJECTS[one.subject].reports,
        "cpu": [round(run["cpu"], 3) for run in one.runs],
        "seconds": [round(run["seconds"], 3) for run in one.runs],
        "median_cpu": round(median(run["cpu"] for run in one.runs), 3) if complete else None,
        "median_s": round(median(run["seconds"] for run in one.runs), 3) if complete else None,
        "jobs": one.runs[-1]["jobs"] if one.runs else None,
        "ratio": None,
        "cost": None,
        "rows_with_reasons": one.rows_with_reasons,
        "differs": _differences(one, expected) if complete else None,
        "failed": one.failed,
        "versions": dict(one.versions),
    }


def _differences(one: Measured, expected: Mapping[str, int]) -> dict[str, Any] | None:
    if not expected.keys() <= one.broken.keys():
        return None
    return {
        name: {"expected": count, "found": one.broken[name]}
        for name, count in expected.items()
        if not _agrees(one.broken[name], count)
    }


def _agrees(found: int | bool, count: int) -> bool:
    return found is (count > 0) if isinstance(found, bool) else found == count


def summary(rows: Iterable[Row]) -> Row:
    """The two targets, and whether they were met; None for what was not measured."""
    known = {(row["subject"], row["mode"]): row for row in rows}
    own = known.get((OWN, SAME), {})
    peers = [
        row
        for row in known.values()
        if SUBJECTS[row["subject"]].peer and row["reports"] in _NAMES_ROWS and row["cost"]
    ]
    best = min(peers, key=lambda row: row["cost"], default=None)
    times = None
    if best is not None and own.get("cost"):
        times = round(best["cost"] / own["cost"], 2)
    ratio = own.get("ratio")
    return {
        "over_bare": ratio,
        "over_bare_target": TARGET_OVER_BARE,
        "over_bare_met": None if ratio is None else ratio <= TARGET_OVER_BARE,
        "jobs": own.get("jobs"),
        "best_peer": None if best is None else f"{best['subject']}, {best['mode']}",
        "best_peer_times": times,
        "best_peer_target": TARGET_OVER_PEER,
        "best_peer_met": None if times is None else times >= TARGET_OVER_PEER,
    }


def table_text(rows: list[Row]) -> str:
    """The rows and the targets as a table for people."""
    head = f"{'subject':<22} {'mode':<11} {'CPU s':>7} {'ratio':>6} {'cost s':>7} {'jobs':>5}"
    lines = [f"{head}  {'reports':<16} {'found as planted':<17} CPU s of each round"]
    for row in rows:
        title = SUBJECTS[row["subject"]].title
        if row["median_cpu"] is None:
            lines.append(f"{title:<22} {row['mode']:<11} failed: {row['failed']}")
            continue
        found = {None: "-", True: "all", False: f"not {len(row['differs'] or ())}"}
        state = found[None if row["differs"] is None else not row["differs"]]
        runs = " ".join(f"{each:.2f}" for each in row["cpu"])
        ratio, cost = (
            "" if row[name] is None else f"{row[name]:.2f}" for name in ("ratio", "cost")
        )
        lines.append(
            f"{title:<22} {row['mode']:<11} {row['median_cpu']:>7.2f} {ratio:>6}"
            f" {cost:>7} {row['jobs']:>5}  {row['reports']:<16} {state:<17} {runs}"
        )
    lines += [
        f"  {row['subject']}, {row['mode']}: {name}: {each['found']} instead of {each['expected']}"
        for row in rows
        for name, each in (row["differs"] or {}).items()
    ]
    return "\n".join((*lines, "", *_target_lines(summary(rows))))


def _target_lines(found: Row) -> list[str]:
    words = {None: "not measured", True: "met", False: "NOT met"}
    first = (
        f"all checks over the bare write: {found['over_bare']} (at most"
        f" {found['over_bare_target']}), in {found['jobs']} job: {words[found['over_bare_met']]}"
    )
    lines = [first]
    if found["best_peer"] is not None:
        lines.append(
            f"cost of the best peer that names rows ({found['best_peer']}):"
            f" {found['best_peer_times']} times ours (at least {found['best_peer_target']}):"
            f" {words[found['best_peer_met']]}"
        )
    return lines
