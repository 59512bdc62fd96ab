"""Releases of a contract on a small source, while a reader polls a view; fails where one is mixed.

`python -m tools.release_drill` loads one table into a lakehouse in a temporary directory, begins a
release with a regression, which the comparison has to find, and takes it back; then one with an
intended change, which is shifted by 10, 50 and 100 %, promoted, validated, and rolled back.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from prefect import flow
from pyspark.errors import PySparkException

from benchmarks.overhead.place import CONTRACT, blocks_below
from blocks.lookup import block_lookup
from contracts.loader import TABLES
from flows.load_table import load_table
from flows.release import release_steps as steps
from tasks.release.begin_release import SOURCE, NewRelease
from tasks.release.release_place import Decided

_VIEW = "target_schema.existing_table_1__analyst"
_WHO = Decided("the drill", "a drill")
_SHARES = (10, 50, 100)
_ROUGHLY = 0.05


@dataclass
class Reader:
    """Reads the view all the while: how often, and what it should never have seen."""

    reads: int = 0
    mixed: int = 0
    greens: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    keys: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def poll(self) -> None:
        """Read until it is over. A key of green has its time zone in capitals."""
        settings = block_lookup.settings("default")
        spark = settings.spark.session(settings.lakehouse, shared=False)
        query = f"SELECT business_key, time_zone FROM {settings.lakehouse.catalog}.{_VIEW}"  # noqa: S608
        while not self.over.is_set():
            try:
                rows = [row for row in spark.sql(query).collect() if row.time_zone]
            except PySparkException as error:
                self.errors.append(type(error).__name__)
                continue
            sides: dict[int, set[bool]] = {}
            for row in rows:
                is_green = row.time_zone == row.time_zone.upper()
                sides.setdefault(row.business_key, set()).add(is_green)
            self.keys = self.keys or len(sides)
            whole = all(len(each) == 1 for each in sides.values()) and len(rows) == len(sides)
            self.mixed += not (whole and len(sides) == self.keys)
            self.greens.append(sum(True in each for each in sides.values()))
            self.reads += 1


class Drill:
    """Steps of releases, each with what the reader sees meanwhile."""

    def __init__(self) -> None:
        self.reader, self.problems = Reader(), list[str]()
        self._thread = threading.Thread(target=self.reader.poll, daemon=True)

    def begin(self) -> None:
        """Start the reader, and wait for its first answer."""
        self._thread.start()
        self._wait_for(1)
        print(f"{'step':34} {'seconds':>8} {'keys from green':>16} {'reads':>6} {'mixed':>6}")

    def step(self, name: str, do: Callable[[], Any], *, percent: int) -> Any:
        """Do a step; afterwards so many percent of the keys, about, are to be read from green."""
        reader, began, before = self.reader, time.monotonic(), self.reader.reads
        result = do()
        seconds = time.monotonic() - began
        # Two reads that began after the step show what it did.
        self._wait_for(reader.reads + 2)
        green = reader.greens[-1]
        print(
            f"{name:34} {seconds:8.1f} {green:7} of {reader.keys:5} {reader.reads - before:6} "
            f"{reader.mixed:6}"
        )
        exact = percent in (0, 100)
        allowed = 0 if exact else reader.keys * _ROUGHLY
        if abs(green - reader.keys * percent / 100) > allowed:
            self.problems.append(f"{name}: {green} keys from green")
        return result

    def shift(self, percent: int) -> None:
        """Shift readers."""
        self.step(
            f"shift {percent} %",
            partial(steps.shift_release, CONTRACT, "default", percent, (), _WHO),
            percent=percent,
        )

    def end(self) -> None:
        """Stop the reader, and judge what it saw."""
        self.reader.over.set()
        self._thread.join(60)
        self.problems += self.reader.errors
        if self.reader.mixed:
            self.problems.append(f"{self.reader.mixed} reads saw a mixture")

    def _wait_for(self, reads: int) -> None:
        while self.reader.reads < reads and self._thread.is_alive():
            time.sleep(0.05)


def main() -> int:
    """Run the drill; the exit code is 1 where it did not go as it has to."""
    with tempfile.TemporaryDirectory(prefix="strandline-release-") as name:
        root = Path(name)
        with blocks_below(root):
            load_table(CONTRACT)
            drill = Drill()
            drill.begin()
            _run(drill, root)
            drill.end()
    sound = f"{drill.reader.reads} reads, in each every key wholly blue or wholly green"
    print("\n" + ("\n".join(drill.problems) or sound))
    return 1 if drill.problems else 0


def _run(drill: Drill, root: Path) -> None:
    roll_back = partial(steps.roll_back_release, CONTRACT, "default", _WHO)
    drill.step("start, with a regression", partial(_start, root, _regression), percent=0)
    found = drill.step("compare", _compare, percent=0)
    print(f"  found: {found.rows.differing} versions differ, {dict(found.rows.columns)}")
    if "longitude" not in found.rows.columns:
        drill.problems.append("the comparison did not find the regression")
    drill.step("rollback", roll_back, percent=0)
    drill.step("start, with the intended change", partial(_start, root, _intended), percent=0)
    found = drill.step("compare", _compare, percent=0)
    print(f"  found: {found.rows.differing} versions differ, {dict(found.rows.columns)}")
    for percent in _SHARES:
        drill.shift(percent)
    drill.step("promote", _promote, percent=100)
    validate = partial(steps.validate_published_release, CONTRACT, "default")
    drill.step("validate", validate, percent=100)
    drill.step("rollback", roll_back, percent=0)


def _start(root: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = yaml.safe_load((TABLES / f"{CONTRACT}.yaml").read_text(encoding="utf-8"))
    document["version"] = "2.0.0"
    properties = document["schema"][0]["properties"]
    change({each["name"]: each for each in properties})
    path = root / "next" / f"{CONTRACT}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

    @flow(name="start-release")
    def start() -> None:
        release = steps.start_release(CONTRACT, "default", NewRelease(path, SOURCE, _WHO))
        if release.failure:
            print(f"  green was not loaded: {release.failure}")

    start()


def _compare() -> Any:
    return flow(name="compare-release")(lambda: steps.compare_release(CONTRACT, "default"))()


def _promote() -> Any:
    return flow(name="promote-release")(lambda: steps.promote_release(CONTRACT, "default", _WHO))()


def _regression(columns: dict[str, Any]) -> None:
    """The longitude is read from the wrong column."""
    columns["longitude"]["transformSourceObjects"] = [f"{CONTRACT}.latitude"]


def _intended(columns: dict[str, Any]) -> None:
    """Time zones in capitals."""
    columns["time_zone"]["transformLogic"] = "UPPER(TRIM(time_zone))"
    columns["time_zone"]["customProperties"][0]["value"]["transformation"] = "upper_trim"


if __name__ == "__main__":
    sys.exit(main())
