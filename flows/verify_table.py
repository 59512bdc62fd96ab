"""Verify one table: compare all of it with its source as it is now, and repair it on request."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.flow_parameters import ContractName, KeyCount, SettingsName
from flows.flow_run import started, this_run
from flows.load_steps import publish_and_record, read_source
from tasks.compare_with_source import compare, refuse_incomparable
from tasks.lifecycle.open_run import open_run
from tasks.merge import merge
from tasks.run.run_context import Run
from tasks.run.step_results import SourceRead, VerifyResult
from tasks.run.unexpected_errors import without_unexpected_errors
from tasks.transforms.checks.verdict import NOT_JUDGED
from tasks.validate import validate

ANY = sys.maxsize
"""No limit: comparing closes nothing, however many keys the source lacks."""


@flow(name="verify-table", flow_run_name="verify-{contract}", persist_result=False)
@without_unexpected_errors("verify-table")
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
    with open_run(contract, settings, run_id=this_run(contract), started=started()) as opened:
        refuse_incomparable(opened.run, opened.contract.source.kind)
        run = replace(opened.run, full=True)
        source_read = read_source(run, opened.contract)
        result = compare_without_publishing(run, source_read, limit)
        if not (repair and result.unequal):
            return result
        repairing = replace(run, closes_at_most=closes_at_most)
        valid = validate(repairing, source_read.contract, source_read.staged)
        summary = publish_and_record(
            replace(opened, run=repairing), valid, reason="repair of what verify found"
        )
        return replace(result, batch_id=summary.batch_id)


def compare_without_publishing(run: Run, source_read: SourceRead, limit: int) -> VerifyResult:
    """Compare what loading the read would change; nothing of it is published."""
    contract = source_read.contract
    refuse_incomparable(run, contract.kind)
    merged = merge(replace(run, closes_at_most=ANY), contract, source_read.staged, NOT_JUDGED)
    return compare(run, source_read, merged, limit)
