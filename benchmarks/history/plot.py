"""The medians as bars, one panel per case and size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

from benchmarks.history.results import REFERENCE, Row
from benchmarks.history.subject import SUBJECTS

_COLUMNS = 2
_OWN, _OTHER = "#0b6e4f", "#9aa5b1"


def draw(rows: list[Row], file: Path) -> None:
    """Write the plot of the rows that have a median; nothing if there is none.

    Replays are omitted: no other tool has them.
    """
    measured = [row for row in rows if row["median_s"] is not None and row["case"] != "replay"]
    panels = list(dict.fromkeys((row["keys"], row["case"]) for row in measured))
    if not panels:
        return
    lines = math.ceil(len(panels) / _COLUMNS)
    figure, axes = plt.subplots(
        lines, _COLUMNS, figsize=(11, 2.9 * lines), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, (keys, case) in zip(axes.flat, panels, strict=False):
        own = [row for row in measured if (row["keys"], row["case"]) == (keys, case)]
        _panel(axis, sorted(own, key=lambda row: row["median_s"], reverse=True))
        axis.set_title(f"{keys:,} keys, {case}", loc="left")
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def _panel(axis: Any, rows: list[Row]) -> None:
    names = [SUBJECTS[row["subject"]].title for row in rows]
    medians = [row["median_s"] for row in rows]
    colours = [_OWN if row["subject"] == REFERENCE else _OTHER for row in rows]
    bars = axis.barh(names, medians, color=colours)
    marks = [f"{row['median_s']:.2f} s{_wrong(row)}" for row in rows]
    axis.bar_label(bars, labels=marks, padding=3)
    axis.set_xlim(0, max(medians) * 1.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_xlabel("median seconds per batch")


def _wrong(row: Row) -> str:
    return "" if row["state"] == "right" else f" ({row['state']})"
