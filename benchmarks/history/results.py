"""From the measurements to rows, to a table and to a JSON document."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from benchmarks.history.cases import Outcome
from benchmarks.history.driver import Measured
from benchmarks.history.subject import SUBJECTS

Row = dict[str, Any]
REFERENCE = "strandline"


def result_rows(measured: Iterable[Measured]) -> list[Row]:
    """One row per subject, case and size: seconds of each run, their median, and ratios.

    `ratio` is the median over the median of `ratio_to`: Strandline in the same case and size, and
    for Strandline's own further cases (deep, replay) its scattered case. It is None where one of
    the two is missing.
    """
    rows = [row for each in measured for row in _rows_of(each)]
    medians = {(r["subject"], r["case"], r["keys"]): r["median_s"] for r in rows}
    for row in rows:
        case = "scattered" if row["case"] in {"deep", "replay"} else row["case"]
        base = medians.get((REFERENCE, case, row["keys"]))
        if base and row["median_s"] is not None:
            row["ratio"] = round(row["median_s"] / base, 3)
            row["ratio_to"] = f"{REFERENCE}, {case}, {row['keys']} keys"
    return rows


def _rows_of(measured: Measured) -> list[Row]:
    case = measured.case
    row = _row(measured, case.name, measured.loads, *_verdict(measured))
    row["first_load_s"] = None if measured.prepared is None else round(measured.prepared, 3)
    row["told"] = measured.reported
    if not measured.replays:
        return [row]
    changed = measured.outcomes[-1] != measured.outcomes[0] or not measured.recognised
    state = ("wrong", "a known batch was loaded again") if changed else ("right", "")
    return [row, _row(measured, "replay", measured.replays, *state)]


def _row(measured: Measured, case: str, seconds: list[float], state: str, note: str) -> Row:
    runs = [round(each, 3) for each in seconds[1:]] if state != "failed" else []
    return {
        "subject": measured.subject,
        "case": case,
        "keys": measured.case.keys,
        "changes": measured.case.changes,
        "state": state,
        "note": note,
        "warm_up_s": round(seconds[0], 3) if seconds else None,
        "runs": runs,
        "median_s": round(median(runs), 3) if runs else None,
        "ratio": None,
        "ratio_to": None,
    }


def _verdict(measured: Measured) -> tuple[str, str]:
    """('right', 'wrong' or 'failed', a note about it)."""
    if measured.failed is not None:
        return "failed", measured.failed
    actual, expected = measured.outcomes[0], measured.case.expected()
    wrong = [
        f"{getattr(actual, name):,} {word} instead of {getattr(expected, name):,}"
        for name, word in _WORDS.items()
        if getattr(actual, name) != getattr(expected, name)
    ]
    if wrong:
        return "wrong", ", ".join(wrong)
    return "right", _dates(actual, expected)


_WORDS = {"current": "current versions", "versions": "versions", "fresh": "changed current ones"}


def _dates(actual: Outcome, expected: Outcome) -> str:
    if actual.dated == expected.dated:
        return ""
    return f"{expected.dated - actual.dated:,} ends are not the instant of the change"


def table_text(rows: list[Row]) -> str:
    """The rows as a table for people, medians in seconds, Strandline = 1."""
    lines = []
    for keys, case in dict.fromkeys((row["keys"], row["case"]) for row in rows):
        lines += ["", f"{keys:,} keys, {case}", _line("", "median s", "ratio", "runs s", "result")]
        own = [row for row in rows if (row["keys"], row["case"]) == (keys, case)]
        for row in sorted(own, key=lambda row: row["median_s"] or float("inf")):
            seconds = "" if row["median_s"] is None else f"{row['median_s']:.2f}"
            ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
            runs = " ".join(f"{each:.2f}" for each in row["runs"])
            reported = ", ".join(f"{name} {value:,}" for name, value in row.get("told", {}).items())
            state = "; ".join(filter(None, (row["state"], row["note"], reported)))
            lines.append(_line(SUBJECTS[row["subject"]].title, seconds, ratio, runs, state))
    return "\n".join(lines)


def _line(title: str, seconds: str, ratio: str, runs: str, state: str) -> str:
    return f"  {title:<31} {seconds:>8} {ratio:>7}  {runs:<32}  {state}"
