"""What is measured over all rows of a batch, in the pass: the aggregates that batch checks need.

Promise: every measure is an aggregate that `pyspark.sql.Observation` takes, over the counted rows
alone, and none raises on bad data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pyspark.sql import Column
from pyspark.sql import functions as F

from contracts.model import Check, Classification, Contract
from contracts.model.check_registry import RULES, Scope
from contracts.model.database_type_names import is_numeric
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.checks.rule_expressions import Subject, batch_aggregate
from tasks.transforms.mapping.column_mapping import mapped_column

_DISTINCT_ERROR = 0.02
_QUANTILE_ACCURACY = 1_000


class Statistic(StrEnum):
    """What `drift` compares of a column."""

    NULLS_PERCENT = "nulls_percent"
    DISTINCT = "distinct"
    LOWER_QUARTILE = "lower_quartile"
    MEDIAN = "median"
    UPPER_QUARTILE = "upper_quartile"


QUARTILES = (Statistic.LOWER_QUARTILE, Statistic.MEDIAN, Statistic.UPPER_QUARTILE)


@dataclass(frozen=True, slots=True)
class BatchMeasures:
    """The batch checks of a contract and what has to be observed for them.

    Attributes:
        checks: The contract's checks of the whole batch.
        targets: The mapped values that checks of the standard look at, by target column.
        kinds: The types of source and target columns.
        quartiles: Of the columns that `drift` looks at, those whose values may be told.
    """

    checks: tuple[Check, ...]
    targets: Mapping[str, Column]
    kinds: Mapping[str, str]
    quartiles: frozenset[str]

    def columns(self, counted: Column, as_of: datetime) -> Iterator[Column]:
        """The aggregates, over the rows that are counted; `as_of` is the instant of the read."""
        for check in self.checks:
            if check.rule == "sql":
                subject = Subject(self.kinds, as_of, "", self.targets)
                yield batch_aggregate(check, subject, counted).alias(measure(check.id))
            elif check.rule == "drift":
                for name in check.columns:
                    yield from self._statistics(check, name, counted)

    def statistics(self, column: str) -> tuple[Statistic, ...]:
        """What is compared of a column."""
        common = (Statistic.NULLS_PERCENT, Statistic.DISTINCT)
        return (*common, *QUARTILES) if column in self.quartiles else common

    def _statistics(self, check: Check, name: str, counted: Column) -> Iterator[Column]:
        value = F.when(counted, named(name))
        rows = F.count(F.when(counted, 1))
        share = 100.0 * F.count(F.when(counted & named(name).isNull(), 1)) / rows
        nulls = F.when(rows > 0, share)
        yield nulls.alias(measure(check.id, name, Statistic.NULLS_PERCENT))
        distinct = F.approx_count_distinct(value, _DISTINCT_ERROR).cast("double")
        yield distinct.alias(measure(check.id, name, Statistic.DISTINCT))
        if name in self.quartiles:
            shares = [0.25, 0.5, 0.75]
            number = value.cast("double")
            finite = F.when(~F.isnan(number), number)
            quartiles = F.percentile_approx(finite, shares, _QUANTILE_ACCURACY)
            yield quartiles.alias(measure(check.id, name, "quartiles"))


def measure(check: str, column: str = "", statistic: str = "") -> str:
    """The name under which a measure is observed."""
    return "/".join(part for part in ("measure", check, column, statistic) if part)


def compile_batch_measures(contract: Contract) -> BatchMeasures:
    """The batch checks of a contract."""
    checks = tuple(c for c in contract.checks if RULES[c.rule].scope is Scope.BATCH)
    targets = {name for check in checks if check.about_target for name in check.columns}
    sensitive = (Classification.CONFIDENTIAL, Classification.RESTRICTED)
    protected = {s for c in contract.columns if c.protection is not None for s in c.sources}
    return BatchMeasures(
        checks=checks,
        targets={name: mapped_column(contract, contract.column(name)) for name in sorted(targets)},
        kinds={
            **{column.name: column.type for column in contract.source.columns},
            **{column.name: column.type for column in contract.columns},
        },
        quartiles=frozenset(
            column.name
            for column in contract.source.columns
            if is_numeric(column.type)
            and column.classification not in sensitive
            and column.name not in protected
        ),
    )
