"""What is asked for when persons are erased, and what shows afterwards that it was done."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from contracts.errors import UsageError
from history.upkeep.purge_states import PurgedStates
from tasks.erasure.verify_erasure import ErasureProof


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureRequest:
    """What is asked for.

    Attributes:
        reason: Why, as the audit log keeps it.
        drop_tags: States that somebody else's tags and branches keep may go with them.
        skip_missing: Persons that no row is about are left out, and are no error.
        dry_run: Only say what would be erased.
    """

    reason: str
    drop_tags: bool = False
    skip_missing: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Refuse a request without a reason.

        Raises:
            UsageError: The reason is blank.
        """
        if not self.reason.strip():
            raise UsageError(
                where="the erasure",
                expected="a reason, which the audit log keeps",
                found="a blank one",
                next_step='Say why: --reason "..."',
            )


@dataclass(frozen=True, slots=True)
class ErasedSubject:
    """One person, by the digest, and how many rows were about them."""

    digest: str
    versions: int = 0
    kept_events: int = 0
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class ErasureCertificate:
    """What was erased, where and when, or would be (`dry_run`).

    Attributes:
        erasure_id: The erasure, by which the audit log and the ledger of erased persons have it.
        contract: The contract.
        table: The history table.
        columns: The columns that name persons.
        actor: Who did it.
        reason: Why.
        began: When it began; timezone-aware.
        ended: When the proof was made; timezone-aware.
        subjects: The persons, as they were found.
        missing: How many of those asked for no row was about.
        unusual_rows: Rows of the ledger of unusual rows.
        subject_keys: Keys of the persons that were destroyed.
        stages: Staged batches that were dropped: they are read again by the next load.
        purged: Older states, and the branches and tags that kept them.
        proof: What was looked at afterwards; None: a dry run.
        foreign_refs: Tags and branches of others that keep older states, and go with them.
        dry_run: Nothing was changed.
    """

    erasure_id: str
    contract: str
    table: str
    columns: tuple[str, ...]
    actor: str
    reason: str
    began: datetime
    ended: datetime
    subjects: tuple[ErasedSubject, ...]
    missing: int = 0
    unusual_rows: int = 0
    subject_keys: int = 0
    stages: int = 0
    purged: PurgedStates = field(default_factory=PurgedStates)
    proof: ErasureProof | None = None
    foreign_refs: tuple[str, ...] = ()
    dry_run: bool = False

    def total(self, name: str) -> int:
        """The sum of a count over the persons."""
        return sum(getattr(each, name) for each in self.subjects)
