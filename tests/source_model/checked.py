"""Loads a real table again and again by the whole flow, and compares with the reference."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from blocks.lookup import block_lookup
from blocks.source_database import SourceDatabase
from history.iceberg.current_snapshot import WATERMARK, current_state
from history.iceberg.history_table import exists
from history.model.recorded_source_reads import READ
from tests.flows.conftest import Workplace
from tests.source_model.reference import Read, Row, Version, history
from tests.source_model.source import Source

CONTRACT = Path(__file__).with_name("lots.yaml")
TARGET = "model.lots"
PASSWORD = "only here"  # noqa: S105 - of a role in a database that ends with the test

Histories = dict[int, dict[Any, list[Version]]]
"""The versions of each key of each lot."""

OneRead = tuple[datetime, bool, dict[int, list[Row]]]
"""When a read was, whether it tells what is gone, and its rows by lot."""


def contract(folder: Path, *, kind: str, incremental: bool) -> Path:
    """The folder, with a contract of the table."""
    told = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    strandline = told["customProperties"][0]["value"]
    strandline["source"]["load"] = "incremental" if incremental else "full"
    strandline["history"]["absent"] = "keep" if incremental else "close"
    if kind == "date":
        stamp = next(
            each for each in told["schema"][0]["properties"] if each["name"] == "updated_at"
        )
        stamp |= {"logicalType": "date", "physicalType": "DATE"}
        strandline["source"]["columns"][-1]["physicalType"] = "DATE"
    folder.mkdir(exist_ok=True)
    (folder / "lots.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
    return folder


def read_by_a_role_of_its_own(place: Workplace, source: Source) -> None:
    """The table is read by a role that row security holds for, in a zone and a style of its own."""
    database = place.settings.lakehouse.catalog
    reader = f"reader_{database}"
    source.execute(
        f"CREATE ROLE {reader} LOGIN PASSWORD '{PASSWORD}';"
        f"ALTER ROLE {reader} SET timezone = 'America/New_York';"
        f"ALTER ROLE {reader} SET datestyle = 'SQL, DMY';"
        f"ALTER ROLE {reader} SET row_security = on;"
        f"GRANT USAGE ON SCHEMA model TO {reader};"
        f"GRANT SELECT ON model.lots TO {reader};"
        f"GRANT pg_read_all_stats TO {reader}"
    )
    mine = place.settings
    host, port = mine.lakehouse.uri.split("/")[2].split(":")
    block = SourceDatabase(
        host=host, port=int(port), database=database, user=reader, password=SecretStr(PASSWORD)
    )
    block_lookup.save_local(
        place.root / "blocks.yaml",
        ("default", mine),
        ("local", mine.spark),
        ("local", mine.lakehouse),
        ("local", mine.key_ring),
        ("source-db-conn", block),
    )


@dataclass
class Checked:
    """The table, what was read of it, and what has to be in the history.

    `load` runs the flow, of the whole table or of what is new; what it raises ends the test.
    """

    place: Workplace
    source: Source
    incremental: bool
    load: Callable[[bool], object]
    reads: list[OneRead] = field(default_factory=list)
    states: list[tuple[int, Histories]] = field(default_factory=list)
    mark: datetime | None = None

    @property
    def table(self) -> str:
        return f"{self.place.settings.lakehouse.catalog}.{TARGET}"

    def state(self) -> dict[str, str]:
        """What the newest published snapshot says of itself."""
        told = current_state(self.place.spark, self.table) if self._is_there() else None
        return dict(told.properties) | {"snapshot": str(told.snapshot_id)} if told else {}

    def _is_there(self) -> bool:
        return exists(self.place.spark, self.table)

    def after(
        self,
        begun: datetime | None,
        *,
        everything: bool,
        kill: Callable[[bool], object] | None = None,
    ) -> None:
        """Load what the source holds now and check all that can be told.

        Args:
            begun: Since when another transaction has been open that wrote; None: none is.
            everything: Whether the load reads the whole table.
            kill: Runs the flow and kills its process in the midst of it.
        """
        rows, before, since = self.source.rows(), self.state(), datetime.now(UTC)
        returned = self._returned(rows, everything=everything)
        (kill or self.load)(everything)
        told, at = self.state(), datetime.now(UTC)
        if told.get("snapshot") == before.get("snapshot"):
            assert self.expected() == self.found()
            if kill is None:  # nothing was published, so there was nothing to publish
                assert self.expected((at, self.closes, returned)) == self.found()
                assert self._moved(rows, begun or since) == self.mark
            return
        read_at = _read_at(told)
        assert since <= read_at <= at
        self.reads.append((read_at, self.closes, returned))
        expected = self.expected()
        assert_equal(self.found(), expected, self.reads)
        self.states.append((int(told["snapshot"]), expected))
        if everything:
            assert_current(expected, rows, closes=self.closes)
        self.mark = self._moved(rows, begun or read_at)
        if self.incremental:
            assert datetime.fromisoformat(told[WATERMARK]) == self.mark

    @property
    def closes(self) -> bool:
        """Whether the contract takes what a load does not find for gone."""
        return not self.incremental

    def _moved(self, rows: dict[int, list[Row]], limit: datetime) -> datetime | None:
        """The watermark after a load: the greatest one that nothing earlier can come after."""
        accepted = (row for mine in rows.values() for row in judged(mine).values())
        marks = [row.stamp for row in accepted if row.stamp is not None and row.stamp <= limit]
        return max([*marks, *([self.mark] if self.mark else [])], default=None)

    def _returned(self, rows: dict[int, list[Row]], *, everything: bool) -> dict[int, list[Row]]:
        """The rows that a read asks for."""
        if everything or self.mark is None:
            return rows
        return {
            lot: [row for row in mine if row.stamp is None or row.stamp >= self.mark]
            for lot, mine in rows.items()
        }

    def expected(self, *more: OneRead) -> Histories:
        """What the reference says of the reads so far, and of some more."""
        found = {}
        for lot in range(len(self.source.stories)):
            reads = (*self.reads, *more)
            mine = [Read(at, full, tuple(told.get(lot, ()))) for at, full, told in reads]
            versions = history(mine)
            if versions:
                found[lot] = versions
        return found

    def found(self, snapshot: int | None = None) -> Histories:
        """The versions in the table, now or as they were."""
        if not self._is_there():
            return {}
        at = f" VERSION AS OF {snapshot}" if snapshot else ""
        statement = f"SELECT * FROM {self.table}{at} ORDER BY valid_from"  # noqa: S608
        found: Histories = {}
        for row in self.place.spark.sql(statement).toArrow().to_pylist():
            version = Version(*(row[name] for name in COLUMNS))
            found.setdefault(row["lot"], {}).setdefault(row["id"], []).append(version)
            assert row["is_current"] == (version.end is None)
        return found


def _read_at(state: dict[str, str]) -> datetime:
    told = json.loads(state[READ])
    return datetime.fromisoformat(told["at"])


COLUMNS = ("value", "grade", "read_at", "valid_from", "valid_to")


def assert_equal(found: Histories, expected: Histories, reads: list[OneRead]) -> None:
    """The same, or an error that shows the shortest lot that differs."""
    wrong = [lot for lot in {*found, *expected} if found.get(lot) != expected.get(lot)]
    if not wrong:
        return
    lot = min(wrong, key=lambda lot: sum(len(told.get(lot, ())) for _at, _full, told in reads))
    lines = [f"{len(wrong)} lots differ, the shortest is {lot}:"]
    for at, full, told in reads:
        lines.append(f"  read at {at:%H:%M:%S.%f}, {'full' if full else 'of some rows'}:")
        lines += [f"    {row}" for row in told.get(lot, ())]
    for title, one, other in (("not found", expected, found), ("not expected", found, expected)):
        for key, versions in one.get(lot, {}).items():
            others = other.get(lot, {}).get(key, [])
            lines += [f"  key {key}, {title}: {each}" for each in versions if each not in others]
    raise AssertionError("\n".join(lines))


def judged(rows: list[Row]) -> dict[Any, Row]:
    """The rows of a lot that a load accepts if it reads them all, by key."""
    keys = [row.key for row in rows]
    return {row.key: row for row in rows if not row.refused and keys.count(row.key) == 1}


def assert_current(found: Histories, rows: dict[int, list[Row]], *, closes: bool) -> None:
    """After a read of everything the open versions are the rows of the source.

    Refused ones aside; and what is gone, unless the contract closes it.
    """
    for lot in {*found, *rows}:
        mine = rows.get(lot, [])
        keys, accepted = {row.key for row in mine}, judged(mine)
        shown = {
            key: versions[-1].tracked
            for key, versions in found.get(lot, {}).items()
            if versions[-1].end is None and (key in accepted or (closes and key not in keys))
        }
        there = {key: row.tracked for key, row in accepted.items() if row.operation != "delete"}
        assert shown == there, f"lot {lot}"
