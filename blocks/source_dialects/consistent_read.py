"""One read of a source: its queries and its rows, whichever database it is.

Promise: each statement sees one state of the database, not older than the beginning of the read.
Of PostgreSQL all statements of a read see the same state, however many sessions read in parallel.
Where a database has no snapshot that sessions can share, each statement has a state of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from contracts.model.source_relation import Relation, RelationDetails

__all__ = ["ReadingSession", "SourceReading"]


class ReadingSession(Protocol):
    """What a dialect has to provide for a read."""

    def relation(self, schema: str, table: str) -> Relation:
        """From the catalog."""
        ...

    def query_row(self, statement: str) -> tuple[object, ...]:
        """One row."""
        ...

    def details(self, schema: str, table: str) -> RelationDetails:
        """All that the catalog says of a table."""
        ...

    def rows(
        self, statement: str, *, seconds: int, most: int | None = None
    ) -> list[tuple[object, ...]]:
        """The rows of a statement that may take so long, and no more than so many."""
        ...

    def jdbc_options(self) -> dict[str, str]:
        """For Spark's JDBC reader."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReading:
    """A read that has begun. It ends with the `with` that began it, and so do Spark's reads of it.

    Args:
        now: The source's clock when the read began, in UTC.
        oldest_open: No transaction that this read does not see began before it, in UTC: the start
            of the oldest one that was open, else the moment just before the read. A transaction
            that was prepared counts from its PREPARE. None: the source does not report it.
        open_unknown: There are open transactions whose start the source does not report,
            because its user may not see those of others (`pg_read_all_stats`); or there may be,
            because it is a replica.
        session: The database session of the read.
        widened: How many sessions may read side by side, of so many that are wanted.
        as_text: Its queries select every value as text, which Spark turns into the contract's
            types (`tasks.source.text_to_spark_types`).
    """

    now: datetime
    oldest_open: datetime | None
    open_unknown: bool
    session: ReadingSession = field(repr=False)
    widened: Callable[[int], int] = field(default=int, repr=False)
    as_text: bool = False

    def relation(self, schema: str, table: str) -> Relation:
        """A table, view or foreign table as the source's catalog describes it.

        Raises:
            SchemaDriftError: There is none of this name; near matches are named.
            SourceAccessError: There is, and its rows are not ours to read.
            SourceUnavailableError: The database does not answer any more.
        """
        return self.session.relation(schema, table)

    def query_row(self, sql: str) -> tuple[object, ...]:
        """The first row of a small query (bounds, counts); empty when there is none.

        Raises:
            StrandlineError: As `SourceDatabase.query_row`.
        """
        return self.session.query_row(sql)

    def details(self, schema: str, table: str) -> RelationDetails:
        """All that the source's catalog says of a table: keys, constraints, comments, statistics.

        Raises:
            StrandlineError: As `relation`.
        """
        return self.session.details(schema, table)

    def rows(self, sql: str, *, seconds: int, most: int | None = None) -> list[tuple[object, ...]]:
        """The rows of a small query. A failure ends the read.

        Args:
            sql: The query.
            seconds: How long it may take.
            most: Of how many rows the first are taken; None: the query says itself how many.

        Raises:
            StrandlineError: As `SourceDatabase.query_row`.
        """
        return self.session.rows(sql, seconds=seconds, most=most)

    def jdbc_options(self) -> dict[str, str]:
        """Options for `spark.read.format("jdbc")`, whose sessions join this read."""
        return self.session.jdbc_options()
