"""What the errors of a PostgreSQL mean, whichever driver raises them.

Promise: of a message only its SQLSTATE and the routine that raised it are used: its text may
quote a row, a statement or the user, and is in the server's language. Only what may pass by itself
becomes a retryable error.
"""

from __future__ import annotations

from blocks.source_dialects.error_meanings import (
    LOG,
    Meaning,
    access,
    conflict,
    drift,
    settings,
    statement,
    unavailable,
    value,
)
from contracts.errors import SourceAccessError

__all__ = ["Meaning", "meaning_of_certificate", "meaning_of_message", "meaning_of_state"]


def meaning_of_state(state: str, routine: str | None = None) -> Meaning:
    """What a SQLSTATE means.

    Args:
        state: Five letters and digits; an unknown one means that the statement is wrong.
        routine: The function of the server that raised it, where the driver reports it.
    """
    by_routine = _ROUTINES.get((state, routine or ""))
    return by_routine or _STATES.get(state) or _STATES.get(state[:2]) or _STATEMENT


def meaning_of_message(message: str) -> Meaning:
    """What a failure to connect means, for which libpq reports no SQLSTATE."""
    for sign, meaning in _MESSAGES:
        if sign in message:
            return meaning
    return access("refused")


def meaning_of_certificate(message: str) -> Meaning | None:
    """What a failure to verify the server's certificate means; None for any other failure."""
    return next((meaning for sign, meaning in _CERTIFICATES if sign in message), None)


_STATEMENT = statement("one that it refuses")

_MISSING = (
    "Compare the contract with the source's tables. Sessions search no schema: a function behind"
    " a view has to name those of its tables."
)
_VALUE = (
    "Look at the views, functions and expressions behind the contract's table: one of them fails"
    " on a row. Nothing was published."
)
_DAMAGE = "Tell the database's administrator, who finds more in its log. Nothing was published."

_STATES = {
    "08": unavailable("a connection that broke or did not come about"),
    "0A": statement("something that this database does not support"),
    "21": value("more than one row where the source's own statement wants one", _VALUE),
    "22": value("a value that does not fit its type or its expression", _VALUE),
    "23": value("a constraint that a function of the source violates", _VALUE),
    "25006": statement("one that writes, in a session that only reads"),
    "25P03": unavailable("a session that was ended for being idle"),
    "25P04": unavailable("a transaction that was ended for taking long"),
    "28": access("the user or the password refused"),
    "38": value("an exception that a function of the source raised", _VALUE),
    "39": value("a function of the source that broke its rules", _VALUE),
    "3D000": access("no such database"),
    "3F000": drift("a schema is missing", _MISSING),
    "40001": conflict("a conflict with another transaction or with recovery"),
    "40P01": conflict("a deadlock"),
    "42501": Meaning(
        SourceAccessError,
        "permission to read what the contract names",
        "none",
        "Grant the block's user USAGE on the schema and SELECT on the contract's tables.",
    ),
    "42703": drift("a column is missing", _MISSING),
    "42P01": drift("a table is missing", _MISSING),
    "53": unavailable("no resources left: connections, memory or disk space", LOG),
    "54": statement("one beyond the database's limits"),
    "55000": drift(
        "something that is not ready to be read, as a materialized view without data",
        "Have it made ready (REFRESH MATERIALIZED VIEW), then run again.",
    ),
    "55P03": conflict("a lock that others hold"),
    "57014": unavailable(
        "no answer within the timeout, or an administrator who ended the statement",
        "See what holds the database up, or raise `statement_timeout_seconds` of the source's"
        " block; then run again.",
    ),
    "57P01": unavailable("a server that is being shut down"),
    "57P02": unavailable("a server that crashed"),
    "57P03": unavailable("a server that does not accept connections yet"),
    "57P04": access("no such database any more"),
    "57P05": unavailable("a session that was ended for being idle"),
    "58": unavailable("a failure of the system under the database", LOG),
    "58P01": value("a file of the database missing", _DAMAGE),
    "72000": unavailable("a snapshot that the database gave up"),
    "HV": unavailable("another database, behind a foreign table, that failed", LOG),
    "P0": value("an exception that a function of the source raised", _VALUE),
    "XX": unavailable("an internal error of the database", LOG),
    "XX001": value("damaged data", _DAMAGE),
    "XX002": value("a damaged index", _DAMAGE),
}
"""By SQLSTATE or, for the rest of a class, by its first two letters."""

_SNAPSHOT_LOST = unavailable(
    "a snapshot that is gone, because the session that held it broke off", LOG
)
_ROUTINES = {
    ("42501", "check_enable_rls"): Meaning(
        SourceAccessError,
        "a user who sees every row",
        "row-level security that would hide rows from it",
        "Give the user of the source's block BYPASSRLS, or take the table's policies off it; or"
        " name a view in the contract whose owner sees the rows that are meant."
        " Nothing was read and nothing was closed.",
    ),
    ("22023", "ImportSnapshot"): _SNAPSHOT_LOST,
    ("42704", "ImportSnapshot"): _SNAPSHOT_LOST,
}
"""Where a SQLSTATE alone is ambiguous."""

_TLS = "a server whose certificate a known authority signed"
_OTHER_NAME = settings(
    _TLS,
    "a certificate for another host name",
    "Set `host` of the block to the name in the server's certificate.",
)
_UNSIGNED = settings(
    _TLS,
    "one that no known authority signed",
    "Set `ssl_root_certificate` of the block to the certificate of the authority"
    " that signed the server's.",
)
_NO_CERTIFICATE = settings(
    "the certificate of a client that the server knows",
    "none; the server asks for one",
    "Set `ssl_certificate` and `ssl_key` of the block.",
)
_UNREADABLE_KEY = settings(
    "the client's certificate (PEM) and its key (PKCS #8, DER), which only its owner may read",
    "a file that can't be read as one, or that others may read too",
    "openssl pkcs8 -topk8 -nocrypt -in KEY.pem -outform DER -out KEY.pk8 && chmod 600 KEY.pk8",
)

_CERTIFICATES = (
    (
        "root certificate",
        settings(
            _TLS,
            "no certificate authority that is known: none is set, or its file can't be read",
            "Set `ssl_root_certificate` of the block to the file with the authority's"
            " certificate, or to `system`.",
        ),
    ),
    ("does not match host name", _OTHER_NAME),
    ("certificate verify failed", _UNSIGNED),
    # By an authority of the same name that has another key.
    ("signature failure", _UNSIGNED),
    (
        "does not support SSL",
        settings(
            "a server that encrypts the connection",
            "one that offers no TLS",
            "Let the server offer TLS. To send the password and the rows in the clear all the"
            " same, say so: `ssl_mode: disable` in the block.",
        ),
    ),
    *((f"certificate{sign}required", _NO_CERTIFICATE) for sign in " _"),
    *(
        (sign, _UNREADABLE_KEY)
        for sign in ("private key file", "SSL key file", "SSL certificate file", "certificate file")
    ),
    ("could not be verified by hostnameverifier", _OTHER_NAME),
    ("PKIX path", _UNSIGNED),
)
"""Of libpq, of the JDBC driver and of Java."""

_MESSAGES = (
    *(
        (sign, unavailable(sign))
        for sign in (
            "Connection refused",
            "timeout expired",
            "could not translate host name",
            "failed to resolve host",
            "could not connect",
            "closed the connection",
            "closed unexpectedly",
            "connection is lost",
            "SSL SYSCALL",
            "Connection reset",
            "Network is unreachable",
            "No route to host",
            "starting up",
            "shutting down",
            "in recovery",
            "not accepting connections",
            "not yet accepting connections",
            "too many clients",
            "too many connections",
            "remaining connection slots",
            "query_wait_timeout",
            "server_login_retry",
            "client_login_timeout",
        )
    ),
    *_CERTIFICATES,
    (
        "unsupported startup parameter",
        settings(
            "a pooler that lets the session be set",
            "one that refuses a setting while connecting",
            "Have it ignore the setting (`ignore_startup_parameters` of PgBouncer).",
        ),
    ),
    ("password authentication", access("the password or the user refused")),
    ("no password supplied", access("no password in the block")),
    ("pg_hba.conf", access("no rule that lets this user in from here")),
    ("permission denied for database", access("no permission to connect to this database")),
    ("role ", access("no such user, or one that may not log in")),
    ("no such user", access("no such user, or one that may not log in")),
    ("no such database", access("no such database")),
    ("does not exist", access("no such database")),
    ("SSL", access("another ssl_mode required")),
)
"""Of libpq, whose messages are English, of PgBouncer, and of a server with English messages."""
