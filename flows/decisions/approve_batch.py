"""A flow run waits for a person who decides about a batch that its contract's gate kept back.

Promise: while it waits the run holds no lock and no rows but the stage that is kept. Without an
answer in time, or with a no, it ends as it would have ended at once.
"""

from __future__ import annotations

from datetime import UTC, datetime

from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.logging import get_run_logger
from pydantic import Field

from contracts.errors import QualityGateError
from flows.decisions.publish_batch import publish_stage, refuse_stage
from tasks.run.quarantine_decision import Action, Decision
from tasks.run.step_results import LoadSummary

_MINUTE = 60
_POLL_SECONDS = 5


class BatchApproval(RunInput):
    """What a person answers: Prefect shows it as a form where the run is resumed."""

    name: str = Field(min_length=1, description="Who decides.")
    reason: str = Field(min_length=1, description="Why.")
    publish: bool = Field(default=False, description="Publish the batch as it is.")


def approved_load(
    contract: str, settings: str, batch_id: str, closed: QualityGateError, *, minutes: int
) -> LoadSummary:
    """Wait for a person's answer, and record it; with a yes, publish the batch.

    Args:
        contract: The contract.
        settings: The name of the run settings block.
        batch_id: The batch that is kept.
        closed: Why the gate closed.
        minutes: How long to wait.

    Raises:
        QualityGateError: The answer is no, or there is none in time: `closed` itself.
        StrandlineError: As publishing a batch that was kept.
    """
    form = BatchApproval.with_initial_data(description=_question(closed, batch_id, minutes))
    log = get_run_logger()
    try:
        answer = pause_flow_run(
            wait_for_input=form, timeout=minutes * _MINUTE, poll_interval=_POLL_SECONDS
        )
    except FlowPauseTimeout:
        log.warning("nobody decided about batch %s within %s minutes", batch_id, minutes)
        raise closed from None
    action = Action.PUBLISH_BATCH if answer.publish else Action.REFUSE_BATCH
    decision = Decision(action, answer.name, answer.reason, datetime.now(UTC))
    if answer.publish:
        return publish_stage(contract, settings, batch_id, decision)
    refuse_stage(contract, settings, batch_id, decision)
    log.info("batch %s is not published: that was decided", batch_id)
    raise closed


def _question(closed: QualityGateError, batch_id: str, minutes: int) -> str:
    return (
        f"**Batch `{batch_id}` was not published.** Expected {closed.expected}; found: "
        f"{closed.found}.\n\nPublish it as it is? Without an answer within {minutes} minutes, or "
        "with a no, this run fails. The batch is kept in either case, and "
        "`strandline quarantine publish` publishes it later."
    )
