"""A table in PostgreSQL that changes as real ones do: many lots, a history each, all at once.

What happens between two reads is drawn as data. `id` is the key within a lot, and nothing in the
table keeps it unique. Each lot is a partition of its own, so that it can be emptied or
hidden alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import psycopg
from hypothesis import strategies as st
from psycopg.sql import SQL, Composed, Identifier, Literal

from tests.source_model.reference import Row

KINDS = ("timestamp with time zone", "timestamp without time zone", "date")
"""The types that a stamp may have here."""

MOMENTS = {
    "now": "clock_timestamp()",
    "second": "date_trunc('second', clock_timestamp())",
    "minute": "date_trunc('minute', clock_timestamp())",
    "day": "date_trunc('day', clock_timestamp())",
    "old": "clock_timestamp() - interval '1 day'",
    "ancient": "timestamptz '2001-02-03 04:05:06.789012+00'",
    "soon": "clock_timestamp() + interval '2 hours'",
    "far": "timestamptz '2999-01-01 00:00:00+00'",
    "none": "NULL::timestamptz",
    "begun": "now()",  # the start of the transaction, as most applications stamp
}
STAMPED = ("now",) * 6 + tuple(MOMENTS)
WRONG = 99
"""A grade that the contract refuses."""


class Change(NamedTuple):
    """One statement on a lot; `stamp` is a word of `MOMENTS`, `read` an earlier read by number."""

    kind: str
    id: int
    value: str | None
    grade: int
    stamp: str
    read: int


class Gap(NamedTuple):
    """What happens to a lot before a read; what is `late` is committed only after the read."""

    changes: tuple[Change, ...]
    late: tuple[Change, ...]


Story = tuple[Gap, ...]
"""What happens to a lot before each read."""

STATEMENTS = {
    "insert": """
        INSERT INTO {t} SELECT {lot}, {id}, {value}, {grade}, 'IN', {stamp}
        WHERE NOT EXISTS (SELECT FROM {t} WHERE id = {id})""",
    "change": """
        UPDATE {t} SET value = {value}, grade = {grade}, updated_at = {stamp} WHERE id = {id}""",
    "silent": "UPDATE {t} SET value = {value} WHERE id = {id}",
    "touch": "UPDATE {t} SET updated_at = {stamp} WHERE id = {id}",
    "grade": "UPDATE {t} SET grade = {grade}, updated_at = {stamp} WHERE id = {id}",
    "spoil": "UPDATE {t} SET grade = 99, value = {value}, updated_at = {stamp} WHERE id = {id}",
    "leave": "UPDATE {t} SET state = 'OUT', updated_at = {stamp} WHERE id = {id}",
    "enter": "UPDATE {t} SET state = 'IN', updated_at = {stamp} WHERE id = {id}",
    "delete": "DELETE FROM {t} WHERE id = {id}",
    "back": """
        INSERT INTO {t} SELECT lot, id, value, grade, state, updated_at FROM model.seen
        WHERE lot = {lot} AND id = {id} AND read <= {read}
        AND NOT EXISTS (SELECT FROM {t} WHERE id = {id}) ORDER BY read DESC LIMIT 1""",
    "rekey": """
        UPDATE {t} SET id = 3 - id WHERE id = {id}
        AND NOT EXISTS (SELECT FROM {t} WHERE id = 3 - {id})""",
    "twice": """
        INSERT INTO {t} SELECT lot, id, concat(value, '2'), grade, state, updated_at
        FROM {t} WHERE id = {id} LIMIT 1""",
    "once": """
        DELETE FROM {t} WHERE id = {id}
        AND ctid <> (SELECT min(ctid) FROM {t} WHERE id = {id})""",
    "keyless": "INSERT INTO {t} VALUES ({lot}, NULL, {value}, {grade}, 'IN', {stamp})",
    "keyed": "DELETE FROM {t} WHERE id IS NULL",
    "empty": "TRUNCATE {t}",
    "reload": """
        CREATE TEMPORARY TABLE again AS SELECT * FROM {t};
        TRUNCATE {t};
        INSERT INTO {t} SELECT * FROM again;
        DROP TABLE again""",
    "restore": """
        TRUNCATE {t};
        INSERT INTO {t} SELECT lot, id, value, grade, state, updated_at FROM model.seen
        WHERE lot = {lot} AND read = {read}""",
    "hide": "ALTER TABLE model.lots DETACH PARTITION {t}",
    "show": "ALTER TABLE model.lots ATTACH PARTITION {t} FOR VALUES IN ({lot})",
}
OFTEN = (*("insert", "change", "silent", "delete", "back") * 2, "restore")
LATE = ("insert", "change", "change", "silent", "delete", "touch", "leave")
LATELY = ("begun", "begun", "old", "none")
"""What a long transaction does: nothing that would need a lock on the whole table."""


@st.composite
def changes(draw: st.DrawFn, kinds: tuple[str, ...], read: int, stamps: tuple[str, ...]) -> Change:
    """One statement before a read."""
    return Change(
        draw(st.sampled_from(kinds)),
        draw(st.integers(1, 2)),
        draw(st.sampled_from(("a", "b", "c", None))),
        draw(st.sampled_from((0, 1))),
        draw(st.sampled_from(stamps)),
        draw(st.integers(0, max(read - 1, 0))),
    )


@st.composite
def stories(draw: st.DrawFn, reads: int) -> Story:
    """One or two keys in all their troubles."""
    gaps = []
    for read in range(reads):
        kinds = (*OFTEN, *STATEMENTS) if read else ("insert", "insert", "insert", "change")
        count = draw(st.sampled_from((0, 1, 2, 2, 3, 3, 4)))
        late = draw(st.sampled_from((0, 0, 1)))
        ours = (draw(changes(kinds, read, STAMPED)) for _ in range(count))
        theirs = (draw(changes(LATE, read, LATELY)) for _ in range(late))
        gaps.append(Gap(tuple(ours), tuple(theirs)))
    return tuple(gaps)


class Source:
    """The table `model.lots` of a database, and the role `reader` that may only read it.

    Args:
        dsn: Of a database of its own, as its owner.
        stories: What happens to each lot.
        kind: The type of the stamp, one of `KINDS`.
    """

    def __init__(self, dsn: str, stories: tuple[Story, ...], kind: str) -> None:
        self.stories, self.kind = stories, kind
        self._dsn = dsn
        self._hidden: set[int] = set()
        self._mine = psycopg.connect(dsn, autocommit=True)
        self._mine.execute("SET timezone = 'UTC'; SET lock_timeout = '20s'")
        columns = f"lot int, id int, value text, grade int, state text, updated_at {kind}"
        for lot in range(len(stories)):
            parts = f"CREATE TABLE model.lot_{lot} PARTITION OF model.lots FOR VALUES IN ({lot})"
            if lot == 0:
                self._mine.execute(
                    f"CREATE SCHEMA model; CREATE TABLE model.seen (read int, {columns});"
                    f"CREATE TABLE model.lots ({columns}) PARTITION BY LIST (lot)"
                )
            self._mine.execute(parts)

    def close(self) -> None:
        self._mine.close()

    def execute(self, statement: str) -> None:
        self._mine.execute(statement)

    @contextmanager
    def before(self, read: int) -> Iterator[datetime | None]:
        """All that happens before a read; what comes late is committed when the read is over.

        Yields the start of the transaction that comes late; None: it has written nothing.
        """
        with psycopg.connect(self._dsn) as late:
            late.execute("SET timezone = 'UTC'")
            (begun,) = late.execute("SELECT now()").fetchone() or (None,)
            with self._mine.pipeline():
                for lot, story in enumerate(self.stories):
                    for change in story[read].changes:
                        self._do(lot, change)
            with late.pipeline():
                for lot, story in enumerate(self.stories):
                    for change in story[read].late:
                        late.execute(self._statement(lot, change))
            self._mine.execute("INSERT INTO model.seen SELECT %s, * FROM model.lots", (read,))
            yield begun if any(story[read].late for story in self.stories) else None

    def rows(self) -> dict[int, list[Row]]:
        """What a read finds now, by lot, as the reference is told."""
        found: dict[int, list[Row]] = {}
        for lot, id_, value, grade, state, stamp in self._mine.execute("TABLE model.lots"):
            operation = "upsert" if state == "IN" else "delete"
            refused = id_ is None or not 0 <= grade < WRONG
            row = Row(id_, value, grade, _moment(stamp), operation, refused)
            found.setdefault(lot, []).append(row)
        return found

    def _do(self, lot: int, change: Change) -> None:
        if change.kind in ("hide", "show"):
            if (change.kind == "hide") == (lot in self._hidden):
                return
            self._hidden ^= {lot}
        for part in self._statement(lot, change).as_string().split(";"):
            self._mine.execute(part)  # type: ignore[arg-type]

    def _statement(self, lot: int, change: Change) -> Composed:
        stamp = f"(({MOMENTS[change.stamp]}) AT TIME ZONE 'UTC')"
        if self.kind == KINDS[0]:
            stamp = MOMENTS[change.stamp]
        return SQL(STATEMENTS[change.kind]).format(  # type: ignore[arg-type]
            t=Identifier("model", f"lot_{lot}"),
            lot=Literal(lot),
            id=Literal(change.id),
            value=Literal(change.value),
            grade=Literal(change.grade),
            stamp=SQL(f"({stamp})::{self.kind}"),  # type: ignore[arg-type]
            read=Literal(change.read),
        )


def _moment(stamp: Any) -> datetime | None:
    """The instant that a stamp names; one without a zone is of UTC."""
    if isinstance(stamp, datetime):
        return stamp.astimezone(UTC) if stamp.tzinfo else stamp.replace(tzinfo=UTC)
    return datetime.combine(stamp, datetime.min.time(), UTC) if isinstance(stamp, date) else None
