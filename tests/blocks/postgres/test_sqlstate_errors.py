"""Every refusal of a PostgreSQL is the error that says what to do about it."""

from __future__ import annotations

import psycopg
import pytest

from blocks.postgres.connection import PostgresqlSource
from blocks.postgres.sqlstate_errors import meaning_of_message, meaning_of_state
from blocks.postgres.transport_security import TransportSecurity
from contracts.errors import (
    RetryableError,
    SchemaDriftError,
    SettingsError,
    SourceAccessError,
    SourceConflictError,
    SourceUnavailableError,
    SourceValueError,
)

SOURCE = PostgresqlSource(
    host="db.internal",
    port=5432,
    database="shop",
    user="canary",
    password="canary",  # noqa: S106
    security=TransportSecurity(mode="prefer"),
    connect_timeout=3,
    statement_timeout=7,
)

STATES = [
    ("08000", SourceUnavailableError, "connection"),
    ("08001", SourceUnavailableError, "connection"),
    ("08003", SourceUnavailableError, "connection"),
    ("08004", SourceUnavailableError, "connection"),
    ("08006", SourceUnavailableError, "connection"),
    ("08007", SourceUnavailableError, "connection"),
    ("08P01", SourceUnavailableError, "connection"),
    ("0A000", SettingsError, "does not support"),
    ("21000", SourceValueError, "more than one row"),
    ("22000", SourceValueError, "value"),
    ("22003", SourceValueError, "value"),
    ("22007", SourceValueError, "value"),
    ("22008", SourceValueError, "value"),
    ("22012", SourceValueError, "value"),
    ("22021", SourceValueError, "value"),
    ("22023", SourceValueError, "value"),
    ("2202E", SourceValueError, "value"),
    ("22P02", SourceValueError, "value"),
    ("22P05", SourceValueError, "value"),
    ("23505", SourceValueError, "constraint"),
    ("23514", SourceValueError, "constraint"),
    ("25006", SettingsError, "writes"),
    ("25P03", SourceUnavailableError, "idle"),
    ("25P04", SourceUnavailableError, "long"),
    ("28000", SourceAccessError, "refused"),
    ("28P01", SourceAccessError, "refused"),
    ("38000", SourceValueError, "exception"),
    ("39004", SourceValueError, "rules"),
    ("3D000", SourceAccessError, "no such database"),
    ("3F000", SchemaDriftError, "schema"),
    ("40001", SourceConflictError, "conflict"),
    ("40P01", SourceConflictError, "deadlock"),
    ("42501", SourceAccessError, "none"),
    ("42601", SettingsError, "refuses"),
    ("42703", SchemaDriftError, "column"),
    ("42704", SettingsError, "refuses"),
    ("42804", SettingsError, "refuses"),
    ("42883", SettingsError, "refuses"),
    ("42P01", SchemaDriftError, "table"),
    ("53000", SourceUnavailableError, "resources"),
    ("53100", SourceUnavailableError, "resources"),
    ("53200", SourceUnavailableError, "resources"),
    ("53300", SourceUnavailableError, "resources"),
    ("54001", SettingsError, "limits"),
    ("55000", SchemaDriftError, "materialized view"),
    ("55P03", SourceConflictError, "lock"),
    ("57014", SourceUnavailableError, "timeout"),
    ("57P01", SourceUnavailableError, "shut down"),
    ("57P02", SourceUnavailableError, "crashed"),
    ("57P03", SourceUnavailableError, "yet"),
    ("57P04", SourceAccessError, "no such database"),
    ("57P05", SourceUnavailableError, "idle"),
    ("58000", SourceUnavailableError, "system"),
    ("58030", SourceUnavailableError, "system"),
    ("58P01", SourceValueError, "file"),
    ("72000", SourceUnavailableError, "snapshot"),
    ("HV00N", SourceUnavailableError, "foreign table"),
    ("P0001", SourceValueError, "exception"),
    ("XX000", SourceUnavailableError, "internal error"),
    ("XX001", SourceValueError, "damaged"),
    ("XX002", SourceValueError, "damaged"),
    ("ZZ999", SettingsError, "refuses"),
]


@pytest.mark.parametrize(("state", "kind", "found"), STATES, ids=[case[0] for case in STATES])
def test_a_sqlstate_is_an_error_of_its_kind(state, kind, found):
    error = meaning_of_state(state).error("shop", f"SQLSTATE {state}")

    assert type(error) is kind
    assert found in error.found
    assert state in error.found


@pytest.mark.parametrize(
    ("state", "routine", "kind", "told"),
    [
        ("42501", "check_enable_rls", SourceAccessError, "BYPASSRLS"),
        ("42704", "ImportSnapshot", SourceUnavailableError, "snapshot"),
        ("22023", "ImportSnapshot", SourceUnavailableError, "snapshot"),
        ("42501", "aclcheck_error", SourceAccessError, "SELECT"),
        ("22012", "int4div", SourceValueError, "expression"),
    ],
)
def test_the_routine_tells_apart_what_one_sqlstate_means(state, routine, kind, told):
    error = meaning_of_state(state, routine).error("shop")

    assert type(error) is kind
    assert told in str(error)


PREFIX = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '
MESSAGES = [
    (PREFIX + "Connection refused\n\tIs the server running?", SourceUnavailableError, "refused"),
    ("connection timeout expired", SourceUnavailableError, "timeout"),
    ("failed to resolve host 'x': [Errno -2]", SourceUnavailableError, "resolve"),
    (PREFIX + "No route to host", SourceUnavailableError, "route"),
    (PREFIX + "Network is unreachable", SourceUnavailableError, "unreachable"),
    (PREFIX + "server closed the connection unexpectedly", SourceUnavailableError, "closed"),
    (PREFIX + "FATAL:  the database system is starting up", SourceUnavailableError, "starting"),
    (PREFIX + "FATAL:  the database system is shutting down", SourceUnavailableError, "shutting"),
    (PREFIX + "FATAL:  sorry, too many clients already", SourceUnavailableError, "too many"),
    (PREFIX + 'FATAL:  too many connections for role "x"', SourceUnavailableError, "too many"),
    (
        PREFIX + "FATAL:  remaining connection slots are reserved",
        SourceUnavailableError,
        "slots",
    ),
    (PREFIX + "FATAL:  query_wait_timeout", SourceUnavailableError, "query_wait_timeout"),
    (
        PREFIX + 'root certificate file "/home/reader/.postgresql/root.crt" does not exist\nEither',
        SettingsError,
        "no certificate authority",
    ),
    (
        PREFIX + 'could not read root certificate file "x": no certificate or crl found',
        SettingsError,
        "no certificate authority",
    ),
    (PREFIX + 'server certificate for "a" does not match host name "b"', SettingsError, "host"),
    (PREFIX + "SSL error: certificate verify failed", SettingsError, "signed"),
    (PREFIX + "SSL error: provider signature failure", SettingsError, "signed"),
    (
        PREFIX + "FATAL:  unsupported startup parameter: extra_float_digits",
        SettingsError,
        "setting",
    ),
    (PREFIX + 'FATAL:  password authentication failed for user "role "', SourceAccessError, "pass"),
    (PREFIX + "fe_sendauth: no password supplied", SourceAccessError, "no password"),
    (PREFIX + 'FATAL:  role "x" does not exist', SourceAccessError, "no such user"),
    (PREFIX + 'FATAL:  role "x" is not permitted to log in', SourceAccessError, "log in"),
    (PREFIX + 'FATAL:  database "x" does not exist', SourceAccessError, "no such database"),
    (PREFIX + "FATAL:  no such database: x", SourceAccessError, "no such database"),
    (
        PREFIX + 'FATAL:  no pg_hba.conf entry for host "x", user "y", no encryption',
        SourceAccessError,
        "no rule",
    ),
    (
        PREFIX + 'FATAL:  permission denied for database "x"\nDETAIL:  User does not have CONNECT',
        SourceAccessError,
        "permission",
    ),
    (
        PREFIX + "server does not support SSL, but SSL was required",
        SettingsError,
        "offers no TLS",
    ),
    (PREFIX + "SCHWERWIEGEND:  etwas anderes", SourceAccessError, "refused"),
]


@pytest.mark.parametrize(("message", "kind", "found"), MESSAGES)
def test_a_failure_to_connect_is_an_error_of_its_kind(message, kind, found):
    error = meaning_of_message(message).error("shop")

    assert type(error) is kind
    assert found in error.found


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (psycopg.OperationalError("consuming input failed: canary"), SourceUnavailableError),
        (psycopg.InterfaceError("the connection is closed"), SourceUnavailableError),
        (psycopg.DataError("timestamp too large (after year 10K): 'canary'"), SourceValueError),
        (NotImplementedError("can't parse timestamptz with DateStyle canary"), SourceValueError),
        (UnicodeDecodeError("utf-8", b"canary", 0, 1, "canary"), SourceValueError),
        (OverflowError("canary"), SourceValueError),
        (psycopg.ProgrammingError("canary"), SettingsError),
    ],
)
def test_what_the_driver_raises_by_itself_is_an_error_of_its_kind(raised, kind):
    error = SOURCE.refusal(raised)

    assert type(error) is kind
    assert "canary" not in str(error)


def test_a_timeout_says_how_long_it_was():
    assert "7 s" in str(SOURCE.refusal(psycopg.errors.QueryCanceled()))


def test_only_what_may_pass_by_itself_is_tried_again():
    kinds = {type(meaning_of_state(state).error("shop")) for state, _, _ in STATES}

    assert {kind for kind in kinds if issubclass(kind, RetryableError)} == {
        SourceUnavailableError,
        SourceConflictError,
    }
