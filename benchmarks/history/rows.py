"""The rows of a case as Parquet files, the same for every tool.

<directory>/initial/part-*.parquet   sorted by key, up to a million rows each
<directory>/batch-<n>.parquet        in no order
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.history.cases import BATCHES_BEGIN, BEGIN, HOUR, Batch, Case

_FILE_ROWS = 1_000_000
_GROUP_ROWS = 131_072
_CITIES = pa.array([f"city {number:04}" for number in range(1_000)])
_SEGMENTS = pa.array(["private", "business", "public", "partner", "staff", "trial", "former"])


def write_rows(case: Case, directory: Path) -> None:
    """Write the case's files, unless an earlier run wrote them."""
    mark = directory / "complete"
    if mark.exists() and mark.read_text() == str(asdict(case)):
        return
    shutil.rmtree(directory, ignore_errors=True)
    initial = directory / "initial"
    initial.mkdir(parents=True)
    for number, table in enumerate(_initial(case)):
        pq.write_table(
            table, initial / f"part-{number:04}.parquet", row_group_size=_GROUP_ROWS,
            compression="zstd",
        )  # fmt: skip
    for batch in batches(case, directory):
        keys = np.array(case.changed_keys(batch.number), dtype=np.int64)
        np.random.default_rng(batch.number).shuffle(keys)
        pq.write_table(changes(keys, BATCHES_BEGIN + batch.number), batch.path, compression="zstd")
    mark.write_text(str(asdict(case)))


def batches(case: Case, directory: Path) -> list[Batch]:
    """The batches of the case, whose files are in the directory."""
    numbers = range(1, case.batches + 1)
    return [Batch(number, directory / f"batch-{number}.parquet") for number in numbers]


def _initial(case: Case) -> Iterator[pa.Table]:
    for first in range(0, case.keys, _FILE_ROWS):
        keys = np.arange(first, min(first + _FILE_ROWS, case.keys), dtype=np.int64)
        for version in range(case.depth):
            yield changes(keys, version)


def changes(keys: np.ndarray, hour: int) -> pa.Table:
    """One change of each key, in the given hour since the beginning.

    The values are a function of key and hour, and neighbouring hours differ in all but the name,
    the segment and the day of registration.
    """
    mixed = _mixed(keys, hour)
    seconds = int(BEGIN.timestamp()) + hour * HOUR + keys % HOUR
    cents = (mixed >> 7) % 10_000_000
    numbers = pa.array(keys).cast("string")
    return pa.table(
        {
            "customer_id": keys,
            "changed_at": _moments(seconds),
            "name": pc.binary_join_element_wise("customer number", numbers, " "),
            "city": _CITIES.take(pa.array((keys + 7 * hour) % len(_CITIES))),
            "segment": _SEGMENTS.take(pa.array(keys % len(_SEGMENTS))),
            "visits": pa.array((keys % 500 + hour).astype(np.int32)),
            "balance": (mixed % 1_000_003) / 64,
            "credit": _decimals(cents),
            "registered_at": _moments(int(BEGIN.timestamp()) - 86_400 * (1 + keys % 3_000)),
        }
    )  # fmt: skip


def _mixed(keys: np.ndarray, hour: int) -> np.ndarray:
    """Numbers without a pattern, so that no column compresses to nothing."""
    mixed = (keys.astype(np.uint64) + np.uint64(hour + 1)) * np.uint64(0x9E3779B97F4A7C15)
    return (mixed >> np.uint64(17)).astype(np.int64)


def _moments(seconds: np.ndarray) -> pa.Array:
    return pa.array(seconds * 1_000_000).cast(pa.timestamp("us", tz="UTC"))


def _decimals(cents: np.ndarray) -> pa.Array:
    """decimal(12, 2) of whole cents: 128-bit integers whose upper half is empty."""
    halves = np.zeros((len(cents), 2), dtype=np.int64)
    halves[:, 0] = cents
    return pa.Array.from_buffers(
        pa.decimal128(12, 2), len(cents), [None, pa.py_buffer(halves.tobytes())]
    )
