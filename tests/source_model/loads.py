"""Loads the reads of many lots into one table and compares it with the reference after each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from history import HistorySettings, Read, load_changes
from history.iceberg.current_snapshot import current_snapshot
from history.iceberg.history_table import exists
from tests.source_model.examples import (
    BETWEEN,
    LOT,
    OPERATION,
    STAMP,
    Lot,
    Plan,
    Said,
    Stamps,
    Step,
    moment,
    partly,
    smaller,
)
from tests.source_model.reference import Version, history

SETTINGS = HistorySettings(
    key=(LOT, "id"),
    sequence="read_at",
    stamp=STAMP,
    tracked=("value",),
    operation=OPERATION,
)
NOW = datetime(2024, 5, 1, tzinfo=UTC)
_NAMES = count()

Found = dict[int, dict[Any, list[Version]]]
"""The versions of each key of each lot."""


@dataclass(frozen=True)
class Difference:
    """A lot that has another history than the reference's after a step of the plan."""

    lot: Lot
    plan: Plan
    step: int
    expected: Mapping[Any, list[Version]]
    found: Mapping[Any, list[Version]]
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.plan}", f"after load {self.step} of {self.plan.steps}:"]
        for number, rows in enumerate(self.lot):
            lines += [f"  read {number} at {moment(BETWEEN * number):%d %H:%M}:"]
            lines += [f"    {said}" for said in rows]
        for key in {*self.expected, *self.found}:
            one, other = self.expected.get(key, []), self.found.get(key, [])
            lines += [f"  key {key}, not found: {each}" for each in one if each not in other]
            lines += [f"  key {key}, not expected: {each}" for each in other if each not in one]
        return "\n".join([*lines, *self.wrong])


class Killed(Exception):  # noqa: N818 - as the load sees it, no error of its own
    """What ends a load in the midst of it."""


@dataclass(frozen=True)
class Loading:
    """One table; `snapshots` are those after each load of its plan that has been made."""

    spark: SparkSession
    table: str
    plan: Plan
    stamps: Stamps
    lots: tuple[Lot, ...]
    snapshots: list[int] = field(default_factory=list)

    def run(self) -> list[Difference]:
        """Loads everything; the first difference of each lot that has one."""
        told: dict[Lot, Difference] = {}
        done: set[tuple[int, int | None]] = set()
        for number, step in enumerate(self.plan.steps):
            self.load(number, step)
            if step.dies in (None, "published"):
                done.add((step.read, step.part))
            reads = whole(done)
            # Of a read that is not there as a whole, nobody knows what it has to say.
            if reads:
                for each in self.differences(self.snapshots[-1], reads):
                    told.setdefault(each.lot, each)
        return list(told.values())

    def load(self, number: int, step: Step) -> None:
        """Load a read, or so much of it as can be loaded before the load is killed."""

        def die(said: str) -> None:
            if said == step.dies:
                raise Killed

        asked = self.plan.asked[step.read]
        rows = [
            (lot, said)
            for lot, reads in enumerate(self.lots)
            for said in reads[step.read]
            if asked.returns(self.stamps, said) and partly(said, step.part)
        ]
        low = None if asked.full else moment(asked.low)
        with suppress(Killed):
            load_changes(
                self.spark,
                frame(self.spark, self.stamps, Random(number).sample(rows, len(rows))),  # noqa: S311
                self.table,
                SETTINGS,
                batch_id=f"b{number}",
                batch_time=NOW,
                read=Read(at=moment(BETWEEN * step.read), full=asked.full, low=low),
                announce=die,
            )
        there = exists(self.spark, self.table)
        self.snapshots.append((current_snapshot(self.spark, self.table) or 0) if there else 0)

    def differences(self, snapshot: int, reads: Iterable[int]) -> list[Difference]:
        """The lots that are not, at a snapshot, as these reads say."""
        found, wrong = self.versions(snapshot)
        told = []
        for place, lot in enumerate(self.lots):
            expected = history(self.plan.read(self.stamps, lot, number) for number in reads)
            mine, notes = found.get(place, {}), tuple(wrong.get(place, ()))
            if expected != mine or notes:
                step = len(self.snapshots) - 1
                told.append(Difference(lot, self.plan, step, expected, mine, notes))
        return told

    def versions(self, snapshot: int) -> tuple[Found, dict[int, list[str]]]:
        """The versions as they were at a snapshot, and what is wrong with single rows."""
        if not snapshot:
            return {}, {}
        rows = self.spark.read.option("versionAsOf", snapshot).table(self.table)
        rows = rows.orderBy("valid_from").toArrow()
        found: Found = {}
        wrong: dict[int, list[str]] = {}
        for row in rows.to_pylist():
            version = Version(*(row[name] for name in COLUMNS))
            found.setdefault(row[LOT], {}).setdefault(row["id"], []).append(version)
            if row["is_current"] != (version.end is None):
                wrong.setdefault(row[LOT], []).append(f"the flag of {version}")
            if not self._opened(row):
                wrong.setdefault(row[LOT], []).append(f"no read says {row}")
        return found, wrong

    def _opened(self, row: Mapping[str, Any]) -> bool:
        """Whether a read said just this, with this stamp."""
        place = (row["read_at"] - moment(0)) // (moment(BETWEEN) - moment(0))
        said = (row["id"], row["value"], row[STAMP])
        rows = self.lots[row[LOT]][place]
        return said in {(each.id, each.value, self.stamps.told(each.stamp)) for each in rows}


COLUMNS = ("value", "rest", "read_at", "valid_from", "valid_to")


def whole(done: set[tuple[int, int | None]]) -> list[int] | None:
    """The reads that were loaded; None where one was in part."""
    reads = {read for read, _part in done}
    for read in reads:
        if (read, None) not in done and not {(read, 0), (read, 1)} <= done:
            return None
    return sorted(reads)


def frame(spark: SparkSession, stamps: Stamps, rows: list[tuple[int, Said]]) -> DataFrame:
    """The rows as a DataFrame."""
    table = pa.table(
        {
            LOT: pa.array([lot for lot, _said in rows], pa.int32()),
            "id": pa.array([said.id for _lot, said in rows], pa.int32()),
            "value": pa.array([said.value for _lot, said in rows], pa.string()),
            "rest": pa.array([said.rest for _lot, said in rows], pa.int32()),
            STAMP: pa.array([stamps.told(said.stamp) for _lot, said in rows], stamps.arrow),
            OPERATION: pa.array([said.operation for _lot, said in rows], pa.string()),
        }
    )
    return spark.createDataFrame(table, from_arrow_schema(table.schema, prefer_timestamp_ntz=True))


def loading(
    spark: SparkSession, namespace: str, plan: Plan, stamps: Stamps, lots: Iterable[Lot]
) -> Loading:
    """A table of its own for these lots."""
    return Loading(spark, f"{namespace}.t{next(_NAMES)}", plan, stamps, tuple(lots))


def assert_as_the_reference(load: Loading) -> None:
    """No difference, or an error with the smallest one that a few more loads can find.

    All lots that are smaller than a failing one by one step are loaded together.
    """
    failing = load.run()
    if not failing:
        return
    smallest = min(failing, key=_size)
    for number in range(6):
        lots = (lot for lot in smaller(smallest.lot) if load.plan.is_sure(load.stamps, lot))
        table = f"{load.table}_{number}"
        less = replace(load, table=table, lots=tuple(lots), snapshots=[]).run()
        if not less:
            break
        smallest = min(less, key=_size)
    raise AssertionError(f"{len(failing)} histories differ. The smallest: {smallest}")


def _size(difference: Difference) -> tuple[int, int]:
    rows = [said for rows in difference.lot for said in rows]
    return len(rows), len({*rows})
