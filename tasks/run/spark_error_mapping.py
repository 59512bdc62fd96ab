"""What Spark raises, as errors that say what to do next and carry no value from the data.

Promise: the text of a Spark or JDBC exception, which may quote a cell, goes no further than here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError
from pyspark.errors import PySparkException

from blocks.postgres.sqlstate_errors import meaning_of_certificate, meaning_of_state
from contracts.errors import (
    EnvironmentUnfitError,
    LakehouseUnavailableError,
    SchemaDriftError,
    SourceUnavailableError,
    SourceValueError,
    StepFailedError,
    StrandlineError,
)

_CLASS = re.compile(r"\b(?:[a-z_]\w*\.)+([A-Z]\w*(?:Exception|Error))\b")
_NO_SPACE = re.compile(r"No space left on device")
_NO_MEMORY = re.compile(r"OutOfMemoryError|Java heap space|GC overhead limit exceeded")
_SQL_STATE = re.compile(r"SQLSTATE:? ?([0-9A-Z]{5})|SQL state \[?([0-9A-Z]{5})")
_CONNECTING = "08"
_MOST_CAUSES = 20


_UNTOUCHED = "Nothing was published."
_STANDS = "What was published stands, and the next run makes up for the rest."


@contextmanager
def map_spark_errors(contract: str, step: str, *, publishes: bool = False) -> Iterator[None]:
    """Turn what Spark raises inside into an error of `contracts.errors`.

    The original is not chained: its text would be printed with the traceback.

    Args:
        contract: Where it happened.
        step: In which step.
        publishes: The step comes after or with publishing, so that something may be published.
    """
    where, state = f"{contract}, step {step}", _STANDS if publishes else _UNTOUCHED
    try:
        yield
    except StrandlineError:
        raise
    except Py4JNetworkError:
        raise _ended(where, state) from None
    except (PySparkException, Py4JError) as error:
        raise _told(error, where, state) from None
    except (ConnectionError, EOFError) as error:
        if not _of_py4j(error):
            raise
        raise _ended(where, state) from None


def _told(error: PySparkException | Py4JError, where: str, state: str) -> StrandlineError:
    """What it means; Spark's process, which is asked for it, may be gone by now."""
    try:
        return _meaning(error, where=where, state=state)
    except (Py4JNetworkError, ConnectionError, EOFError):
        return _ended(where, state)


def _meaning(error: PySparkException | Py4JError, *, where: str, state: str) -> StrandlineError:
    text = _text(error)
    classes = list(dict.fromkeys(_CLASS.findall(text)))
    told = ", ".join(classes[:4]) or type(error).__name__
    return (
        _of_the_machine(text, where, state)
        or _of_the_lakehouse(classes, told, where, state)
        or _of_the_source(error, classes, text, where)
        or _of_the_step(error, classes, told, where, state)
    )


def _of_the_machine(text: str, where: str, state: str) -> StrandlineError | None:
    if _NO_SPACE.search(text):
        return EnvironmentUnfitError(
            where=where,
            expected="room on the disk for the stage and the new files",
            found="none left",
            next_step="Free space under the warehouse and Spark's local directory, and run again. "
            + state,
        )
    if _NO_MEMORY.search(text):
        return EnvironmentUnfitError(
            where=where,
            expected="memory for the rows that Spark holds at a time",
            found="none left in Spark's process",
            next_step=f"{_MEMORY} {state}",
        )
    return None


def _of_the_lakehouse(
    classes: list[str], told: str, where: str, state: str
) -> StrandlineError | None:
    if not any(name in _LAKEHOUSE for name in classes):
        return None
    return LakehouseUnavailableError(
        where=where,
        expected="the catalog and the storage to answer",
        found=told,
        next_step=f"Check the lakehouse block, then run again. {state}",
    )


def _of_the_source(
    error: PySparkException | Py4JError, classes: list[str], text: str, where: str
) -> StrandlineError | None:
    """What the driver of the source raised, by what its exception says or, without it, its text."""
    if not {"PSQLException", "SQLTimeoutException"} & {*classes}:
        return None
    told, routine = _sql_state(error)
    written = _SQL_STATE.search(text)
    if told is None and written is not None:
        told = next(group for group in written.groups() if group)
    if told is None:
        return SourceUnavailableError(
            where=where,
            expected="the source database to answer the contract's query",
            found=", ".join(classes[:4]),
            next_step="Check the source database block and the database's log, then run again.",
        )
    certificate = meaning_of_certificate(text) if told.startswith(_CONNECTING) else None
    if certificate is not None:
        return certificate.error(where)
    return meaning_of_state(told, routine).error(where, f"SQLSTATE {told}")


def _of_the_step(
    error: PySparkException | Py4JError, classes: list[str], told: str, where: str, state: str
) -> StrandlineError:
    condition = error.getCondition() if isinstance(error, PySparkException) else None
    if condition in _DRIFT:
        return SchemaDriftError(
            where=where,
            expected="tables with the columns that the contract names",
            found=str(condition),
            next_step="Compare the contract with the source and the target.",
        )
    if type(error).__name__ in _VALUES or any(name in _VALUES for name in classes):
        return SourceValueError(
            where=where,
            expected="values that Spark can compute with",
            found=f"one that is no number, or beyond its type ({condition or told})",
            next_step=f"Look for it in the source; a column read as a string takes any. {state}",
        )
    return StepFailedError(
        where=where,
        expected="Spark to finish the step",
        found=str(condition or told),
        next_step=f"{state} Spark's own log (settings: log_directory) has the rest.",
    )


def _ended(where: str, state: str) -> StrandlineError:
    return EnvironmentUnfitError(
        where=where,
        expected="Spark's process to live as long as the run",
        found="that it ended, as it does when its memory is used up or somebody ends it",
        next_step=f"{_MEMORY} {state}",
    )


def _of_py4j(error: BaseException) -> bool:
    """It was raised by the bridge to Spark's process, and not by another connection."""
    names = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    return any(str(name).partition(".")[0] == "py4j" for name in names)


def _sql_state(error: PySparkException | Py4JError) -> tuple[str | None, str | None]:
    """SQLSTATE and routine of the server, of the first cause that has them.

    Over Spark Connect there are no causes.
    """
    cause: Any = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    for _ in range(_MOST_CAUSES):
        if cause is None:
            break
        if str(cause.getClass().getName()).endswith(".PSQLException"):
            said = cause.getServerErrorMessage()
            state = cause.getSQLState()
            return (
                str(state) if state else None,
                str(said.getRoutine()) if said is not None and said.getRoutine() else None,
            )
        cause = cause.getCause()
    return None, None


def _text(error: PySparkException | Py4JError) -> str:
    if isinstance(error, Py4JJavaError):
        return str(error.java_exception.toString()) + "\n" + str(error)
    return str(error)


_MEMORY = (
    "Raise `driver_memory` of the Spark runtime's block, or lower `batch_size` in the contract's"
    " source: it counts the rows that are held at a time, however large."
)
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
_VALUES = frozenset(
    {
        "ArithmeticException",
        "NumberFormatException",
        "DateTimeException",
        "SparkArithmeticException",
        "SparkNumberFormatException",
        "SparkDateTimeException",
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
