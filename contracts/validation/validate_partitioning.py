"""Partition terms against the columns that they name."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.model.database_type_names import is_temporal
from contracts.model.partition_transforms import TIME_TRANSFORMS, term
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section


def check_partitioning(
    section: Section, partitioning: tuple[str, ...], kinds: Mapping[str, str]
) -> tuple[str, ...]:
    """Report problems of the terms; return the columns they name. `kinds`: their types."""
    columns = []
    for position, text in enumerate(partitioning):
        path = f"{section.at('partitioning')}[{position}]"
        parsed = term(text)
        if parsed is None:
            hint = "a column, years(c), months(c), days(c), hours(c) or bucket(c, N)"
            section.report.add(path, "is no partition term", hint)
        elif parsed.column not in kinds:
            hint = did_you_mean(parsed.column, kinds)
            section.report.add(path, f"the table has no column {parsed.column}", hint)
        else:
            columns.append(parsed.column)
            kind = kinds[parsed.column]
            if parsed.function in TIME_TRANSFORMS and kind and not is_temporal(kind):
                section.report.add(path, f"{parsed.function} needs a date; the column is {kind}")
            if parsed.function == "hours" and kind == "date":
                section.report.add(path, "a date has no hours", "use days")
    return tuple(columns)
