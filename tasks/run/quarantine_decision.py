"""What a person decides about refused rows or a batch that was not published, and of which rows.

Promise: a decision has a person and a reason. It is in the ledger before it is carried out, and it
has counts and names of columns, and never a value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from blocks.run_settings import RunSettings
from contracts.errors import UsageError
from history.iceberg.history_table import exists
from history.writing.quarantine_table import is_unsettled
from tasks.run.run_context import Run


class Action(StrEnum):
    """What was decided; `MENDED` and `GONE` are what a load found out by itself."""

    RELEASE = "release"
    FIX = "fix"
    DISCARD = "discard"
    PUBLISH_BATCH = "publish batch"
    REFUSE_BATCH = "refuse batch"
    UNDO_BATCH = "undo batch"
    MENDED = "mended"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decided what, when and why.

    Attributes:
        action: What was decided.
        by: The person.
        reason: Why, in the person's own words.
        at: When; timezone-aware.
    """

    action: Action
    by: str
    reason: str
    at: datetime

    def __post_init__(self) -> None:
        """Refuse a decision without a person or a reason.

        Raises:
            UsageError: One of them is blank.
        """
        if not (self.by.strip() and self.reason.strip()):
            raise UsageError(
                where=f"the decision to {self.action}",
                expected="a person (--by) and a reason (--reason)",
                found="a blank one",
                next_step="Say who decides, and why: it is kept with the decision.",
            )


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of the kept rows of a table are meant.

    Attributes:
        condition: For a session with the lakehouse and the settings of the run: a condition over
            the quarantine's columns, never null.
        words: By what they were selected, without a value.
    """

    condition: Callable[[SparkSession, RunSettings], Column] = field(repr=False)
    words: str


def unsettled_rows(run: Run) -> DataFrame:
    """The rows of the run's table that were refused and are not settled."""
    ledger = run.spark.table(run.ledger("quarantine"))
    return ledger.where((F.col("target_table") == run.target) & is_unsettled(ledger))


def has_unsettled_rows(run: Run) -> bool:
    """Whether there are any: one look at the ledger, which has a partition per table."""
    name = run.ledger("quarantine")
    return exists(run.spark, name) and bool(unsettled_rows(run).limit(1).collect())
