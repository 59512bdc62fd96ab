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
    DataError,
    EnvironmentUnfitError,
    KeyUnavailableError,
    LakehouseUnavailableError,
    SchemaDriftError,
    SourceUnavailableError,
    SourceValueError,
    StepFailedError,
    StrandlineError,
)
from tasks.run.aws_sdk_errors import sdk_error
from tasks.run.jdbc_driver_errors import driver_error

_CLASS = re.compile(r"\b(?:[a-z_]\w*\.)+([A-Z]\w*(?:Exception|Error))\b")
_NO_SPACE = re.compile(r"No space left on device")
_NO_MEMORY = re.compile(r"OutOfMemoryError|Java heap space|GC overhead limit exceeded")
_NO_KEY = re.compile(r"KeyUnavailableError: .{1,300}; found no key with the mark ([0-9a-f]{8})\.")
_BAD_TOKEN = re.compile(
    r"DataError: .{1,300}: expected (?:a token as it was made for this column|its record as it was"
    r" made);"
)
_SQL_STATE = re.compile(r"SQLSTATE:? ?([0-9A-Z]{5})|SQL state \[?([0-9A-Z]{5})")
_CONNECTING = "08"
_MAX_CAUSES = 20

_UNPUBLISHED = "Nothing was published."
_MAYBE_PUBLISHED = "What was published stands, and the next run makes up for the rest."


@contextmanager
def map_spark_errors(contract: str, step: str, *, publishes: bool = False) -> Iterator[None]:
    """Turn what Spark raises inside into an error of `contracts.errors`.

    The original is not chained: its text would be printed with the traceback.

    Args:
        contract: Where it happened.
        step: In which step.
        publishes: The step comes after or with publishing, so that something may be published.
    """
    where, state = f"{contract}, step {step}", _MAYBE_PUBLISHED if publishes else _UNPUBLISHED
    try:
        yield
    except StrandlineError:
        raise
    except Py4JNetworkError:
        raise _ended(where, state) from None
    except (PySparkException, Py4JError) as error:
        raise _mapped(error, where, state) from None
    except (ConnectionError, EOFError) as error:
        if not _of_py4j(error):
            raise
        raise _ended(where, state) from None


def _mapped(error: PySparkException | Py4JError, where: str, state: str) -> StrandlineError:
    """The error for it; Spark's process, which is queried for details, may have ended by now."""
    try:
        return _meaning(error, where=where, state=state)
    except (Py4JNetworkError, ConnectionError, EOFError):
        return _ended(where, state)


def _meaning(error: PySparkException | Py4JError, *, where: str, state: str) -> StrandlineError:
    text = _text(error)
    classes = list(dict.fromkeys(_CLASS.findall(text)))
    names = ", ".join(classes[:4]) or type(error).__name__
    return (
        _token_error(error, text, where, state)
        or _machine_error(text, where, state)
        or sdk_error(_causes(error), text, where=where, state=state)
        or _lakehouse_error(classes, names, where, state)
        or _source_error(error, classes, text, where)
        or _step_error(error, classes, names, where, state)
    )


def _token_error(
    error: PySparkException | Py4JError, text: str, where: str, state: str
) -> StrandlineError | None:
    """A token that does not open, as the worker that was to open it says."""
    texts = (text, *(str(cause.getMessage()) for cause in _causes(error)))
    if any(map(_BAD_TOKEN.search, texts)):
        return DataError(
            where=where,
            expected="tokens, and keys of persons, as they were made for their table and column",
            found="one that was changed, or moved there from elsewhere",
            next_step=f"Compare the table with an earlier snapshot of it. {state}",
        )
    found = next(filter(None, map(_NO_KEY.search, texts)), None)
    if found is None:
        return None
    return KeyUnavailableError(
        where=where,
        expected="the data keys that made the stored tokens",
        found=f"no key with the mark {found[1]}",
        next_step=f"Restore the copy of the key ring that has it, and run again. {state}",
    )


def _machine_error(text: str, where: str, state: str) -> StrandlineError | None:
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


def _lakehouse_error(
    classes: list[str], names: str, where: str, state: str
) -> StrandlineError | None:
    if not any(each in _LAKEHOUSE for each in classes):
        return None
    return LakehouseUnavailableError(
        where=where,
        expected="the catalog and the storage to answer",
        found=names,
        next_step=f"Check the lakehouse block, then run again. {state}",
    )


def _source_error(
    error: PySparkException | Py4JError, classes: list[str], text: str, where: str
) -> StrandlineError | None:
    """What the source's driver raised, by its exception's SQLSTATE or, without one, its text."""
    other = driver_error(_causes(error))
    if other is not None:
        return other.error(where)
    if not {"PSQLException", "SQLTimeoutException"} & {*classes}:
        return None
    code, routine = _sql_state(error)
    match = _SQL_STATE.search(text)
    if code is None and match is not None:
        code = next(group for group in match.groups() if group)
    if code is None:
        return SourceUnavailableError(
            where=where,
            expected="the source database to answer the contract's query",
            found=", ".join(classes[:4]),
            next_step="Check the source database block and the database's log, then run again.",
        )
    certificate = meaning_of_certificate(text) if code.startswith(_CONNECTING) else None
    if certificate is not None:
        return certificate.error(where)
    return meaning_of_state(code, routine).error(where, f"SQLSTATE {code}")


def _step_error(
    error: PySparkException | Py4JError, classes: list[str], names: str, where: str, state: str
) -> StrandlineError:
    condition = error.getCondition() if isinstance(error, PySparkException) else None
    if condition in _DRIFT:
        return SchemaDriftError(
            where=where,
            expected="tables with the columns that the contract names",
            found=str(condition),
            next_step="Compare the contract with the source and the target.",
        )
    if type(error).__name__ in _VALUES or any(each in _VALUES for each in classes):
        return SourceValueError(
            where=where,
            expected="values that Spark can compute with",
            found=f"one that is no number, or beyond its type ({condition or names})",
            next_step=f"Look for it in the source; a column read as a string takes any. {state}",
        )
    return StepFailedError(
        where=where,
        expected="Spark to finish the step",
        found=str(condition or names),
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
    """Whether the bridge to Spark's process raised it, and not another connection."""
    names = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    return any(str(name).partition(".")[0] == "py4j" for name in names)


def _sql_state(error: PySparkException | Py4JError) -> tuple[str | None, str | None]:
    """SQLSTATE and routine of the server, of the first cause that has them."""
    for cause in _causes(error):
        if str(cause.getClass().getName()).endswith(".PSQLException"):
            message = cause.getServerErrorMessage()
            state = cause.getSQLState()
            return (
                str(state) if state else None,
                str(message.getRoutine()) if message is not None and message.getRoutine() else None,
            )
    return None, None


def _causes(error: PySparkException | Py4JError) -> Iterator[Any]:
    """The JVM's exception and its causes; over Spark Connect there are none."""
    cause: Any = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    for _ in range(_MAX_CAUSES):
        if cause is None:
            return
        yield cause
        cause = cause.getCause()


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
