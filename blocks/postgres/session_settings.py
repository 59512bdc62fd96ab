"""What a session on a PostgreSQL is, whichever driver opened it.

Promise: what a value looks like, which rows are seen and how long an answer may take is said here,
and not by the server, the database, the role or the environment. It is said by statements, because
poolers refuse to pass on what is said while connecting, and for one transaction, because poolers
give the session to somebody else afterwards.

`lc_monetary` is left as it is: it decides how many digits of a stored `money` are cents.
"""

from __future__ import annotations

__all__ = ["APPLICATION", "transaction"]

APPLICATION = "strandline"
"""What sessions call themselves, in `pg_stat_activity` and in the database's log."""

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
    # The statement's own timeout counts the waiting, too.
    "lock_timeout": "0",
    # The transaction waits while others read with its snapshot.
    "idle_in_transaction_session_timeout": "0",
}

# PostgreSQL 17 brought it; older ones refuse the name in SET.
_NO_TRANSACTION_TIMEOUT = (
    "SELECT pg_catalog.set_config('transaction_timeout', '0', true)"
    " WHERE pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL"
)


def transaction(
    *, statement_timeout: int, snapshot: str | None = None, within: bool = False
) -> str:
    """Statements that begin a transaction which reads, and only that, in one state of the database.

    Args:
        statement_timeout: In seconds, how long one statement may take.
        snapshot: The state, as another transaction exported it and still holds it; None takes the
            state of now.
        within: The driver may have begun a transaction already, which has done nothing yet.
    """
    settings = {**_SETTINGS, "statement_timeout": str(statement_timeout * 1000)}
    joined = [] if snapshot is None else [f"SET TRANSACTION SNAPSHOT {_literal(snapshot)}"]
    return "; ".join(
        [
            # Without it, BEGIN would leave a warning in the database's log for each session.
            *(["COMMIT"] if within else []),
            # Not SET TRANSACTION: outside of a transaction it does nothing and says nothing.
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            *joined,
            *(f"SET LOCAL {name} TO {_literal(value)}" for name, value in settings.items()),
            _NO_TRANSACTION_TIMEOUT,
        ]
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
