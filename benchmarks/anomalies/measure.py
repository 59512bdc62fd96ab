"""Precision and recall by shape, and the CPU seconds that scoring adds to a write."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
from pyspark.sql import DataFrame, SparkSession

from benchmarks.anomalies.planted import FEATURES, SHAPES, flights, plant
from benchmarks.anomalies.subjects import SUBJECTS, model_of
from tasks.transforms.anomalies.anomaly_columns import with_anomalies

__all__ = ["cost", "detection"]

Row = dict[str, Any]
Say = Callable[[str], None]


def detection(spark: SparkSession, rows: int, say: Say) -> list[Row]:
    """One row per shape and subject.

    `precision` is the share of planted rows among those flagged (None: none was flagged), `recall`
    the share of planted rows that were flagged. Rows that were not planted count as false alarms
    although some flights of the year are unusual indeed; `natural` is how many of them in a hundred
    were flagged.
    """
    frame, results = flights(rows), []
    for seed, (name, shape) in enumerate(SHAPES.items()):
        planted = plant(frame, shape, seed)
        for subject, flagged_rows in SUBJECTS.items():
            flagged = flagged_rows(spark, planted.frame)
            hits, others = (
                int(flagged[planted.rows].sum()),
                int(np.delete(flagged, planted.rows).sum()),
            )
            results.append(
                {
                    "shape": name,
                    "subject": subject,
                    "planted": len(planted.rows),
                    "flagged": hits + others,
                    "precision": round(hits / (hits + others), 4) if hits + others else None,
                    "recall": round(hits / len(planted.rows), 4),
                    "natural": round(100 * others / (len(frame) - len(planted.rows)), 4),
                }
            )
        say(name)
    return results


def cost(spark: SparkSession, directory: Path, rows: int, rounds: int, say: Say) -> Row:
    """What scoring adds to a write of so many rows, and what a fit costs; CPU seconds.

    Rounds alternate between the two writes; the first ones warm up. Both write the same columns
    as Parquet, and one of them also the anomaly of each row.
    """
    frame = flights(rows)
    whole = spark.createDataFrame(frame)
    copies = -(-rows // len(frame))
    source = str(directory / "source")
    repeated = whole.crossJoin(spark.range(copies).withColumnRenamed("id", "copy")).limit(rows)
    repeated.repartition(2).write.parquet(source)
    read = spark.read.parquet(source)
    fits, model = [], model_of(spark, frame)
    scored = with_anomalies(read, model, "anomaly")
    seconds: dict[str, list[float]] = {"plain": [], "scored": []}
    for number in range(rounds + 1):
        fits.append(_cpu_of(lambda: model_of(spark, frame)))
        for name, written in (("plain", read), ("scored", scored)):
            seconds[name].append(_cpu_of(lambda each=written: _write(each, directory / "target")))
        say(f"cost, round {number} of {rounds}" + (" (warm-up)" if number == 0 else ""))
    return {
        "rows": rows,
        "features": len(FEATURES),
        "coordinates": len(model.names),
        "plain_cpu_s": _rounded(seconds["plain"][1:]),
        "scored_cpu_s": _rounded(seconds["scored"][1:]),
        "ratio": round(
            median(
                one / other
                for one, other in zip(seconds["scored"][1:], seconds["plain"][1:], strict=True)
            ),
            3,
        ),
        "fit_sample_rows": model.sample_rows,
        "fit_cpu_s": _rounded(fits[1:]),
        "fit_warm_up_cpu_s": round(fits[0], 2),
    }


def _write(frame: DataFrame, target: Path) -> None:
    frame.write.mode("overwrite").parquet(str(target))


def _rounded(seconds: list[float]) -> list[float]:
    return [round(each, 2) for each in seconds]


def _cpu_of(call: Callable[[], object]) -> float:
    """CPU seconds of this process and those below it, Spark's among them."""
    before = _cpu_seconds()
    call()
    # What a compiler thread of the JVM has begun belongs to the call that made it begin.
    time.sleep(0.2)
    return _cpu_seconds() - before


def _cpu_seconds() -> float:
    own = psutil.Process()
    times = [each.cpu_times() for each in (own, *own.children(recursive=True))]
    return sum(each.user + each.system for each in times)
