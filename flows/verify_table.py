"""Verify one table: compare it whole with its source as it is now, and repair it if told to."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.flow_parameters import ContractName, KeyCount, SettingsName
from flows.load_steps import Taken, read
from flows.load_table import Judged, ended, started, this_run
from tasks.compare_with_source import compare, refuse_incomparable
from tasks.lifecycle.open_run import opened
from tasks.merge import merge
from tasks.run.retries import patient
from tasks.run.step_results import Verdict, VerifyResult
from tasks.validate import validate

ANY = sys.maxsize
"""Nothing is closed by comparing, however much the source lacks."""


@flow(name="verify-table", flow_run_name="verify-{contract}", persist_result=False)
def verify_table(
    contract: ContractName,
    settings: SettingsName = "default",
    repair: bool = False,
    limit: Annotated[int, Field(ge=0)] = 20,
    closes_at_most: KeyCount | None = None,
) -> VerifyResult:
    """Compare a table with a full read of its source.

    Args:
        contract: The name of a contract, or of its target table.
        settings: The name of the run settings block.
        repair: Where they differ, load the source in full, which ends in equality.
        limit: Name so many of the keys that differ.
        closes_at_most: As of `load-table`, for the repair.
    """
    with opened(contract, settings, run_id=this_run(contract), started=started()) as load:
        refuse_incomparable(load.run)
        run = replace(load.run, full=True)
        taken = patient(read, run)(run)
        found = compared(taken, limit)
        if not (repair and found.unequal):
            return found
        run = replace(taken.run, closes_at_most=closes_at_most)
        verdict = validate(run, taken.staged)
        because = taken.extraction.taken_because
        summary = ended(load, Judged(run, taken.staged, verdict, because))
        return replace(found, batch_id=summary.batch_id)


def compared(taken: Taken, limit: int) -> VerifyResult:
    """See what loading the read would change; nothing of it is published."""
    refuse_incomparable(taken.run)
    run = replace(taken.run, closes_at_most=ANY)
    nothing_judged = Verdict(score=None, threshold=0.0, passed=True)
    written = merge(run, taken.staged, nothing_judged)
    return compare(run, taken, written, limit)
