"""Which records of a table are kept long enough, and which soon are.

A record is all that the table has of one key. Of its versions none goes before the others: their
intervals meet, so that an anonymised one could be told from its neighbour. It is due

- of `from: record_end`, the retention's days after it ended. A record with an open version has not
  ended; one that the table knows only events of ended with the last of them.
- of `from: load`, the retention's days after it was last loaded, open or not.

and never before the `retention_date` of any of its versions, which a load has promised.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.errors import ContractError
from contracts.model import Contract, RetentionRule, RetentionStart
from history.model.history_settings import HistorySettings
from history.spark.checkpoint import checkpoint
from history.spark.column_quoting_and_comparison import named

DUE, IS_HELD = "__due", "__held"
_OPEN, _ENDED, _LAST, _PROMISED = "__open", "__ended", "__last", "__promised"
SOON_DAYS, LATER_DAYS = 30, 90


@dataclass(frozen=True, slots=True)
class DueRecords:
    """The records of a table by when their retention is over.

    Attributes:
        expired: Their retention is over, and nothing holds them.
        held: It is over, and a person is under legal hold.
        soon: It is over within 30 days.
        later: It is over within 90 days; these include the ones before.
        records: The keys of those that are expired; a checkpoint.
    """

    expired: int
    held: int
    soon: int
    later: int
    records: DataFrame


def rule_of(contract: Contract) -> tuple[RetentionRule, int]:
    """What the contract does with records that are kept long enough, and after how many days.

    Raises:
        ContractError: It does not say.
    """
    if contract.retention is None or contract.retention_days is None:
        missing = "action" if contract.retention is None else "time"
        raise ContractError(
            where=contract.name,
            expected="a contract that says how long records are kept, and what happens then",
            found=f"no {missing}",
            next_step="Write `privacy: {retention: {action: anonymise}}` into the contract, and "
            "`retention` among its slaProperties: docs/retention.md. Nothing was changed.",
        )
    return contract.retention, contract.retention_days


def due_records(
    contract: Contract,
    history: HistorySettings,
    versions: DataFrame,
    kept: DataFrame | None,
    *,
    today: date,
) -> DueRecords:
    """The records that are expired today, and how many soon will be.

    Args:
        contract: The contract.
        history: How the table is kept.
        versions: Its versions, with the flag `IS_HELD`, without records that are anonymised.
        kept: Its kept events, the same; None: it has none.
        today: The day.
    """
    dated = _with_due(contract, history, versions, kept)
    day = F.lit(today)
    is_over, is_held = F.col(DUE) <= day, F.col(IS_HELD)

    def within(days: int) -> Column:
        limit = F.lit(today + timedelta(days=days))
        return F.count_if((F.col(DUE) > day) & (F.col(DUE) <= limit))

    found = checkpoint(
        dated,
        {
            "expired": F.count_if(is_over & ~is_held),
            "held": F.count_if(is_over & is_held),
            "soon": within(SOON_DAYS),
            "later": within(LATER_DAYS),
        },
    )
    records = found.rows.where(is_over & ~is_held).select(*map(named, history.key))
    counts = {name: int(found.counts[name]) for name in ("expired", "held", "soon", "later")}
    return DueRecords(**counts, records=records)


def _with_due(
    contract: Contract, history: HistorySettings, versions: DataFrame, kept: DataFrame | None
) -> DataFrame:
    """One row a record: its key, `IS_HELD`, and `DUE`, null while it is not known."""
    rule, days = rule_of(contract)
    rows = _dates(contract, history, versions, days, versions=True)
    if kept is not None:
        rows = rows.unionByName(_dates(contract, history, kept, days, versions=False))
    keys = [named(name) for name in history.key]
    records = rows.groupBy(*keys).agg(
        F.max(_OPEN).alias(_OPEN),
        F.max(_ENDED).alias(_ENDED),
        F.max(_LAST).alias(_LAST),
        F.max(_PROMISED).alias(_PROMISED),
        F.max(IS_HELD).alias(IS_HELD),
    )
    if rule.start is RetentionStart.LOAD:
        return records.select(*keys, IS_HELD, F.col(_PROMISED).alias(DUE))
    ended = F.date_add(F.coalesce(_ENDED, _LAST), days)
    due = F.when(~F.col(_OPEN), F.greatest(ended, F.col(_PROMISED)))
    return records.select(*keys, IS_HELD, due.alias(DUE))


def _dates(
    contract: Contract, history: HistorySettings, rows: DataFrame, days: int, *, versions: bool
) -> DataFrame:
    """What each row says of its record's dates. Kept events have no interval."""
    rule, _ = rule_of(contract)
    nothing = F.lit(None).cast("date")
    is_open = named(history.is_current) if versions else F.lit(False)
    ended = last = nothing
    if rule.start is RetentionStart.RECORD_END:
        end = history.valid_to if versions else history.sequence
        day = named(end).cast("date")
        ended, last = (F.when(~is_open, day), nothing) if versions else (nothing, day)
    promised = [nothing]
    column = contract.generated("retention_date")
    if column is not None and column.name in rows.columns:
        promised.append(named(column.name))
    if rule.start is RetentionStart.LOAD and history.recorded_at in rows.columns:
        promised.append(F.date_add(named(str(history.recorded_at)).cast("date"), days))
    return rows.select(
        *[named(name) for name in history.key],
        F.col(IS_HELD),
        is_open.alias(_OPEN),
        ended.alias(_ENDED),
        last.alias(_LAST),
        F.greatest(*promised, nothing).alias(_PROMISED),
    )
