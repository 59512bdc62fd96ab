"""The SQL that reads a contract's source.

Promise: exactly the contract's columns, every row in the bounds once, no row left out by the
membership (a row that leaves the filter has to be read, because it closes its version), by a null
in a column that chooses rows, or by a value that can't be carried.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from contracts.errors import ContractError, SchemaDriftError
from contracts.model import Contract, LoadKind, SourceColumn
from contracts.model.database_type_names import family, is_temporal
from contracts.model.reserved_column_names import UNFIT
from contracts.model.source_relation import Relation, RelationColumn
from tasks.source.carrier import Carrier
from tasks.source.sql_dialect import SqlDialect, in_utc
from tasks.source.sql_dialects.postgresql_sql import POSTGRESQL

__all__ = ["SLICE", "SourceQuery", "compile_source_query", "values_query"]

SLICE = "__slice"
"""A row's page, or its partition column, as the database has it: `tasks.source.jdbc_partitions`
compares it."""

_FIRST, _LAST = datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
"""The first and last time that Python can represent."""


@dataclass(frozen=True, slots=True)
class SourceQuery:
    """The queries of one source, but for the bounds of a load.

    Attributes:
        dialect: How the database quotes names and writes literals.
        items: What is selected: each column through its carrier, `SLICE`, `UNFIT`.
        origin: The table, quoted.
        watermark_columns: The watermark columns in their order, each with whether it holds days.
        incomparable: When a watermark column has a value that no bound compares with.
        overlap: How far behind a watermark is read again.
        incremental: Whether a load begins at a watermark.
        partition: The partition column, quoted; None: there is none.
        extremes: The SQL of the least and the greatest value of the partition column.
        partition_nullable: Whether the partition column may be null.
        pages: Of the tables that hold the rows, where `SLICE` is a row's page; else empty.
        sliced: The SQL of the values that `SLICE` is cut by where it is the partition column.
    """

    dialect: SqlDialect
    items: tuple[str, ...]
    origin: str
    watermark_columns: tuple[tuple[str, bool], ...]
    incomparable: tuple[str, ...]
    overlap: timedelta
    incremental: bool
    partition: str | None
    extremes: tuple[str, str]
    partition_nullable: bool
    pages: tuple[int, ...]
    sliced: str | None

    def rows(
        self, *, after: datetime | None = None, within: tuple[object, object] | None = None
    ) -> str:
        """SELECT of the rows from the watermark on, in no particular order.

        The lower bound is `after` minus the contract's overlap and is itself included: another
        transaction may commit later with the exact time of the watermark. Rows that are read again
        are recognised and open no version. Rows without any watermark are always read. A full load
        has no bound but `within`.

        Each column is read through its carrier (`tasks.source.carrier`) under its own name; a
        value that can't be carried is null and listed in the last column, `UNFIT`, which is null
        in all other rows.

        Args:
            after: The watermark of the last load; None reads from the beginning.
            within: The least and the greatest value of the partition column, both included, so
                that the source leaves out its other partitions; None on either side has no bound
                there. Rows that have no value there are read too.

        Raises:
            SettingsError: A bound is of a type that has no literal.
            ContractError: `within` is given, and the contract has no partition column.
        """
        conditions = self._from_watermark(after)
        if within is not None:
            conditions += self._within(within)
        items = ",\n  ".join(self.items)
        return f"SELECT\n  {items}\nFROM {self.origin}{_where(conditions)}"

    def bounds(self, *, after: datetime | None = None, slices: int = 1) -> str:
        """One row about what `rows` would read from the same watermark on.

        Its columns: `lowest` and `highest` of the partition column (null when there is none, or
        when a time is beyond Python's range; rows may then lie beyond any other bound),
        `row_count`, and `cuts`: the values of the partition column that cut the rows into so many
        slices of as many rows; null where pages cut them, or nothing can.
        """
        lowest, highest = self.extremes
        cuts = self.dialect.no_value
        if self.sliced is not None and slices > 1:
            fractions = [part / slices for part in range(1, slices)]
            cuts = self.dialect.quantiles(self.sliced, fractions)
        return (
            f"SELECT\n"
            f"  {lowest} AS lowest,\n"
            f"  {highest} AS highest,\n"
            f"  COUNT(*) AS row_count,\n"
            f"  {cuts} AS cuts\n"
            f"FROM {self.origin}{_where(self._from_watermark(after))}"
        )

    def _from_watermark(self, after: datetime | None) -> list[str]:
        """COALESCE of the watermark columns not before the bound, so that indexes can serve it.

        `COALESCE(a, b) >= x` reads the whole table; `a >= x OR (a IS NULL AND b >= x)` means the
        same, and an index on each column can serve it. Where all are null, the row is read.
        """
        if not self.incremental or after is None or not self.watermark_columns:
            return []
        low = in_utc(after) - min(self.overlap, in_utc(after) - _FIRST)
        absent: list[str] = []
        cases = []
        for column, by_day in self.watermark_columns:
            bound = _first_day(low) if by_day else low
            cases.append(" AND ".join([*absent, f"{column} >= {self.dialect.literal(bound)}"]))
            absent.append(f"{column} IS NULL")
        cases += [" AND ".join(absent), *self.incomparable]
        return ["(" + " OR ".join(f"({case})" for case in cases) + ")"]

    def _within(self, bounds: tuple[object, object]) -> list[str]:
        if self.partition is None:
            raise ContractError(
                where=self.origin,
                expected="a partition column, to read a part of the source",
                found="none in the contract",
                next_step="Add `partition_column` to the source of the contract.",
            )
        low, high = (bound if _is_bound(bound) else None for bound in bounds)
        literal = self.dialect.literal
        conditions = [f"{self.partition} >= {literal(low)}"] if low is not None else []
        conditions += [f"{self.partition} <= {literal(high)}"] if high is not None else []
        if not conditions or not self.partition_nullable:
            return conditions
        return [f"({' AND '.join(conditions)} OR {self.partition} IS NULL)"]


def compile_source_query(
    contract: Contract, relation: Relation, *, dialect: SqlDialect = POSTGRESQL
) -> SourceQuery:
    """The queries that read a contract's source.

    Args:
        contract: What to read.
        relation: The table that is read, as its catalog describes it.
        dialect: Of the source.

    Raises:
        SchemaDriftError: A column is missing, or of a type that has no carrier.
    """
    sql = dialect
    source = contract.source
    kinds = {column.name: column.type for column in source.columns}
    watermarks = tuple(
        (sql.comparable_time(sql.quoted(name)), kinds.get(name) == "date")
        for name in source.watermark
    )
    odd = [sql.incomparable_time(sql.quoted(name)) for name in source.watermark]
    # Where the rows are of another state than their bounds, a bound could leave one out.
    partition = source.partition_column if sql.sessions_share_a_state else None
    partition_column = None if partition is None else _column(relation, partition)
    kind, column = kinds.get(partition or "", ""), sql.quoted(partition or "")
    sliced = None if relation.pages else _as_bound(column, kind, sql)
    return SourceQuery(
        dialect=sql,
        items=tuple(_items(contract, relation, sql, by_value=sliced is not None)),
        origin=f"{sql.quoted(relation.schema)}.{sql.quoted(relation.name)}",
        watermark_columns=watermarks,
        incomparable=tuple(condition for condition in odd if condition is not None),
        overlap=source.overlap,
        incremental=source.load is LoadKind.INCREMENTAL,
        partition=None if partition is None else sql.quoted(partition),
        extremes=(
            _as_bound(f"MIN({column})", kind, sql) or sql.no_value,
            _as_bound(f"MAX({column})", kind, sql) or sql.no_value,
        ),
        partition_nullable=partition_column is None or partition_column.nullable,
        pages=relation.pages,
        sliced=sliced,
    )


def values_query(
    relation: Relation, columns: dict[str, str], *, dialect: SqlDialect = POSTGRESQL
) -> str:
    """SELECT of the values of some columns, each read as the Spark type given with it.

    They are distinct where the database compares text as Spark does. A value that can't be carried
    is null.

    Raises:
        SchemaDriftError: A column is missing, or of a type that has no carrier.
    """
    sql = dialect
    items = []
    for name, kind in columns.items():
        where = f"{relation.schema}.{relation.name}"
        carried = _carrier(relation, SourceColumn(name, kind), where, sql)
        items.append(f"{carried.select(sql.quoted(name))} AS {sql.quoted(name)}")
    origin = f"{sql.quoted(relation.schema)}.{sql.quoted(relation.name)}"
    return f"SELECT {sql.distinct()}{', '.join(items)} FROM {origin}"  # noqa: S608 - quoted


def _items(
    contract: Contract,
    relation: Relation,
    dialect: SqlDialect,
    *,
    by_value: bool,
) -> list[str]:
    """What is selected: carriers, what slices compare, and what could not be carried."""
    items, unfit = [], {}
    for column in contract.source.columns:
        carried = _carrier(relation, column, contract.name, dialect)
        name = dialect.quoted(column.name)
        value, is_unfit = carried.select(name), carried.unfit(name)
        items.append(name if value == name else f"{value} AS {name}")
        if is_unfit is not None:
            unfit[column.name] = (is_unfit, carried.as_text(name))
    if relation.pages:
        items.append(f"{dialect.page_of_row} AS {dialect.quoted(SLICE)}")
    elif by_value:
        partition = contract.source.partition_column or ""
        items.append(f"{dialect.quoted(partition)} AS {dialect.quoted(SLICE)}")
    return [*items, f"{dialect.unfit_values(unfit)} AS {dialect.quoted(UNFIT)}"]


def _carrier(relation: Relation, column: SourceColumn, where: str, dialect: SqlDialect) -> Carrier:
    described = _column(relation, column.name)
    carried = dialect.carrier(described, column.type) if described is not None else None
    if carried is None:
        raise SchemaDriftError(
            where=where,
            expected=f"a column {column.name} that can be read as {column.type}",
            found=described.type if described is not None else "no such column",
            next_step="Compare the contract with the source's table. Nothing was read.",
        )
    return carried


def _column(relation: Relation, name: str) -> RelationColumn | None:
    return next((column for column in relation.columns if column.name == name), None)


def _where(conditions: list[str]) -> str:
    return "\nWHERE " + "\n  AND ".join(conditions) if conditions else ""


def _first_day(moment: datetime) -> date:
    """The first day that does not begin before the moment."""
    return moment.date() + timedelta(days=1) if moment.time() > time(0) else moment.date()


def _is_bound(value: object) -> bool:
    """Whether the value can bound a read: NaN and infinity can't."""
    return not (isinstance(value, Decimal) and not value.is_finite())


def _as_bound(value: str, kind: str, dialect: SqlDialect) -> str | None:
    """A value of a type, null where it can't be a bound; None: none of that type can."""
    if not _bounded(kind):
        return None
    if is_temporal(kind):
        return f"CASE WHEN {_within_python(value, kind, dialect)} THEN {value} END"
    return value


def _bounded(kind: str) -> bool:
    """Whether values of the type can bound a read."""
    return is_temporal(kind) or family(kind) == "integer" or kind.startswith("decimal")


def _within_python(value: str, kind: str, dialect: SqlDialect) -> str:
    """Whether Python can represent a time."""
    first, end = _FIRST, _LAST
    bounds = (first.date(), end.date()) if kind == "date" else (first, end)
    low, high = (dialect.literal(bound) for bound in bounds)
    return f"{value} >= {low} AND {value} <= {high}"
