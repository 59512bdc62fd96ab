"""The settings of a session on a PostgreSQL, whichever driver opened it.

Promise: the format of values, the visible rows and the time an answer may take are set here, and
not by the server, the database, the role or the environment. Statements set them, because poolers
refuse to pass on settings made while connecting, and for one transaction, because poolers give the
session to another client afterwards.

`lc_monetary` stays as it is: it decides how many digits of a stored `money` are cents.
"""

from __future__ import annotations

__all__ = ["APPLICATION", "transaction"]

APPLICATION = "strandline"
"""The application name of sessions, in `pg_stat_activity` and in the database's log.

The sessions that read one snapshot side by side have it with an id of that read after a space.
"""

_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "search_path": "",
    # Rather an error than a table that looks empty.
    "row_security": "off",
    "default_transaction_read_only": "on",
    # The statement timeout counts the waiting, too.
    "lock_timeout": "0",
    # The transaction waits while others read with its snapshot.
    "idle_in_transaction_session_timeout": "0",
}

# New in PostgreSQL 17; older versions refuse the name in SET.
_NO_TRANSACTION_TIMEOUT = (
    "SELECT pg_catalog.set_config('transaction_timeout', '0', true)"
    " WHERE pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL"
)

# Since PostgreSQL 14 a session may look whether its client is still there, where the server's
# system can tell. Else the query of a process that was killed runs to its end.
_END_WITH_THE_CLIENT = (
    "SELECT pg_catalog.set_config('client_connection_check_interval', '5s', true)"
    " WHERE pg_catalog.current_setting('client_connection_check_interval', true) IS NOT NULL"
    " AND pg_catalog.version() ~ '(linux|bsd)'"
)


def transaction(
    *, statement_timeout: int, snapshot: str | None = None, within: bool = False
) -> str:
    """Statements that begin a read-only transaction on one snapshot of the database.

    Args:
        statement_timeout: In seconds, how long one statement may take.
        snapshot: The snapshot that another transaction exported and still holds; None takes the
            current state.
        within: The driver may have begun a transaction already, which has done nothing yet.
    """
    settings = {**_SETTINGS, "statement_timeout": str(statement_timeout * 1000)}
    joined = [] if snapshot is None else [f"SET TRANSACTION SNAPSHOT {_literal(snapshot)}"]
    return "; ".join(
        [
            # Without it, BEGIN would write a warning to the database's log for each session.
            *(["COMMIT"] if within else []),
            # Not SET TRANSACTION: outside of a transaction it silently does nothing.
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            *joined,
            *(f"SET LOCAL {name} TO {_literal(value)}" for name, value in settings.items()),
            _NO_TRANSACTION_TIMEOUT,
            _END_WITH_THE_CLIENT,
        ]
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
