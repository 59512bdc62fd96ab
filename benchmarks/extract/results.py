"""From the measurements to rows and a table."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from benchmarks.extract.measure import Measured, Peak
from benchmarks.extract.subjects import LIMIT, SUBJECTS, VALUES, WRITER

__all__ = ["AIMS", "Row", "aims", "memory_text", "result_rows", "table_text"]

Row = dict[str, Any]
_MET = {True: "met", False: "NOT met", None: ""}

AIMS: tuple[tuple[str, str, tuple[str, ...], float | None], ...] = (
    ("the read, of COPY of what it reads", "strandline", (VALUES,), 1.3),
    ("the read, of COPY of bare columns", "strandline", (LIMIT,), None),
    ("to Parquet, of the read and the writer", "strandline_parquet", ("strandline", WRITER), 1.1),
    ("to Parquet, of Spark's reader", "strandline_parquet", ("spark_parquet",), 0.75),
    ("to Parquet, of ADBC", "strandline_parquet", ("adbc_parquet",), None),
    ("to Parquet, of ConnectorX", "strandline_parquet", ("connectorx_parquet",), None),
    ("to Parquet, of dlt with ConnectorX", "strandline_parquet", ("dlt_connectorx",), None),
    ("to Parquet, of dlt with PyArrow", "strandline_parquet", ("dlt_pyarrow",), 1.0),
)
"""What is compared with what, or with a sum, by the clock; and the ratio that is wanted at most, if
any: docs/decisions/0067-what-a-read-is-measured-against.md."""


def result_rows(measured: Iterable[Measured]) -> list[Row]:
    """One row per size and subject: `runs` by the clock, their median and that of its CPU seconds.

    `cpu_s` is of the subject's own processes, without the database's.
    """
    return [
        {
            "rows": each.rows,
            "subject": name,
            "to": SUBJECTS[name].to,
            "median_s": round(median(_seconds(each, name)), 3),
            "cpu_s": round(median(read["cpu"] for read in reads[1:]), 3),
            "runs": [round(seconds, 3) for seconds in _seconds(each, name)],
            "slices": reads[-1].get("slices"),
        }
        for each in measured
        for name, reads in each.reads.items()
    ]


def aims(measured: Measured) -> list[Row]:
    """Each aim with the ratios of every round and their median."""
    rows = []
    for what, ours, others, most in AIMS:
        if not {ours, *others} <= measured.reads.keys():
            continue
        sums = map(sum, zip(*(_seconds(measured, other) for other in others), strict=True))
        pairs = zip(_seconds(measured, ours), sums, strict=True)
        ratios = [own / other for own, other in pairs]
        ratio = median(ratios)
        rows.append(
            {
                "what": what,
                "rows": measured.rows,
                "ratio": round(ratio, 3),
                "most": most,
                "met": None if most is None else ratio <= most,
                "ratios": [round(each, 3) for each in ratios],
            }
        )
    return rows


def _seconds(measured: Measured, name: str) -> list[float]:
    return [read["seconds"] for read in measured.reads[name][1:]]


def table_text(rows: list[Row], met: list[Row]) -> str:
    """Both as tables for people."""
    lines = [f"{'rows':>11} {'subject':<20} {'to':<8} {'s':>7} {'CPU s':>7}  what it does"]
    lines += [
        f"{row['rows']:>11,} {row['subject']:<20} {row['to']:<8} {row['median_s']:>7.2f}"
        f" {row['cpu_s']:>7.2f}  {SUBJECTS[row['subject']].note}"
        for row in rows
    ]
    lines += ["", f"{'Strandline':<38} {'ratio':>6} {'most':>6} {'':<8} of each round"]
    lines += [
        f"{row['what']:<38} {row['ratio']:>6.3f} {row['most'] or '':>6} {_MET[row['met']]:<8}"
        f" {' '.join(f'{r:.2f}' for r in row['ratios'])}"
        for row in met
    ]
    return "\n".join(lines)


def memory_text(peaks: Iterable[Peak]) -> str:
    """What was held at most."""
    lines = ["", f"{'memory of one read':<20} {'driver MB':>10} {'database session MB':>20}"]
    lines += [f"{peak.rows:>15,} rows {peak.driver:>10.0f} {peak.session:>20.1f}" for peak in peaks]
    return "\n".join(lines)
