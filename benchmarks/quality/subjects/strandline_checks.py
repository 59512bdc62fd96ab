"""Strandline's row checks, as a load makes them: in the pass that writes the stage.

The reasons of a row that broke a rule are staged as the words of its mask. A load stages them for
the rows that it refuses (`tasks.transforms.stage_rows`), and spells the reasons out when it puts
them into quarantine; that is not measured.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from pyspark.sql import DataFrame, Observation, SparkSession
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
    mask_words,
    reasons,
    stored_mask,
)


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
        mask = F.array(*[F.col(name) for name in _words(plan)])
        told = self._spark.table(STAGE).select(
            reasons(plan, stored_mask(mask, plan)).alias("reasons")
        )
        return told.where(F.size("reasons") > 0).count()


def _checked(rows: DataFrame, plan: RowChecks, observation: Observation) -> DataFrame:
    words = failed_checks(plan, as_of=AS_OF, ignored=F.lit(False))
    masked = rows.withColumns(dict(zip(_words(plan), words, strict=True)))
    # The words stay columns of the stage: to drop them, or to make an array of them, every row
    # would be copied once more.
    mask = tuple(F.col(name) for name in _words(plan))
    return masked.observe(observation, *counts(plan, mask))


def _words(plan: RowChecks) -> tuple[str, ...]:
    return tuple(f"__failed_{place}" for place in range(mask_words(plan)))
