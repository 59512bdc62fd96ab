"""What a contract promises about the time of its loads, compared with how long one took.

Promise: a load that took longer is published all the same; its log says so, and an event tells
whoever waits for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from prefect.logging import get_run_logger

from contracts.model import Contract, LoadKind
from tasks.observability.emit_prefect_events import emit_missed_service_level
from tasks.run.run_context import Run

_HOUR = 3_600


@dataclass(frozen=True, slots=True)
class MissedServiceLevel:
    """A promise that a load did not keep: its name in the contract, and both times in hours."""

    name: str
    promised_hours: float
    taken_hours: float


def missed_service_levels(
    contract: Contract, seconds: float, *, full: bool
) -> tuple[MissedServiceLevel, ...]:
    """The promises that a load of so many seconds did not keep.

    Args:
        contract: What is promised: `runTime` of every load, `loadTime` of an incremental one.
        seconds: From the start of the run to the end of the load.
        full: Whether a full load was asked for.
    """
    level, taken = contract.service_level, seconds / _HOUR
    promised = {"runTime": level.run_hours}
    if contract.source.load is LoadKind.INCREMENTAL and not full:
        promised["loadTime"] = level.load_hours
    return tuple(
        MissedServiceLevel(name, hours, taken) for name, hours in promised.items() if taken > hours
    )


def report_missed_service_levels(run: Run, contract: Contract, seconds: float) -> None:
    """Log each promise that a load of so many seconds did not keep, and emit an event of it."""
    for missed in missed_service_levels(contract, seconds, full=run.full):
        get_run_logger().warning(
            "%s took %.2f hours; its contract promises %s of %g hours",
            run.name,
            missed.taken_hours,
            missed.name,
            missed.promised_hours,
        )
        emit_missed_service_level(
            run, missed.name, promised=missed.promised_hours, taken=missed.taken_hours
        )
