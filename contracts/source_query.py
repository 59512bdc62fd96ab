"""A contract as the SQL that reads its source.

Promise: exactly the contract's columns, every row in the bounds once, no row left out by the
membership (a row that leaves the filter has to be seen, because it closes its version).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from contracts.errors import ContractError, SettingsError
from contracts.model import Contract, LoadKind

_QUOTES = {"postgresql": '"', "mysql": "`"}


def source_query(
    contract: Contract,
    *,
    after: datetime | None = None,
    until: datetime | None = None,
    within: tuple[object, object] | None = None,
    dialect: str = "postgresql",
) -> str:
    """SELECT of the rows whose watermark lies in the bounds, in no particular order.

    The lower bound is `after` minus the contract's overlap and is itself included: another
    transaction may commit later with the very time of the watermark. Rows that are read again are
    recognised and open no version. A full load has no bounds but `within`.

    Args:
        contract: What to read.
        after: The watermark of the last load; None reads from the beginning.
        until: The greatest watermark to read, included; None has no upper bound.
        within: The least and the greatest value of the partition column, both included, so that
            the source leaves out its other partitions; None on either side has no bound there.
        dialect: `postgresql` or `mysql`.

    Times with a zone are rendered in UTC, those without are taken as UTC: the session's time zone
    has to be UTC.

    Raises:
        SettingsError: The dialect is unknown, or a bound is of a type that has no literal.
        ContractError: `within` is given, and the contract has no partition column.
    """
    dialects = Dialect(dialect)
    columns = ",\n  ".join(dialects.quoted(column.name) for column in contract.source.columns)
    conditions = [*_watermark_bounds(contract, after, until, dialects)]
    if within is not None:
        conditions += _range(dialects.quoted(_partition_column(contract)), *within, dialects)
    return f"SELECT\n  {columns}\n{_from(contract, dialects)}{_where(conditions)}"


def bounds_query(
    contract: Contract,
    *,
    after: datetime | None = None,
    until: datetime | None = None,
    dialect: str = "postgresql",
) -> str:
    """One row about what `source_query` would read with the same bounds.

    Its columns: `lowest` and `highest` of the partition column (null when there is none), the
    greatest `watermark` (null when there is none), and `row_count`.

    Raises:
        SettingsError: The dialect is unknown.
    """
    dialects = Dialect(dialect)
    partition = contract.source.partition_column
    column = dialects.quoted(partition) if partition else "NULL"
    marks = [dialects.quoted(name) for name in contract.source.watermark]
    mark = f"COALESCE({', '.join(marks)})" if len(marks) > 1 else "".join(marks)
    return (
        f"SELECT\n"
        f"  {f'MIN({column})' if partition else 'NULL'} AS lowest,\n"
        f"  {f'MAX({column})' if partition else 'NULL'} AS highest,\n"
        f"  {f'MAX({mark})' if mark else 'NULL'} AS watermark,\n"
        f"  COUNT(*) AS row_count\n"
        f"{_from(contract, dialects)}{_where(_watermark_bounds(contract, after, until, dialects))}"
    )


class Dialect:
    """How one database quotes names and writes literals."""

    def __init__(self, name: str) -> None:
        if name not in _QUOTES:
            raise SettingsError(
                where="the query of a source",
                expected=f"a dialect among {', '.join(_QUOTES)}",
                found=name,
                next_step="Correct `dialect` of the source database block.",
            )
        self._quote = _QUOTES[name]

    def quoted(self, name: str) -> str:
        """A name as an identifier, whatever it contains."""
        return self._quote + name.replace(self._quote, self._quote * 2) + self._quote

    def literal(self, value: object) -> str:
        """A value as a literal. No text: bounds are times or numbers."""
        if isinstance(value, datetime):
            moment = value.astimezone(UTC) if value.tzinfo else value
            plain = moment.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
            return f"TIMESTAMP '{plain}'"
        if isinstance(value, date):
            return f"DATE '{value.isoformat()}'"
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


def _from(contract: Contract, dialect: Dialect) -> str:
    return f"FROM {dialect.quoted(contract.source.schema)}.{dialect.quoted(contract.source.table)}"


def _where(conditions: list[str]) -> str:
    return "\nWHERE " + "\n  AND ".join(conditions) if conditions else ""


def _watermark_bounds(
    contract: Contract, after: datetime | None, until: datetime | None, dialect: Dialect
) -> list[str]:
    """COALESCE of the watermark columns within the bounds, written so that indexes can serve it.

    `COALESCE(a, b) >= x` reads the whole table; `a >= x OR (a IS NULL AND b >= x)` says the same,
    and an index on each column can serve it.
    """
    source = contract.source
    if source.load is LoadKind.FULL or (after is None and until is None):
        return []
    low = after - source.overlap if after is not None else None
    cases = []
    for position, name in enumerate(source.watermark):
        earlier = [f"{dialect.quoted(other)} IS NULL" for other in source.watermark[:position]]
        within = _range(dialect.quoted(name), low, until, dialect)
        cases.append(" AND ".join([*earlier, *within]))
    return [cases[0] if len(cases) == 1 else "(" + " OR ".join(f"({c})" for c in cases) + ")"]


def _range(column: str, low: object, high: object, dialect: Dialect) -> list[str]:
    conditions = []
    if low is not None:
        conditions.append(f"{column} >= {dialect.literal(low)}")
    if high is not None:
        conditions.append(f"{column} <= {dialect.literal(high)}")
    return conditions


def _partition_column(contract: Contract) -> str:
    if contract.source.partition_column is None:
        raise ContractError(
            where=contract.name,
            expected="a partition column, to read a part of the source",
            found="none in the contract",
            next_step="Add `partition_column` to the source of the contract.",
        )
    return contract.source.partition_column
