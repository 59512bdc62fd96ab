"""What the queries of a source need to know of a database's SQL and types.

A further database is a subclass in `tasks.source.sql_dialects`, and a reading of it in `blocks`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from contracts.errors import SettingsError
from contracts.model.source_relation import RelationColumn
from tasks.source.carrier import Carrier

__all__ = ["SqlDialect", "in_utc"]


class SqlDialect(ABC):
    """How one database quotes names, writes literals and carries its types.

    Attributes:
        name: As the block of a source names it.
        quote: What encloses a name; twice inside of one.
        sessions_share_a_state: Whether a read has one state for all its sessions, so that it can
            be bounded by an earlier query and cut into slices.
        no_text: A null of a text type.
        no_value: A null of any type, in a list of what is selected.
        page_of_row: The column by which a range of pages is read; empty: there is none.
    """

    name: str
    quote = '"'
    sessions_share_a_state = False
    no_text = "NULL"
    no_value = "NULL"
    page_of_row = ""

    def quoted(self, name: str) -> str:
        """A name as an identifier, whatever it contains."""
        return self.quote + name.replace(self.quote, self.quote * 2) + self.quote

    def literal(self, value: object) -> str:
        """A value as a literal. No text: bounds are times or numbers.

        A time without a zone is taken as UTC.

        Raises:
            SettingsError: It is of a type that has no literal.
        """
        if isinstance(value, datetime):
            return self.moment_literal(in_utc(value).replace(tzinfo=None))
        if isinstance(value, date):
            return self.date_literal(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, Decimal) and value.is_finite():
            return f"{value:f}"
        raise SettingsError(
            where="the bounds of a source query",
            expected="times, dates, whole numbers or decimals",
            found=f"a bound of type {type(value).__name__}",
            next_step="Choose a partition column of one of these types.",
        )

    def moment_literal(self, moment: datetime) -> str:
        """A time in UTC."""
        return f"TIMESTAMP '{moment.isoformat(sep=' ', timespec='microseconds')}'"

    def date_literal(self, day: date) -> str:
        """A day."""
        return f"DATE '{day.isoformat()}'"

    def page_literal(self, page: int) -> str:
        """The beginning of a page, as `page_of_row` compares with it."""
        return str(page)

    def quantiles(self, value: str, fractions: Sequence[float]) -> str:
        """The array of the values up to which these fractions of all lie; null: it can't tell."""
        del value, fractions
        return self.no_value

    def comparable_time(self, quoted: str) -> str:
        """The SQL of a date or timestamp column as a literal compares with it; null: it can't."""
        return quoted

    def incomparable_time(self, quoted: str) -> str | None:
        """True where such a column has a value that can't be compared; None: that can't be."""
        del quoted
        return None

    @abstractmethod
    def carrier(self, column: RelationColumn, wanted: str) -> Carrier | None:
        """How the column is read as a Spark type of a contract; None when that may lose some."""

    @abstractmethod
    def readable_as(self, column: RelationColumn) -> tuple[str, ...]:
        """The Spark types that a contract may name for the column, the best first; may be empty."""

    def natural_type(self, column: RelationColumn) -> str | None:
        """The Spark type in which it is read where no contract states one; None: it can't be."""
        return next(iter(self.readable_as(column)), None)

    def distinct(self) -> str:
        """The word that leaves out equal rows, where the database compares text by its bytes."""
        return ""

    def unfit_values(self, unfit: Mapping[str, tuple[str, str]]) -> str:
        """The values that are not carried, as one JSON object; null in a row without such.

        Args:
            unfit: By column, when its value is not carried, and the value as text.
        """
        del unfit
        return self.no_text

    def bucket(self, names: Sequence[str], bits: int) -> str | None:
        """A hash of so many bits of some quoted columns; None: the database can't hash."""
        del names, bits
        return None


def in_utc(moment: datetime) -> datetime:
    """A time without a zone is taken as UTC."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
