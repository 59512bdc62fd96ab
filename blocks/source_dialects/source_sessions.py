"""What a source database answers in a session of its own, the same for every kind of database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from blocks.source_dialects.consistent_read import ReadingSession

__all__ = ["SourceSessions"]


class SourceSessions(ABC):
    """One database and login. Each question below begins a session and ends it."""

    __slots__ = ()

    @abstractmethod
    def _session(self) -> AbstractContextManager[ReadingSession]:
        """A session, ended with the `with` block."""

    def columns(self, schema: str, table: str) -> dict[str, str]:
        """The columns of a table in their order, each with its type as the database writes it.

        Raises:
            SchemaDriftError: There is no such table.
            SourceAccessError: There is, but its columns are not ours to see.
        """
        with self._session() as session:
            described = session.relation(schema, table)
        return {column.name: column.type for column in described.columns}

    def query_row(self, statement: str) -> tuple[object, ...]:
        """The first row of what a statement returns; empty when it returns none."""
        with self._session() as session:
            return session.query_row(statement)

    def check(self) -> None:
        """Begin a session, without a query."""
        with self._session():
            pass
