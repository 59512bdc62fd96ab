"""The failure of a run over several tables, some of which are done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

from contracts.errors import RetryableError, StrandlineError


class Outcome(Protocol):
    """How one table ended; without an error it is done."""

    @property
    def contract(self) -> str:
        """The contract of the table."""
        ...

    @property
    def error(self) -> StrandlineError | None:
        """Why it failed."""
        ...


class SomeTablesFailedError(RetryableError):
    """Some tables failed; the others are done, and running again does the rest.

    `outcomes` says how each of them ended; the exit code is that of the first failure.
    """

    outcomes: tuple[Outcome, ...] = ()

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], *, where: str, wanted: str, next_step: str) -> Self:
        """The error about the outcomes, at least one of which failed.

        Args:
            outcomes: How each table ended.
            where: What was run, such as `upkeep`.
            wanted: What all tables were to be, such as `loaded`.
            next_step: What to do.
        """
        failures = [(each.contract, each.error) for each in outcomes if each.error is not None]
        error = cls(
            where=where,
            expected=f"all {len(outcomes)} tables to be {wanted}",
            found=f"{len(failures)} failed: "
            + "; ".join(f"{name}: {type(reason).__name__}" for name, reason in failures),
            next_step=next_step,
        )
        error.outcomes = tuple(outcomes)
        error.exit_code = failures[0][1].exit_code
        return error
