"""What Spark raises, as errors that say what to do next and carry no value from the data.

Promise: the text of a Spark or JDBC exception, which may quote a cell, goes no further than here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException

from contracts.errors import (
    EnvironmentUnfitError,
    LakehouseUnavailableError,
    SchemaDriftError,
    SourceAccessError,
    SourceUnavailableError,
    StepFailedError,
    StrandlineError,
)

_CLASS = re.compile(r"\b(?:[a-z_]\w*\.)+([A-Z]\w*(?:Exception|Error))\b")
_NO_SPACE = re.compile(r"No space left on device")
_SQL_STATE = re.compile(r"SQLSTATE:? ?([0-9A-Z]{5})|SQL state \[?([0-9A-Z]{5})")


_UNTOUCHED = "Nothing was published."
_STANDS = "What was published stands, and the next run makes up for the rest."


@contextmanager
def translated(contract: str, step: str, *, publishes: bool = False) -> Iterator[None]:
    """Turn what Spark raises inside into an error of `contracts.errors`.

    The original is not chained: its text would be printed with the traceback.

    Args:
        contract: Where it happened.
        step: In which step.
        publishes: The step comes after or with publishing, so that something may be published.
    """
    try:
        yield
    except StrandlineError:
        raise
    except (PySparkException, Py4JError) as error:
        state = _STANDS if publishes else _UNTOUCHED
        raise _meaning(error, where=f"{contract}, step {step}", state=state) from None


def _meaning(error: PySparkException | Py4JError, *, where: str, state: str) -> StrandlineError:
    text = _text(error)
    classes = list(dict.fromkeys(_CLASS.findall(text)))
    told = ", ".join(classes[:4]) or type(error).__name__
    if _NO_SPACE.search(text):
        return EnvironmentUnfitError(
            where=where,
            expected="room on the disk for the stage and the new files",
            found="none left",
            next_step="Free space under the warehouse and Spark's local directory, and run again. "
            + state,
        )
    if any(name in _LAKEHOUSE for name in classes):
        return LakehouseUnavailableError(
            where=where,
            expected="the catalog and the storage to answer",
            found=told,
            next_step=f"Check the lakehouse block, then run again. {state}",
        )
    if "PSQLException" in classes or "SQLTimeoutException" in classes:
        return _of_the_source(where, told, text)
    condition = error.getCondition() if isinstance(error, PySparkException) else None
    if condition in _DRIFT:
        return SchemaDriftError(
            where=where,
            expected="tables with the columns that the contract names",
            found=str(condition),
            next_step="Compare the contract with the source and the target.",
        )
    return StepFailedError(
        where=where,
        expected="Spark to finish the step",
        found=str(condition or told),
        next_step=f"{state} Spark's own log (settings: log_directory) has the rest.",
    )


def _of_the_source(where: str, told: str, text: str) -> StrandlineError:
    found = _SQL_STATE.search(text)
    state = next((group for group in found.groups() if group), "") if found else ""
    refused = state.startswith(("28", "42501")) or "permission denied" in text
    kind = SourceAccessError if refused else SourceUnavailableError
    return kind(
        where=where,
        expected="the source database to answer the contract's query",
        found=f"{told} {state}".strip(),
        next_step="Check the source database block and the database's log, then run again.",
    )


def _text(error: PySparkException | Py4JError) -> str:
    if isinstance(error, Py4JJavaError):
        return str(error.java_exception.toString()) + "\n" + str(error)
    return str(error)


_LAKEHOUSE = frozenset(
    {
        "UncheckedSQLException",
        "RuntimeIOException",
        "ServiceUnavailableException",
        "ServiceFailureException",
        "RESTException",
        "SdkClientException",
        "S3Exception",
        "AccessDeniedException",
        "CommitStateUnknownException",
        "NotAuthorizedException",
        "ForbiddenException",
    }
)
_DRIFT = frozenset(
    {
        "UNRESOLVED_COLUMN.WITH_SUGGESTION",
        "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION",
        "INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_FIND_DATA",
        "INCOMPATIBLE_DATA_FOR_TABLE.EXTRA_COLUMNS",
        "INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST",
    }
)
