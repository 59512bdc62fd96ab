"""The settings of a session on a MariaDB or MySQL, whichever driver opened it.

Promise: the zone of times, the meaning of quotes and the time a statement may take are set here,
and not by the server. A session only reads.
"""

from __future__ import annotations

__all__ = ["READ_ONLY", "session_variables", "statement_limit"]

READ_ONLY = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
"""One state for each statement, and none that writes. Read-only transactions are told as such."""


def session_variables(*, is_mariadb: bool, statement_timeout: int) -> dict[str, str]:
    """Variables of a session, by name, as SQL.

    Args:
        is_mariadb: Else it is a MySQL, which names one of them otherwise.
        statement_timeout: In seconds, how long one statement may take.
    """
    return {
        # Of TIMESTAMP columns, and of NOW(); a DATETIME has no zone.
        "time_zone": "'+00:00'",
        # Names in double quotes, as Spark writes them; and CHAR without the blanks of its length.
        "sql_mode": "'ANSI_QUOTES'",
        **statement_limit(is_mariadb=is_mariadb, seconds=statement_timeout),
    }


def statement_limit(*, is_mariadb: bool, seconds: int) -> dict[str, str]:
    """The variable that says how long one statement may take, and its value as SQL."""
    if is_mariadb:
        return {"max_statement_time": str(seconds)}
    return {"max_execution_time": str(seconds * 1000)}
