"""Every error Strandline raises on purpose, grouped by what the caller can do about it.

::

    StrandlineError
    ├── RetryableError            the same call may succeed later
    │   ├── SourceUnavailableError    the database did not answer
    │   ├── SourceConflictError       the database answered that other transactions are in the way
    │   ├── SourceCircuitOpenError    the database failed so often that it is left alone for now
    │   ├── SourceBusyError           other runs hold all connections that runs may have
    │   ├── LakehouseUnavailableError the catalog or the storage did not answer
    │   ├── KeyServiceUnavailableError the place of the keys did not answer
    │   ├── SecretServiceUnavailableError the place of a source's password did not answer
    │   ├── CommitConflictError       another writer published first
    │   ├── TableBusyError            another run has locked this table
    │   ├── LoadTimedOutError         the load took longer than it may
    │   ├── ErasureIncompleteError    files that can't be removed yet may hold erased persons
    │   └── StepFailedError           Spark gave up on a step
    ├── FixableError              the user has to change something first
    │   ├── ContractError             the contract file is broken or contradicts itself
    │   ├── SettingsError             a block or an argument is missing or wrong
    │   ├── SourceAccessError         the database refuses the credentials or the permission
    │   ├── SchemaDriftError          the source or the target no longer fits the contract
    │   ├── KeyUnavailableError       a protection key is missing
    │   ├── LegalHoldError            persons under legal hold are to stay as they are
    │   ├── RestoreRefusedError       a backup does not belong here, or would undo what is newer
    │   ├── EnvironmentUnfitError     Java, disk space or a directory is not as needed
    │   ├── UsageError                a command was typed in a way it can't be understood
    │   └── NotFoundError             nothing has the requested name or key
    ├── DataError                 the data has to be examined
    │   ├── QualityGateError          the batch scored below its threshold
    │   ├── MassClosingError          a full read lacks more keys than it may close
    │   ├── SourceValueError          the database failed on a value or on stored data
    │   ├── EmptyBatchError           the source returned no rows where some were promised
    │   ├── AuditError                the merged history broke a rule and was not published
    │   ├── BackupDamagedError        a backup is not as it was written, or files of it are gone
    │   └── AuditLogTamperedError     the audit log is not as it was written
    └── UnexpectedError           a mistake in Strandline

Each states where it happened, what was expected, what was found and what to do next. No message
carries a cell value, a key or a credential: more people may read the logs than may read the
data.
"""

from __future__ import annotations

__all__ = [
    "AuditError",
    "AuditLogTamperedError",
    "BackupDamagedError",
    "CommitConflictError",
    "ContractError",
    "DataError",
    "EmptyBatchError",
    "EnvironmentUnfitError",
    "ErasureIncompleteError",
    "FixableError",
    "KeyServiceUnavailableError",
    "KeyUnavailableError",
    "LakehouseUnavailableError",
    "LegalHoldError",
    "LoadTimedOutError",
    "MassClosingError",
    "NotFoundError",
    "QualityGateError",
    "RestoreRefusedError",
    "RetryableError",
    "SchemaDriftError",
    "SecretServiceUnavailableError",
    "SettingsError",
    "SourceAccessError",
    "SourceBusyError",
    "SourceCircuitOpenError",
    "SourceConflictError",
    "SourceUnavailableError",
    "SourceValueError",
    "StepFailedError",
    "StrandlineError",
    "TableBusyError",
    "UnexpectedError",
    "UsageError",
]


class StrandlineError(Exception):
    """The root: where, expected, found, and what to do next.

    Args:
        where: The table, file, block or step concerned.
        expected: What Strandline needed to be true.
        found: What it found instead, described without any value from the data.
        next_step: What the reader should do now, a command where there is one.
    """

    exit_code = 1

    def __init__(self, *, where: str, expected: str, found: str, next_step: str) -> None:
        self.where = where
        self.expected = expected
        self.found = found
        self.next_step = next_step
        super().__init__(f"{where}: expected {expected}; found {found}. {next_step}")

    def __reduce__(self) -> tuple[object, ...]:
        # Prefect pickles failed states; pickle alone can't pass keyword-only arguments.
        return (_rebuild, (type(self), self.where, self.expected, self.found, self.next_step))


def _rebuild(
    kind: type[StrandlineError], where: str, expected: str, found: str, next_step: str
) -> StrandlineError:
    return kind(where=where, expected=expected, found=found, next_step=next_step)


class RetryableError(StrandlineError):
    """The same call may succeed later."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


class SourceUnavailableError(RetryableError):
    """The source database did not answer.

    `connection` is set where it is counted for that source's circuit: it may be a source that the
    contract's checks refer to.
    """

    connection: str = ""


class SourceConflictError(RetryableError):
    """The source database answered that another transaction, or its recovery, is in the way."""


class SourceCircuitOpenError(RetryableError):
    """The source database failed so often in a row that no run tries it for a while."""


class SourceBusyError(RetryableError):
    """Other runs hold all the connections to the source database that runs may have."""


class LakehouseUnavailableError(RetryableError):
    """The catalog or the storage of the lakehouse did not answer."""


class KeyServiceUnavailableError(RetryableError):
    """The key management service, or the place of the wrapped keys, did not answer."""


class SecretServiceUnavailableError(RetryableError):
    """The service that keeps the password of a source did not answer."""


class CommitConflictError(RetryableError):
    """Another writer published first; the load has to be planned again."""


class TableBusyError(RetryableError):
    """Another run is loading this table."""


class LoadTimedOutError(RetryableError):
    """The load took longer than its settings allow; nothing was published."""


class ErasureIncompleteError(RetryableError):
    """Persons are erased for readers, and files that can't be removed yet may still hold rows."""


class StepFailedError(RetryableError):
    """Spark gave up on a step for a reason that is none of the others."""


class FixableError(StrandlineError):
    """The user has to change something before the call can succeed."""

    exit_code = 78  # EX_CONFIG


class ContractError(FixableError):
    """The contract file is missing, broken or contradicts itself."""


class SettingsError(FixableError):
    """A block, a setting or an argument is missing or wrong."""


class SourceAccessError(FixableError):
    """The source database refuses the credentials or lacks the permission."""


class SchemaDriftError(FixableError):
    """The source or the target no longer fits the contract."""


class KeyUnavailableError(FixableError):
    """A protection key is missing or can't be unwrapped."""


class LegalHoldError(FixableError):
    """What was asked for would change rows about persons who are under legal hold."""


class RestoreRefusedError(FixableError):
    """A backup is of another lakehouse, or restoring it would undo what is newer."""


class EnvironmentUnfitError(FixableError):
    """Java, disk space or a directory is not as a run needs it."""


class UsageError(FixableError):
    """A command was typed in a way it can't be understood."""

    exit_code = 64  # EX_USAGE


class NotFoundError(FixableError):
    """Nothing has the requested name or key."""

    exit_code = 66  # EX_NOINPUT


class DataError(StrandlineError):
    """The data has to be examined; nothing was published."""

    exit_code = 65  # EX_DATAERR


class QualityGateError(DataError):
    """The batch scored below the threshold of its contract."""


class MassClosingError(DataError):
    """A full read lacks so many of the open keys that closing them needs a confirmation."""


class SourceValueError(DataError):
    """The source database failed on a value that it stores, or on how it stored it."""


class EmptyBatchError(DataError):
    """The source returned no rows where the contract promises some."""


class AuditError(DataError):
    """The merged history broke a rule on its audit branch and was not published."""


class BackupDamagedError(DataError):
    """A backup is not as it was written, or files that belong to it are gone."""


class AuditLogTamperedError(DataError):
    """Records of the audit log were changed, removed, inserted or reordered afterwards."""


class UnexpectedError(StrandlineError):
    """A mistake in Strandline, to be reported with its trace."""

    exit_code = 70  # EX_SOFTWARE
