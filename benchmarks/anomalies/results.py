"""The measurements as tables for people."""

from __future__ import annotations

from typing import Any

from benchmarks.anomalies.subjects import SUBJECTS

__all__ = ["better_on_each", "cost_text", "detection_text"]

Row = dict[str, Any]


def detection_text(rows: list[Row]) -> str:
    """Precision, recall and the share of other rows flagged, by shape and subject."""
    lines = [f"{'':<40}" + "".join(f"{name:^32}" for name in SUBJECTS)]
    lines.append(
        f"{'shape':<40}" + f"{'precision':>12}{'recall':>8}{'others %':>10}  " * len(SUBJECTS)
    )
    for shape in dict.fromkeys(row["shape"] for row in rows):
        line = f"{shape:<40}"
        for row in (each for each in rows if each["shape"] == shape):
            precision = "-" if row["precision"] is None else f"{row['precision']:.2f}"
            line += f"{precision:>12}{row['recall']:>8.2f}{row['natural']:>10.2f}  "
        lines.append(line)
    return "\n".join(lines)


def better_on_each(rows: list[Row], one: str, other: str) -> bool:
    """Whether the one subject has the greater precision and the greater recall for every shape.

    A subject that flags nothing has no precision, and that counts as 0.
    """
    found = {(row["shape"], row["subject"]): row for row in rows}
    return all(
        (found[shape, one][figure] or 0) > (found[shape, other][figure] or 0)
        for shape in {row["shape"] for row in rows}
        for figure in ("precision", "recall")
    )


def cost_text(row: Row) -> str:
    """The cost as one sentence."""
    return (
        f"writing {row['rows']:,} rows: {row['plain_cpu_s']} CPU s; with the anomaly of each row"
        f" {row['scored_cpu_s']}, {row['ratio']:.2f} times as much; the model, of"
        f" {row['fit_sample_rows']:,} rows: {row['fit_cpu_s']}, {row['fit_warm_up_cpu_s']} at first"
    )
