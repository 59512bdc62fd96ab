"""A contract as the SQL that reads its source.

Promise: exactly the contract's columns, every row in the bounds once, no row left out by the
membership (a row that leaves the filter has to be seen, because it closes its version), by a null
in a column that chooses rows, or by a value that can't be carried.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from contracts.errors import ContractError, SchemaDriftError, SettingsError
from contracts.model import Contract, LoadKind, SourceColumn
from contracts.model.database_type_names import family, is_temporal
from contracts.model.source_relation import Relation, RelationColumn
from contracts.source_sql.postgresql_to_spark_types import Carrier, carrier

__all__ = ["SLICE", "UNFIT", "Dialect", "bounds_query", "source_query", "values_query"]

UNFIT = "__unfit"
"""The last column: a JSON object of this row's values that can't be carried, as text by name."""

SLICE = "__slice"
"""The partition column as the database has it, for `contracts.source_sql.jdbc_partitions` to compare."""

_QUOTES = {"postgresql": '"', "mysql": "`"}
_FIRST, _LAST = datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
"""What Python can hold of a time."""


def source_query(
    contract: Contract,
    relation: Relation,
    *,
    after: datetime | None = None,
    within: tuple[object, object] | None = None,
    dialect: str = "postgresql",
) -> str:
    """SELECT of the rows from the watermark on, in no particular order.

    The lower bound is `after` minus the contract's overlap and is itself included: another
    transaction may commit later with the very time of the watermark. Rows that are read again are
    recognised and open no version. Rows without any watermark are always read. A full load has no
    bound but `within`.

    Each column is read through its carrier (`contracts.source_sql.postgresql_to_spark_types`) under its own name; a
    value that can't be carried is null and told in the last column, `UNFIT`, which is null in all
    other rows.

    Args:
        contract: What to read.
        relation: Where from, as its catalog has it.
        after: The watermark of the last load; None reads from the beginning.
        within: The least and the greatest value of the partition column, both included, so that
            the source leaves out its other partitions; None on either side has no bound there.
            Rows that have no value there are read too.
        dialect: `postgresql` or `mysql`.

    Raises:
        SettingsError: The dialect is unknown, or a bound is of a type that has no literal.
        ContractError: `within` is given, and the contract has no partition column.
        SchemaDriftError: A column is missing, or of a type that has no carrier.
    """
    dialects = Dialect(dialect)
    conditions = _from_watermark(contract, after, dialects)
    if within is not None:
        conditions += _within(contract, relation, within, dialects)
    items = ",\n  ".join(_items(contract, relation, dialects))
    origin = f"{dialects.quoted(relation.schema)}.{dialects.quoted(relation.name)}"
    return f"SELECT\n  {items}\nFROM {origin}{_where(conditions)}"


def bounds_query(
    contract: Contract,
    *,
    after: datetime | None = None,
    read_at: datetime | None = None,
    dialect: str = "postgresql",
) -> str:
    """One row about what `source_query` would read from the same watermark on.

    Its columns: `lowest` and `highest` of the partition column (null when there is none, or when
    a time is beyond what Python holds; rows may then lie beyond any other bound), the greatest
    finite `watermark` that is not after `read_at` (null when there is none), and `row_count`.

    Raises:
        SettingsError: The dialect is unknown.
    """
    dialects = Dialect(dialect)
    source = contract.source
    kinds = {column.name: column.type for column in source.columns}
    partition = source.partition_column or ""
    lowest = _extreme("MIN", partition, kinds, dialects)
    highest = _extreme("MAX", partition, kinds, dialects)
    origin = f"{dialects.quoted(source.schema)}.{dialects.quoted(source.table)}"
    return (
        f"SELECT\n"
        f"  {lowest} AS lowest,\n"
        f"  {highest} AS highest,\n"
        f"  {_newest(contract, read_at, dialects)} AS watermark,\n"
        f"  COUNT(*) AS row_count\n"
        f"FROM {origin}{_where(_from_watermark(contract, after, dialects))}"
    )


def values_query(
    relation: Relation, columns: dict[str, str], *, dialect: str = "postgresql"
) -> str:
    """SELECT of the distinct values of some columns, each read as the Spark type given with it.

    A value that can't be carried is null.

    Raises:
        SettingsError: The dialect is unknown.
        SchemaDriftError: A column is missing, or of a type that has no carrier.
    """
    dialects = Dialect(dialect)
    items = []
    for name, kind in columns.items():
        how = _carrier(relation, SourceColumn(name, kind), f"{relation.schema}.{relation.name}")
        items.append(f"{how.select(dialects.quoted(name))} AS {dialects.quoted(name)}")
    origin = f"{dialects.quoted(relation.schema)}.{dialects.quoted(relation.name)}"
    return f"SELECT DISTINCT {', '.join(items)} FROM {origin}"  # noqa: S608 - quoted


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
        self.name = name
        self._quote = _QUOTES[name]

    def quoted(self, name: str) -> str:
        """A name as an identifier, whatever it contains."""
        return self._quote + name.replace(self._quote, self._quote * 2) + self._quote

    def literal(self, value: object) -> str:
        """A value as a literal. No text: bounds are times or numbers.

        A time without a zone is taken as UTC. In PostgreSQL its literal has no type and takes that
        of the column that it is compared with, which minds or ignores the zone that is written.
        """
        if isinstance(value, datetime):
            plain = _utc(value).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
            return f"'{plain}+00'" if self.name == "postgresql" else f"TIMESTAMP '{plain}'"
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


def _items(contract: Contract, relation: Relation, dialect: Dialect) -> list[str]:
    """What is selected: carriers, what slices compare, and what could not be carried."""
    if dialect.name != "postgresql":
        plain = [dialect.quoted(column.name) for column in contract.source.columns]
        return [*plain, f"NULL AS {dialect.quoted(UNFIT)}"]
    items, unfit = [], {}
    for column in contract.source.columns:
        how = _carrier(relation, column, contract.name)
        name = dialect.quoted(column.name)
        value, lost = how.select(name), how.unfit(name)
        items.append(name if value == name else f"{value} AS {name}")
        if lost is not None:
            unfit[column.name] = (lost, how.as_text(name))
    partition = contract.source.partition_column
    if any(
        column.name == partition and _bounded(column.type) for column in contract.source.columns
    ):
        items.append(f"{dialect.quoted(partition or '')} AS {dialect.quoted(SLICE)}")
    return [*items, f"{_told(unfit)} AS {dialect.quoted(UNFIT)}"]


def _told(unfit: dict[str, tuple[str, str]]) -> str:
    """The values that are not carried, as one JSON object; costs their conditions only."""
    if not unfit:
        return "NULL::text"
    anything = " OR ".join(lost for lost, _ in unfit.values())
    names = ", ".join(_text_literal(name) for name in unfit)
    values = ", ".join(f"CASE WHEN {lost} THEN {text} END" for lost, text in unfit.values())
    pairs = f"json_object(ARRAY[{names}], ARRAY[{values}])"
    return f"CASE WHEN {anything} THEN json_strip_nulls({pairs})::text END"


def _text_literal(text: str) -> str:
    # With E, a backslash means the same whatever the session says of standard strings.
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _carrier(relation: Relation, column: SourceColumn, where: str) -> Carrier:
    found = _column(relation, column.name)
    how = carrier(found, column.type) if found is not None else None
    if how is None:
        raise SchemaDriftError(
            where=where,
            expected=f"a column {column.name} that can be read as {column.type}",
            found=found.type if found is not None else "no such column",
            next_step="Compare the contract with the source's table. Nothing was read.",
        )
    return how


def _column(relation: Relation, name: str) -> RelationColumn | None:
    return next((column for column in relation.columns if column.name == name), None)


def _where(conditions: list[str]) -> str:
    return "\nWHERE " + "\n  AND ".join(conditions) if conditions else ""


def _from_watermark(contract: Contract, after: datetime | None, dialect: Dialect) -> list[str]:
    """COALESCE of the watermark columns not before the bound, so that indexes can serve it.

    `COALESCE(a, b) >= x` reads the whole table; `a >= x OR (a IS NULL AND b >= x)` says the same,
    and an index on each column can serve it. Where all are null, the row is read.
    """
    source = contract.source
    if source.load is LoadKind.FULL or after is None or not source.watermark:
        return []
    kinds = {column.name: column.type for column in source.columns}
    low = _utc(after) - min(source.overlap, _utc(after) - _FIRST)
    absent: list[str] = []
    cases = []
    for name in source.watermark:
        column = dialect.quoted(name)
        bound = _first_day(low) if kinds.get(name) == "date" else low
        cases.append(" AND ".join([*absent, f"{column} >= {dialect.literal(bound)}"]))
        absent.append(f"{column} IS NULL")
    cases.append(" AND ".join(absent))
    return ["(" + " OR ".join(f"({case})" for case in cases) + ")"]


def _first_day(moment: datetime) -> date:
    """The first day that does not begin before the moment."""
    return moment.date() + timedelta(days=1) if moment.time() > time(0) else moment.date()


def _utc(moment: datetime) -> datetime:
    """A time without a zone is taken as UTC."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _within(
    contract: Contract, relation: Relation, bounds: tuple[object, object], dialect: Dialect
) -> list[str]:
    partition = contract.source.partition_column
    if partition is None:
        raise ContractError(
            where=contract.name,
            expected="a partition column, to read a part of the source",
            found="none in the contract",
            next_step="Add `partition_column` to the source of the contract.",
        )
    name = dialect.quoted(partition)
    low, high = (bound if _is_bound(bound) else None for bound in bounds)
    conditions = [f"{name} >= {dialect.literal(low)}"] if low is not None else []
    conditions += [f"{name} <= {dialect.literal(high)}"] if high is not None else []
    found = _column(relation, partition)
    if not conditions or (found is not None and not found.nullable):
        return conditions
    return [f"({' AND '.join(conditions)} OR {name} IS NULL)"]


def _is_bound(value: object) -> bool:
    """Not a number bounds nothing, nor does infinity."""
    return not (isinstance(value, Decimal) and not value.is_finite())


def _extreme(function: str, name: str, kinds: dict[str, str], dialect: Dialect) -> str:
    """MIN or MAX of a column, null when no bound can be made of it."""
    kind = kinds.get(name, "")
    column = f"{function}({dialect.quoted(name)})"
    if not _bounded(kind):
        return "NULL"
    if is_temporal(kind):
        return f"CASE WHEN {_held(column, kind, dialect)} THEN {column} END"
    return column


def _bounded(kind: str) -> bool:
    """Whether values of the type can bound a read."""
    return is_temporal(kind) or family(kind) == "integer" or kind.startswith("decimal")


def _newest(contract: Contract, read_at: datetime | None, dialect: Dialect) -> str:
    """The greatest watermark that Python can hold and that is not after the read."""
    names = contract.source.watermark
    if not names:
        return "NULL"
    kinds = {column.type for column in contract.source.columns if column.name in names}
    marks = [dialect.quoted(name) for name in names]
    mark = f"COALESCE({', '.join(marks)})" if len(marks) > 1 else marks[0]
    held = _held(mark, "date" if kinds == {"date"} else "timestamp", dialect, last=read_at)
    return f"MAX(CASE WHEN {held} THEN {mark} END)"


def _held(value: str, kind: str, dialect: Dialect, last: datetime | None = None) -> str:
    """Whether a time is one that Python can hold, and not after the last."""
    first, end = _FIRST, last or _LAST
    bounds = (first.date(), _utc(end).date()) if kind == "date" else (first, end)
    low, high = (dialect.literal(bound) for bound in bounds)
    return f"{value} >= {low} AND {value} <= {high}"
