"""Tables in PostgreSQL that several sessions change at once, and the log that triggers write of it.

Each entry of the log names its transaction. So the log and the snapshot of a read tell what the
read had to find: the entries whose transactions the snapshot shows, and no others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import LiteralString, NamedTuple

import psycopg

from tests.source_model.reference import Row

TABLES = """
CREATE TABLE stock (
    id int NOT NULL, part int NOT NULL, v varchar(20) NOT NULL, rest int NOT NULL DEFAULT 0,
    state varchar(3) NOT NULL DEFAULT 'IN', updated_at timestamptz NOT NULL,
    PRIMARY KEY (id, part)
) PARTITION BY RANGE (part);
CREATE TABLE stock_0 PARTITION OF stock FOR VALUES FROM (0) TO (25);
CREATE TABLE stock_1 PARTITION OF stock FOR VALUES FROM (25) TO (50);
CREATE TABLE stock_2 PARTITION OF stock FOR VALUES FROM (50) TO (75);
CREATE TABLE stock_3 PARTITION OF stock DEFAULT;
CREATE INDEX ON stock (updated_at);
CREATE TABLE stock_log (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
    op varchar(1) NOT NULL,
    id int NOT NULL, part int NOT NULL, v varchar(20) NOT NULL, rest int NOT NULL,
    state varchar(3) NOT NULL, stamp timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON stock_log (updated_at);
CREATE FUNCTION log_stock() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    r stock := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    INSERT INTO stock_log (op, id, part, v, rest, state, stamp)
    VALUES (left(TG_OP, 1), r.id, r.part, r.v, r.rest, r.state, r.updated_at);
    RETURN NULL;
END $$;
CREATE TRIGGER log_stock AFTER INSERT OR UPDATE OR DELETE ON stock
    FOR EACH ROW EXECUTE FUNCTION log_stock();
"""
"""The log's own `updated_at` orders its entries of a key: who writes one has the row's lock."""

STATEMENTS: dict[str, LiteralString] = {
    "insert": """
        INSERT INTO stock (id, part, v, updated_at)
        SELECT %(id)s, %(part)s, %(v)s, {stamp}
        WHERE NOT EXISTS (SELECT FROM stock WHERE id = %(id)s)""",
    "change": "UPDATE stock SET v = %(v)s, updated_at = {stamp} WHERE id = %(id)s",
    "move": "UPDATE stock SET part = %(part)s, updated_at = {stamp} WHERE id = %(id)s",
    "rest": "UPDATE stock SET rest = rest + 1, updated_at = {stamp} WHERE id = %(id)s",
    "touch": "UPDATE stock SET updated_at = {stamp} WHERE id = %(id)s",
    "leave": "UPDATE stock SET state = 'OUT', updated_at = {stamp} WHERE id = %(id)s",
    "enter": "UPDATE stock SET state = 'IN', updated_at = {stamp} WHERE id = %(id)s",
    "delete": "DELETE FROM stock WHERE id = %(id)s",
}
OFTEN = ("insert", "insert", "change", "change", "change", "move", "move", *STATEMENTS)
STAMPS: tuple[LiteralString, ...] = ("now()", "clock_timestamp()")
"""When the transaction began, as most applications stamp; and when the statement was executed."""

ONE_ROW_A_KEY = "SELECT pg_advisory_xact_lock(%s)"
"""No unique index of a partitioned table says so without the partition's column."""


class Entry(NamedTuple):
    """An entry of the log."""

    seq: int
    xact: int
    op: str
    id: int
    part: int
    v: str
    rest: int
    state: str
    stamp: datetime
    at: datetime


@dataclass
class BusySource:
    """The tables of a database, while sessions change them.

    Args:
        dsn: Of a database of its own, as its owner.
        keys: How many keys there are at most.
        seed: Of what the sessions do; their interleaving is the server's.
        pause: How many seconds a session waits at most between two short transactions.
    """

    dsn: str
    keys: int
    seed: int
    pause: float
    rolled_back: int = 0
    refused: int = 0
    _errors: list[BaseException] = field(default_factory=list)

    def create(self) -> None:
        """The tables, with a row for half of the keys."""
        with self._session("filling") as session:
            session.execute(TABLES)
            for id_ in range(0, self.keys, 2):
                values = {"id": id_, "part": id_ % 100, "v": f"first {id_}"}
                session.execute(STATEMENTS["insert"].format(stamp="now()").encode(), values)

    @contextmanager
    def changing(self, *, quick: int = 3, slow: int = 2) -> Iterator[None]:
        """So many sessions change rows meanwhile in transactions of a moment, or of seconds."""
        ended = threading.Event()
        kinds = [(self._quick, number) for number in range(quick)]
        kinds += [(self._slow, quick + number) for number in range(slow)]
        threads = [
            threading.Thread(target=self._until, args=(ended, *kind), daemon=True) for kind in kinds
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join(60)
        assert not self._errors, self._errors
        assert not any(thread.is_alive() for thread in threads)

    def entries(self, snapshot: str | None = None) -> list[Entry]:
        """What the log has, in order; with a snapshot, what that shows of it."""
        query: LiteralString = (
            "SELECT seq, xact::text::bigint, op, id, part, v, rest, state, stamp, updated_at"
            " FROM stock_log WHERE %(s)s::text IS NULL"
            " OR pg_visible_in_snapshot(xact, %(s)s::text::pg_snapshot) ORDER BY seq"
        )
        with self._session("asking") as session:
            return [Entry(*row) for row in session.execute(query, {"s": snapshot})]

    def rows(self) -> list[Row]:
        """What the table has now."""
        query = "SELECT 0, 0, '', id, part, v, rest, state, updated_at, updated_at FROM stock"
        with self._session("asking") as session:
            return sorted(row_of(Entry(*row)) for row in session.execute(query))

    @contextmanager
    def _session(self, name: str) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.dsn, application_name=name) as session:
            session.execute("SET timezone = 'UTC'")
            session.execute("SET lock_timeout = '300ms'")
            session.commit()
            yield session

    def _until(
        self,
        ended: threading.Event,
        act: Callable[[psycopg.Connection, Random, Callable[[], str]], None],
        number: int,
    ) -> None:
        chance, written = Random(self.seed * 100 + number), 0  # noqa: S311 - no secret

        def value() -> str:
            nonlocal written
            written += 1
            return f"{number}-{written}"

        try:
            with self._session(f"writer {number}") as session:
                while not ended.is_set():
                    try:
                        act(session, chance, value)
                    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                        session.rollback()
                        self.refused += 1
        except BaseException as error:  # noqa: BLE001 - the test raises it
            self._errors.append(error)

    def _quick(self, session: psycopg.Connection, chance: Random, value: Callable[[], str]) -> None:
        for _ in range(chance.choice((1, 1, 2, 5))):
            self._change(session, chance, value)
        self._end(session, chance)
        time.sleep(chance.uniform(0, self.pause))

    def _slow(self, session: psycopg.Connection, chance: Random, value: Callable[[], str]) -> None:
        """What began long ago when it is committed; some of it is undone at a savepoint."""
        session.execute("SELECT now()")
        time.sleep(chance.uniform(0, 0.5))
        for _ in range(chance.randint(1, 4)):
            with ExitStack() as undone:
                if chance.random() < 0.3:
                    undone.enter_context(session.transaction(force_rollback=True))
                self._change(session, chance, value)
            time.sleep(chance.uniform(0, 1))
        self._end(session, chance)

    def _change(
        self, session: psycopg.Connection, chance: Random, value: Callable[[], str]
    ) -> None:
        statement = STATEMENTS[chance.choice(OFTEN)].format(stamp=chance.choice(STAMPS))
        values = {
            "id": chance.randrange(self.keys),
            "part": chance.randrange(100),
            "v": value(),
        }
        session.execute(ONE_ROW_A_KEY, (values["id"],))
        session.execute(statement.encode(), values)

    def _end(self, session: psycopg.Connection, chance: Random) -> None:
        if chance.random() < 0.15:
            session.rollback()
            self.rolled_back += 1
        else:
            session.commit()


def row_of(entry: Entry) -> Row:
    """The row that an entry leaves behind, as the reference is told."""
    operation = "upsert" if entry.state == "IN" else "delete"
    stamp = entry.stamp.astimezone(UTC)
    return Row(entry.id, (entry.part, entry.v), entry.rest, stamp, operation)


def replayed(entries: list[Entry]) -> list[Row]:
    """The rows of the table after these entries."""
    rows: dict[int, Row] = {}
    for entry in entries:
        rows.pop(entry.id, None)
        if entry.op != "D":
            rows[entry.id] = row_of(entry)
    return sorted(rows.values())
