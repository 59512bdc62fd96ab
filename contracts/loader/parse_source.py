"""The `source` of a contract: where rows come from, how they are read and filtered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from contracts.loader.parse_columns import source_column
from contracts.loader.parse_durations import duration
from contracts.model import (
    ClosingLimit,
    Condition,
    LoadKind,
    NullWatermark,
    Operator,
    Severity,
    Source,
    SourceColumn,
    SourceKind,
)
from contracts.yaml_reading.yaml_section import Section

_KEYS = (
    "connection", "schema", "table", "columns", "load", "sequence", "watermark", "overlap",
    "partition_column", "batch_size", "retry_attempts", "timeout_seconds", "membership", "ignore",
    "may_be_empty", "kind", "future_stamps", "null_watermark", "closing_limit",
)  # fmt: skip
_UNARY = (Operator.IS_NULL, Operator.IS_NOT_NULL)


def read_source(section: Section, copied: Sequence[SourceColumn] = ()) -> Source:
    """The source; parts that could not be read have the model's defaults or are empty.

    `copied` are columns that it has because target columns are copied from them; what `columns`
    says of one of them goes before.
    """
    section.only(_KEYS)
    columns = _columns(section, copied)
    return Source(
        connection=section.text("connection"),
        schema=section.text("schema"),
        table=section.text("table"),
        columns=columns,
        load=section.choice("load", LoadKind) or LoadKind.FULL,
        sequence=section.texts("sequence", default=()),
        watermark=section.texts("watermark", default=()),
        overlap=_overlap(section),
        partition_column=section.text("partition_column", default="") or None,
        batch_size=section.integer("batch_size", default=100_000, low=1, high=10_000_000),
        retry_attempts=section.integer("retry_attempts", default=3, high=100),
        timeout_seconds=section.integer("timeout_seconds", default=300, low=1, high=86_400),
        membership=tuple(_condition(item) for item in section.children("membership")),
        ignore=tuple(_condition(item) for item in section.children("ignore")),
        may_be_empty=section.flag("may_be_empty", default=True),
        kind=section.choice("kind", SourceKind) if section.has("kind") else None,
        future_stamps=section.choice("future_stamps", Severity, default=Severity.WARN)
        or Severity.WARN,
        null_watermark=section.choice("null_watermark", NullWatermark)
        if section.has("null_watermark")
        else None,
        closing_limit=_closing_limit(section),
    )


def _columns(section: Section, copied: Sequence[SourceColumn]) -> tuple[SourceColumn, ...]:
    listed = section.children("columns", required=not copied)
    said = tuple(source_column(item) for item in listed)
    names = {column.name for column in said}
    return (*said, *(column for column in copied if column.name not in names))


def _closing_limit(section: Section) -> ClosingLimit:
    limit, default = section.child("closing_limit"), ClosingLimit()
    if limit is None:
        return default
    limit.only(("percent", "rows"))
    return ClosingLimit(
        percent=limit.number("percent", default=default.percent, high=100),
        rows=limit.integer("rows", default=default.rows),
    )


def _overlap(section: Section) -> timedelta:
    text = section.text("overlap", default="0 s")
    length = duration(text) if text else timedelta(0)
    if length is None:
        section.problem("overlap", "must be a number and a unit of time", "such as 1 hour")
    return length or timedelta(0)


def _condition(section: Section) -> Condition:
    section.only(("column", "operator", "values"))
    operator = section.choice("operator", Operator)
    values = section.scalars("values")
    if operator in _UNARY and section.has("values"):
        section.problem("values", f"{operator} takes no values", "leave them out")
    elif operator is not None and operator not in _UNARY and not values:
        section.problem("values", f"{operator} needs at least one value")
    return Condition(section.text("column"), operator or Operator.IS_NOT_NULL, values)
