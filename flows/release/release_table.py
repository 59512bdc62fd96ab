"""Releases as flows: each step by itself, and one that leads a release by a person's consent.

`python -m flows.release.release_table CONTRACT CANDIDATE` leads one from the shell.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from prefect import flow
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.logging import get_run_logger
from pydantic import Field

from contracts.errors import QualityGateError
from flows.failure_alert_hook import send_failure_alert
from flows.flow_parameters import ContractName, Minutes, SettingsName
from flows.release import release_steps as steps
from flows.run_page.release_artifacts import comparison_text, show_comparison
from flows.shell_exit_codes import exit_code
from history.release.promote_green import Promotion
from history.release.release_record import Release
from tasks.release.begin_release import NewRelease
from tasks.release.compare_release import ReleaseComparison
from tasks.release.promote_release import RolledBack
from tasks.release.release_place import Decided
from tasks.release.validate_release import Validation
from tasks.run.unexpected_errors import without_unexpected_errors

Seed = Literal["history", "source"]
Percent = Annotated[int, Field(ge=1, le=100)]
Who = Annotated[str, Field(min_length=1)]

_MINUTE, _POLL_SECONDS = 60, 5
_SHARES = (10, 50, 100)


class ReleaseApproval(RunInput):
    """What a person answers: Prefect shows it as a form where the run is resumed."""

    name: str = Field(min_length=1, description="Who decides.")
    reason: str = Field(min_length=1, description="Why.")
    go_on: bool = Field(default=False, description="Go on; else the release is rolled back.")


@flow(name="start-release", flow_run_name="start-release-{contract}", persist_result=False)
@without_unexpected_errors("start-release")
def start_release(
    contract: ContractName,
    candidate: Path,
    by: Who,
    reason: Who,
    seed: Seed = "history",
    settings: SettingsName = "default",
) -> Release:
    """Begin a release: green is made, filled and loaded by the new contract.

    Args:
        contract: The name of a contract, or of its target table.
        candidate: The file of the new contract.
        by: Who begins it.
        reason: Why.
        seed: Green begins as a copy of the `history`, or with what the `source` has.
        settings: The name of the run settings block.
    """
    return steps.start_release(contract, settings, NewRelease(candidate, seed, Decided(by, reason)))


@flow(name="compare-release", flow_run_name="compare-release-{contract}", persist_result=False)
@without_unexpected_errors("compare-release")
def compare_release(
    contract: ContractName, settings: SettingsName = "default"
) -> ReleaseComparison:
    """Bring green up to date, and compare it with the published table; the run's page shows it.

    Args:
        contract: The name of a contract, or of its target table.
        settings: The name of the run settings block.
    """
    found = steps.compare_release(contract, settings)
    show_comparison(found)
    return found


@flow(name="promote-release", flow_run_name="promote-release-{contract}", persist_result=False)
@without_unexpected_errors("promote-release")
def promote_release(
    contract: ContractName, by: Who, reason: Who, settings: SettingsName = "default"
) -> tuple[Release, Promotion]:
    """Bring green up to date, and publish it in one commit.

    Args:
        contract: The name of a contract, or of its target table.
        by: Who decides.
        reason: Why.
        settings: The name of the run settings block.
    """
    return steps.promote_release(contract, settings, Decided(by, reason))


@flow(
    name="rollback-release",
    flow_run_name="rollback-release-{contract}",
    persist_result=False,
    on_failure=[send_failure_alert],
    on_crashed=[send_failure_alert],
)
@without_unexpected_errors("rollback-release")
def rollback_release(
    contract: ContractName,
    settings: SettingsName = "default",
    by: Who = "automation",
    reason: Who = "the validation of the release failed",
) -> RolledBack:
    """Let readers read what they read before the release, and drop green.

    Args:
        contract: The name of a contract, or of its target table.
        settings: The name of the run settings block.
        by: Who decides.
        reason: Why.
    """
    return steps.roll_back_release(contract, settings, Decided(by, reason))


@flow(
    name="validate-release",
    flow_run_name="validate-release-{contract}",
    persist_result=False,
    on_failure=[send_failure_alert],
)
@without_unexpected_errors("validate-release")
def validate_release(contract: ContractName, settings: SettingsName = "default") -> Validation:
    """Look at a published release as its readers do; a failure rolls it back, by automation.

    Args:
        contract: The name of a contract, or of its target table.
        settings: The name of the run settings block.

    Raises:
        AuditError: It is not as it has to be.
    """
    return steps.validate_published_release(contract, settings)


@flow(
    name="release-table",
    flow_run_name="release-{contract}",
    persist_result=False,
    on_failure=[send_failure_alert],
    on_crashed=[send_failure_alert],
)
@without_unexpected_errors("release-table")
def release_table(
    contract: ContractName,
    candidate: Path,
    by: Who,
    reason: Who,
    seed: Seed = "history",
    settings: SettingsName = "default",
    shares: Sequence[Percent] = _SHARES,
    approval_minutes: Minutes = 60,
) -> Release:
    """Lead a release: start, compare, shift readers step by step, promote, validate.

    Before each share, and before promoting, it waits for a person's consent; without one in time,
    or with a no, it is rolled back.

    Args:
        contract: The name of a contract, or of its target table.
        candidate: The file of the new contract.
        by: Who begins it.
        reason: Why.
        seed: Green begins as a copy of the `history`, or with what the `source` has.
        settings: The name of the run settings block.
        shares: Percent of the keys that readers get from green, one after the other.
        approval_minutes: How long it waits each time; 0: it does not, and goes on only where the
            comparison found no difference.

    Raises:
        QualityGateError: Nobody agreed; the release was rolled back.
    """
    decided = Decided(by, reason)
    steps.start_release(contract, settings, NewRelease(candidate, seed, decided))
    for percent in shares:
        found = steps.compare_release(contract, settings)
        show_comparison(found)
        decided = _agreed(
            found, f"Read {percent} % of the keys from green?", by, approval_minutes, settings
        )
        steps.shift_release(contract, settings, percent, (), decided)
    found = steps.compare_release(contract, settings)
    show_comparison(found)
    decided = _agreed(found, "Promote green?", by, approval_minutes, settings)
    release, _ = steps.promote_release(contract, settings, decided)
    validate_release(contract, settings)
    return release


def _agreed(
    found: ReleaseComparison, question: str, by: str, minutes: int, settings: str
) -> Decided:
    """Who agreed to go on, and why.

    Raises:
        QualityGateError: Nobody did; the release is rolled back.
    """
    name, reason = by, "nobody agreed in time"
    if not minutes and not found.rows.differences and not found.release.failure:
        return Decided(by, "the comparison found no difference")
    if minutes:
        text = f"**{question}** Without an answer in time, or with a no, it is rolled back.\n\n"
        form = ReleaseApproval.with_initial_data(description=text + comparison_text(found))
        try:
            answer = pause_flow_run(
                wait_for_input=form, timeout=minutes * _MINUTE, poll_interval=_POLL_SECONDS
            )
        except FlowPauseTimeout:
            get_run_logger().warning("nobody decided within %s minutes", minutes)
        else:
            if answer.go_on:
                return Decided(answer.name, answer.reason, datetime.now(UTC))
            name, reason = answer.name, answer.reason
    else:
        reason = "the comparison found differences, and nobody was asked"
    release = found.release
    steps.roll_back_release(release.contract, settings, Decided(name, reason))
    raise QualityGateError(
        where=f"{release.table}, release {release.id}",
        expected="that somebody agrees to go on",
        found=reason if name == by else f"a no of {name}",
        next_step="It was rolled back. The comparison is on the page of this run.",
    )


if __name__ == "__main__":
    # The arguments are text; the flow parses them as its parameters.
    sys.exit(exit_code(release_table, *sys.argv[1:]))  # type: ignore[arg-type]
