"""From calls to rows and a table."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Any

from benchmarks.aws.measure import Measured, of_lakehouse
from tools.aws_double.aws_server import Kept

__all__ = ["AIM", "Row", "result_rows", "summary", "table_text"]

Row = dict[str, Any]
AIM = 1.5
"""How many calls a load may make per commit, relative to a plain append and MERGE (decision 64)."""
_PLAIN = "plain append and MERGE"
_COMMITS = {"glue:CreateTable", "glue:UpdateTable"}


def result_rows(measured: Measured, history: str) -> list[Row]:
    """One row per step of the load, one for all of it, one for the plain statements.

    Counts are medians of the rounds. `catalog` are calls of Glue, `files` those of S3 for the
    warehouse, `writes` those of both that change something, `commits` those that create a table or
    give it a new state, `other` keys and secrets, `of_history` those of catalog and files that
    concern the history table itself and not a stage, a ledger or another table.
    """
    steps = list(dict.fromkeys(each.step for calls in measured.calls for each in calls))
    rows = [
        _row(step, [[k for k in calls if k.step == step] for calls in measured.calls], history)
        for step in steps
    ]
    rows.append(_row("the whole load", measured.calls, history))
    rows.append(_row(_PLAIN, measured.plain, "plain.accounts"))
    return rows


def summary(measured: Measured, rows: list[Row]) -> dict[str, Any]:
    """The ratios: calls of the load over those of the plain statements, and seconds."""
    load, plain = rows[-2], rows[-1]
    here, there = (median(measured.seconds[name]) for name in ("here", "there"))
    calls, ours = plain["catalog"] + plain["files"], load["catalog"] + load["files"]
    return {
        "aim": AIM,
        "calls_per_commit_ratio": round(ours / load["commits"] / (calls / plain["commits"]), 2),
        "calls_ratio": round(ours / calls, 2),
        "history_calls_ratio": round(load["of_history"] / calls, 2),
        "writes_ratio": round(load["writes"] / plain["writes"], 2),
        "here_s": round(here, 2),
        "there_s": round(there, 2),
        "right": measured.right,
    }


def table_text(rows: list[Row], ratios: dict[str, Any]) -> str:
    """The rows as a table for people."""
    names = ("catalog", "files", "writes", "commits", "other", "of_history")
    lines = [f"{'step':<24}" + "".join(f"{name:>12}" for name in names)]
    lines += [f"{row['step']:<24}" + "".join(f"{row[name]:>12g}" for name in names) for row in rows]
    lines.append(
        f"calls of catalog and files per commit: {ratios['calls_per_commit_ratio']} times those "
        f"of a plain append and MERGE (aim: at most {ratios['aim']}); in all "
        f"{ratios['calls_ratio']}; of the history table alone {ratios['history_calls_ratio']}; "
        f"that write: {ratios['writes_ratio']}"
    )
    lines.append(f"seconds: {ratios['here_s']} here, {ratios['there_s']} on moto's server")
    return "\n".join(lines)


def _row(step: str, rounds: list[list[Kept]], history: str) -> Row:
    names = Counter[str]()
    for calls in rounds:
        names.update(each.call.name for each in calls)

    def middle(kept: Any) -> float:
        return median(sum(1 for each in calls if kept(each)) for calls in rounds)

    return {
        "step": step,
        "catalog": middle(lambda each: each.call.service == "glue"),
        "files": middle(lambda each: each.call.service == "s3" and of_lakehouse(each)),
        "writes": middle(lambda each: of_lakehouse(each) and _writes(each)),
        "commits": middle(lambda each: each.call.name in _COMMITS),
        "other": middle(lambda each: not of_lakehouse(each)),
        "of_history": middle(lambda each: of_lakehouse(each) and _concerns(each, history)),
        "calls": {name: round(count / len(rounds), 1) for name, count in sorted(names.items())},
    }


def _writes(kept: Kept) -> bool:
    return kept.call.operation.startswith(("Put", "Update", "Create", "Delete", "Upload"))


def _concerns(kept: Kept, table: str) -> bool:
    database, _, name = table.partition(".")
    return kept.call.table == table or f"/{database}.db/{name}/" in f"/{kept.call.key}"
