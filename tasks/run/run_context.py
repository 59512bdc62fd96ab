"""What the steps of one load share: its names, settings, a Spark session and the batch.

`tasks.lifecycle.open_run` makes a run and passes it to every step; steps return the values of
`tasks.run.step_results`. What is loaded, and how, is in the
`tasks.compiler.compile_contract.CompiledContract` that goes with it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import SparkSession

from blocks.run_settings import RunSettings
from blocks.source_database import SourceDatabase
from contracts.alerts import event_names as names
from contracts.errors import LoadTimedOutError

PIPELINE = "strandline.pipeline"
"""The entry of the snapshot summary that holds the run's own counts, as JSON."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """How the lineage of a table's versions is recorded: its columns, and what was applied."""

    surrogate_key: str
    batch_id: str
    row_score: str | None
    transformations: str


@dataclass(frozen=True, slots=True)
class Run:
    """One load of one table.

    Attributes:
        name: The contract's name.
        target: The history table, `catalog.namespace.table`.
        relation: The source's table, qualified.
        table_resource: The target as Prefect's events name it.
        source_resource: The source as Prefect's events name it.
        lineage: How lineage is recorded; None: it is not.
        settings: Where things live.
        source: The database that the rows come from.
        spark: A session of this load's own: snapshot properties apply to a whole session.
        batch_id: Names the batch; the same when a flow run is retried.
        run_id: The flow run.
        started: When the batch was taken; timezone-aware.
        closes_at_most: How many keys that a full read lacks may be closed; None: as many as the
            contract allows.
        full: The whole source is read, also where the contract reads what is new.
        ends_at: When its time is over, by `time.monotonic()`.
        stands_for: Of the green table of a release: the published table; empty: it is that.
    """

    name: str
    target: str
    relation: str
    table_resource: Mapping[str, str]
    source_resource: Mapping[str, str]
    lineage: Lineage | None
    settings: RunSettings
    source: SourceDatabase
    spark: SparkSession = field(repr=False)
    batch_id: str
    run_id: str
    started: datetime
    closes_at_most: int | None = None
    full: bool = False
    ends_at: float = math.inf
    stands_for: str = ""

    @property
    def governed_target(self) -> str:
        """The table whose erased persons, retired records and persons' keys apply to the rows."""
        return self.stands_for or self.target

    @property
    def connection(self) -> str:
        """The source, as contracts name it."""
        return self.source_resource[names.NAME]

    @property
    def stage(self) -> str:
        """The table that stages this batch until it is published."""
        return stage_table(self.settings, self.name, self.batch_id)

    def ledger(self, name: str) -> str:
        """A table about the runs themselves: lineage, metrics, quarantine."""
        return ledger_table(self.settings, name)

    def seconds_left(self) -> float:
        """Until its time is over.

        Raises:
            LoadTimedOutError: It is over.
        """
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise timed_out(self.name, self.settings.table_minutes)
        return left


def timed_out(where: str, minutes: float) -> LoadTimedOutError:
    """The error of a load that took longer than so many minutes."""
    return LoadTimedOutError(
        where=where,
        expected=f"a load of at most {minutes:g} minutes",
        found="that it was still going on",
        next_step="Raise `table_minutes` of the run settings, or find out what slowed it down.",
    )


def stage_table(settings: RunSettings, contract: str, batch_id: str) -> str:
    """The identifier of a batch's stage."""
    catalog, namespace = settings.lakehouse.catalog, settings.stage_namespace
    return f"{catalog}.{namespace}.{contract}__{batch_id.lower()}"


def ledger_table(settings: RunSettings, name: str) -> str:
    """The identifier of a ledger."""
    return f"{settings.lakehouse.catalog}.{settings.governance_namespace}.{name}"


def batch_name(run_id: str, started: datetime) -> str:
    """The batch of a flow run (spec 1.2): `BATCH_<date>_<time>_<8 hex>`."""
    return f"BATCH_{started:%Y%m%d_%H%M%S}_{run_id.replace('-', '')[:8]}"
