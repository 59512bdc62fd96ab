"""Loads of tables that others change meanwhile: the histories are what the source's log implies.

A state is a row that was committed when a read was taken, as the read's own snapshot shows. Of the
log itself each committed entry is in the history once.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

import pytest
import yaml

import flows.load_steps
from flows.load_table import load_table
from history.iceberg.current_snapshot import current_state
from history.model.recorded_source_reads import READ, next_read_instant, unchanged_reads
from tests.flows.busy_source import BusySource, Entry, replayed
from tests.flows.conftest import Workplace
from tests.flows.state_contracts import write_contract
from tests.history import reference as events
from tests.night import AT_NIGHT
from tests.source_model import reference as states

INCREMENTAL, FULL_EVERY = (50, 5) if AT_NIGHT else (3, 3)
"""How many rounds of incremental loads there are, and after how many of them comes a full one."""
KEYS, PAUSE = (150, 0.2) if AT_NIGHT else (60, 0.04)
"""How many keys there are, and how long a session waits at most between transactions."""
ROWS_A_SLICE = 5
"""So that tables as small as these are read in slices."""

COLUMNS = {"id": "INTEGER", "part": "INTEGER", "v": "VARCHAR(20)", "rest": "INTEGER"}
STAMPED = {**COLUMNS, "updated_at": "TIMESTAMP"}
LOGGED = {"id": "INTEGER", "seq": "BIGINT", **COLUMNS, "state": "VARCHAR(3)"}
LOGGED |= {"updated_at": "TIMESTAMP"}


def promised(columns):
    return [
        {"name": name, "physicalType": kind, "required": name in ("id", "updated_at")}
        for name, kind in columns.items()
    ]


def write_contracts(folder):
    """The table by what is new of it and as a whole, and the log by what is new."""
    table = {
        "table": "stock",
        "partition_column": "part",
        "retry_attempts": 0,
        "membership": [{"column": "state", "operator": "in", "values": ["IN"]}],
        "columns": promised({**STAMPED, "state": "VARCHAR(3)"}),
    }
    tracked = {"tracked": ["part", "v"]}
    by_stamp = {"load": "incremental", "watermark": ["updated_at"]}
    write_contract(folder, "stock", STAMPED, {**table, **by_stamp}, tracked)
    closing = {"load": "full", "closing_limit": {"percent": 100, "rows": 1000}}
    write_contract(
        folder, "whole_stock", STAMPED, {**table, **closing}, {**tracked, "absent": "close"}
    )
    log = {
        **by_stamp,
        "kind": "events",
        "partition_column": "seq",
        "retry_attempts": 0,
        "membership": [{"column": "op", "operator": "in", "values": ["I", "U"]}],
        "columns": promised({**LOGGED, "op": "VARCHAR(1)"}),
    }
    write_contract(
        folder,
        "stock_log",
        LOGGED,
        log,
        {"tracked": ["part", "v", "state"], "tie_breaker": ["seq"]},
        required=("id", "updated_at"),
    )
    path = folder / "stock_log.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    columns = document["schema"][0]["properties"]
    columns[:] = [column for column in columns if column["name"] != "read_at"]
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


@dataclass
class Loads:
    """The loads of a busy source, and of each state what its reads had to find.

    `late` counts the entries that were committed below what was read before.
    """

    place: Workplace
    source: BusySource
    begun: list[tuple[str, str, datetime]]
    reads: dict[str, list[states.Read]] = field(default_factory=dict)
    late: int = 0
    _seen: frozenset[int] = frozenset()
    _newest: datetime | None = None

    def load(self, name: str, *, full: bool = False) -> None:
        """Load a table while it changes, and compare it with what the read had to find."""
        self.begun.clear()
        summary = load_table(name, full=full)
        ((contract, snapshot, now),) = self.begun
        assert contract == name
        entries = self.source.entries(snapshot)
        if name == "stock_log":
            self.every_entry_is_there(entries)
            self.count_late(entries)
            return
        mine, whole, rows = (
            self.reads.setdefault(name, []),
            name == "whole_stock",
            replayed(entries),
        )
        instant = next_read_instant(now, mine[-1].at if mine else None)
        mine.append(states.Read(instant, whole, tuple(rows)))
        assert self.recorded_read(name, published=summary.report.published) == instant
        self.every_row_is_open(name, rows, everything=whole)

    def count_late(self, entries: list[Entry]) -> None:
        newest = self._newest
        self.late += sum(
            newest is not None and entry.at < newest and entry.seq not in self._seen
            for entry in entries
        )
        self._seen = frozenset(entry.seq for entry in entries)
        self._newest = max(entry.at for entry in entries)

    def recorded_read(self, name: str, *, published: bool) -> datetime:
        """The instant of the last read, as the table says it."""
        if published:
            told = current_state(self.place.spark, self.target(name)).properties[READ]
            return datetime.fromisoformat(json.loads(told)["at"])
        properties = self.place.spark.sql(f"SHOW TBLPROPERTIES {self.target(name)}").collect()
        told = {row.key: row.value for row in properties}["strandline.reads"]
        return unchanged_reads(told)[-1].at

    def target(self, name: str) -> str:
        return f"{self.place.settings.lakehouse.catalog}.states.{name}"

    def versions(self, name: str) -> list[dict[str, object]]:
        return self.place.table(f"states.{name}").toArrow().to_pylist()

    def every_row_is_open(self, name: str, rows: list[states.Row], *, everything: bool) -> None:
        """The open versions are the rows; a key without a row may be open where nobody says so."""
        there = {row.key: (row.tracked, row.rest) for row in rows if row.operation == "upsert"}
        keys = {row.key for row in rows}
        shown = {
            row["id"]: ((row["part"], row["v"]), row["rest"])
            for row in self.versions(name)
            if row["is_current"] and (everything or row["id"] in keys)
        }
        assert shown == there

    def every_entry_is_there(self, entries: list[Entry]) -> None:
        """Each entry that opens a version did, once, and nothing else did."""
        expected = sorted(version.tie[0] for version in log_history(entries))
        assert sorted(row["seq"] for row in self.versions("stock_log")) == expected

    def state_history(self, name: str) -> dict[int, list[states.Version]]:
        """The versions of each key, in order."""
        found: dict[int, list[states.Version]] = {}
        for row in sorted(self.versions(name), key=lambda row: row["valid_from"]):
            version = states.Version(
                (row["part"], row["v"]),
                row["rest"],
                row["read_at"],
                row["valid_from"],
                row["valid_to"],
            )
            found.setdefault(row["id"], []).append(version)
        return found

    def implied_history(self, name: str) -> dict[int, list[states.Version]]:
        """The same, of the log and the snapshots of the reads."""
        return states.history(self.reads[name])


def log_history(entries: list[Entry]) -> set[events.Version]:
    """The versions that the entries of the log make."""
    told = [
        events.Event(
            (entry.id,),
            entry.at,
            (entry.part, entry.v, entry.state),
            operation="delete" if entry.op == "D" else "upsert",
            tie=(entry.seq,),
        )
        for entry in entries
    ]
    versions, refused, _ = events.history(told, rank=lambda value: value)
    assert not refused
    return versions


@pytest.fixture
def loads(make_workplace, tmp_path, monkeypatch):
    """Loads whose reads are asked for their snapshots, within their own transactions."""
    write_contracts(tmp_path)
    place = make_workplace(tmp_path)
    source = BusySource(place.dsn.get_secret_value(), KEYS, seed=1, pause=PAUSE)
    source.create()
    begun = []
    original = flows.load_steps.source_reading

    @contextmanager
    def observed(run, contract):
        with original(run, contract) as reading:
            (snapshot,) = reading.query_row("SELECT pg_current_snapshot()::text")
            begun.append((run.name, snapshot, reading.now))
            yield reading

    monkeypatch.setattr(flows.load_steps, "source_reading", observed)
    monkeypatch.setattr("tasks.extract.ROWS_A_SLICE", ROWS_A_SLICE)
    return Loads(place, source, begun)


@pytest.mark.timeout(3600)
def test_the_histories_are_what_the_sources_own_log_implies(loads):
    with loads.source.changing():
        for round_ in range(1, INCREMENTAL + 1):
            loads.load("stock")
            loads.load("stock_log")
            if round_ % FULL_EVERY == 0:
                loads.load("whole_stock")
    loads.load("stock", full=True)
    loads.load("stock_log", full=True)
    loads.load("whole_stock")

    log = loads.source.entries()
    assert replayed(log) == loads.source.rows()
    for name in ("stock", "whole_stock"):
        assert loads.state_history(name) == loads.implied_history(name)
    versions = {
        (row["id"], row["seq"], (row["part"], row["v"], row["state"]), row["valid_from"],
         row["valid_to"])
        for row in loads.versions("stock_log")
    }  # fmt: skip
    assert versions == {
        (each.key[0], each.tie[0], each.tracked, each.start, each.end) for each in log_history(log)
    }
    assert all(what_happened(loads, log).values()), what_happened(loads, log)
    assert loads.place.leftovers == []


def what_happened(loads: Loads, log: list[Entry]) -> dict[str, int]:
    """How often each trouble occurred that the test is about."""
    moved = 0
    for one, other in pairwise(log):
        same = (one.xact, one.id) == (other.xact, other.id)
        moved += same and (one.op, other.op) == ("D", "I") and one.part // 25 != other.part // 25
    return {
        "committed late, below what was read before": loads.late,
        "moved between partitions": moved,
        "rolled back": loads.source.rolled_back,
        "left by the flag": sum(entry.state == "OUT" for entry in log),
        "deleted": sum(entry.op == "D" for entry in log) - moved,
    }
