"""Strandline's row checks, as a load makes them: in the pass that writes the stage.

The reasons of a row that broke a rule are staged as its mask, as by `tasks.transforms.stage_rows`.
A load spells them out when it puts refused rows into quarantine; that is not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from benchmarks.quality.quality_contract import contract_of
from benchmarks.quality.rules import AS_OF, RULES, more_rules
from benchmarks.quality.subject import STAGE, Outcome, write_stage
from tasks.transforms.checks.row_checks import (
    RowChecks,
    compile_row_checks,
    counts,
    failed_checks,
    findings,
    judged,
    reasons,
    stored_mask,
)

_FAILED = "__failed"


class StrandlineChecks:
    """One pass: the mask of each row that broke a rule, and all counts; then the reasons."""

    def __init__(self, spark: SparkSession, read: Callable[[], DataFrame], directory: Path) -> None:
        self._spark = spark
        self._read = read
        self._plans = {
            "same rules": compile_row_checks(contract_of(RULES, directory)),
            **{
                f"{count} rules": compile_row_checks(contract_of(more_rules(count), directory))
                for count in (20, 60, 120)
            },
        }

    def run(self, mode: str) -> Callable[[], Outcome]:
        """Check and write with the plan of that name; the verdict's figures are part of it."""
        plan = self._plans[mode]
        observation = Observation(f"quality-{uuid4()}")
        write_stage(_checked(self._read(), plan, observation))
        found = findings(plan, observation.get)
        judged(observation.get)
        return lambda: Outcome(
            {finding.check: finding.failed for finding in found}, self._rows_with_reasons(plan)
        )

    def _rows_with_reasons(self, plan: RowChecks) -> int:
        failed = self._spark.table(STAGE).where(F.col(_FAILED).isNotNull())
        told = failed.select(reasons(plan, stored_mask(F.col(_FAILED), plan)).alias("reasons"))
        return told.where(F.size("reasons") > 0).count()


def _checked(rows: DataFrame, plan: RowChecks, observation: Observation) -> DataFrame:
    words = failed_checks(plan, as_of=AS_OF, ignored=F.lit(False))
    named: Mapping[str, Column] = {f"__mask_{place}": word for place, word in enumerate(words)}
    masked = rows.withColumns(dict(named))
    mask = tuple(F.col(name) for name in named)
    failed = F.lit(False)
    for word in mask:
        failed = failed | (word != 0)
    told = masked.withColumn(_FAILED, F.when(failed, F.array(*mask)))
    return told.observe(observation, *counts(plan, mask)).drop(*named)
