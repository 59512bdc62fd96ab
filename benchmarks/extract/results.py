"""From the measurements to rows and a table."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from benchmarks.extract.measure import Measured, Peak
from benchmarks.extract.subjects import LIMIT, SUBJECTS

__all__ = ["AIMS", "Row", "aims", "memory_text", "result_rows", "table_text"]

Row = dict[str, Any]

AIMS: tuple[tuple[str, str, str, float], ...] = (
    ("the read alone, of COPY to nowhere", "strandline", LIMIT, 1.3),
    ("to Parquet, of Spark's reader alone", "strandline_parquet", "spark_parquet", 1 / 1.7),
    ("to Parquet, of ADBC", "strandline_parquet", "adbc_parquet", 1.0),
    ("to Parquet, of ConnectorX", "strandline_parquet", "connectorx_parquet", 1.0),
    ("to Parquet, of dlt with ConnectorX", "strandline_parquet", "dlt_connectorx", 1.0),
    ("to Parquet, of dlt with PyArrow", "strandline_parquet", "dlt_pyarrow", 1.0),
)
"""What is compared with what, by the clock, and the ratio that is wanted at most."""


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
    for what, ours, other, most in AIMS:
        if ours not in measured.reads or other not in measured.reads:
            continue
        pairs = zip(_seconds(measured, ours), _seconds(measured, other), strict=True)
        ratios = [own / others for own, others in pairs]
        ratio = median(ratios)
        rows.append(
            {
                "what": what,
                "rows": measured.rows,
                "ratio": round(ratio, 3),
                "most": round(most, 3),
                "met": ratio <= most,
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
        f"{row['what']:<38} {row['ratio']:>6.3f} {row['most']:>6.3f}"
        f" {'met' if row['met'] else 'NOT met':<8} {' '.join(f'{r:.2f}' for r in row['ratios'])}"
        for row in met
    ]
    return "\n".join(lines)


def memory_text(peaks: Iterable[Peak]) -> str:
    """What was held at most."""
    lines = ["", f"{'memory of one read':<20} {'driver MB':>10} {'database session MB':>20}"]
    lines += [f"{peak.rows:>15,} rows {peak.driver:>10.0f} {peak.session:>20.1f}" for peak in peaks]
    return "\n".join(lines)
