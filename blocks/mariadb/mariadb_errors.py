"""What an error of MariaDB or MySQL means: one of our own errors, by its number.

Promise: nothing of its text is shown, which may quote a row, a statement or the user.

MariaDB Server, "MariaDB Error Code Reference"; MySQL 8.4, "Server Error Message Reference" and
"Client Error Message Reference".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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

__all__ = ["NO_KEY_STORE", "TIMED_OUT", "meaning_of_number"]

TIMED_OUT = frozenset({1969, 3024})
"""The statement took longer than it may."""

_MISSING = "Compare the contract with the source's tables; `schema` is the database there."
_DAMAGE = "Tell the database's administrator: CHECK TABLE says more. Nothing was published."
_LOGIN = access(
    "the user or the password refused, or no right to log in from here or without a certificate"
)
_NO_DATABASE = access("no such database, or none that this user may see")
_NO_ANSWER = unavailable("a connection that broke or did not come about")
_ENDED = unavailable("a statement or session that an administrator or a shutdown ended", LOG)
_FULL = unavailable("no resources left: connections, memory or disk space", LOG)
_NO_RIGHT = Meaning(
    SourceAccessError,
    "permission to read what the contract names",
    "none",
    "Grant the block's user SELECT on the contract's tables.",
)
_SLOW = unavailable(
    "no answer within the timeout",
    "See what holds the database up, or raise `statement_timeout_seconds` of the source's block;"
    " then run again.",
)
_TLS = settings(
    "a server that encrypts the connection as the block says",
    "none, or one whose certificate no known authority signed for this host name",
    "Set `ssl_mode` and `ssl_root_certificate` of the block as the server has it.",
)
NO_KEY_STORE = settings(
    "a PKCS #12 file with a certificate and its key, and its password",
    "none that can be read so",
    "Correct `ssl_key_store` and `ssl_key_store_password` of the block.",
)
_VALUE = value(
    "a value that does not fit its type or its expression",
    "Look at the views and generated columns behind the contract's table. Nothing was published.",
)
_DAMAGED = value("a damaged table or index", _DAMAGE)
_NUMBERS: Mapping[int, Meaning] = MappingProxyType(
    {
        **dict.fromkeys((1045, 1130, 1251, 1698, 1862, 1870, 2059, 3118, 4151), _LOGIN),
        **dict.fromkeys((1044, 1049), _NO_DATABASE),
        **dict.fromkeys((1142, 1143, 1227, 1370), _NO_RIGHT),
        1146: drift("a table is missing", _MISSING),
        1054: drift("a column is missing", _MISSING),
        1356: drift("a view that refers to what is missing, or that may not be read", _MISSING),
        **dict.fromkeys((1205, 3572), conflict("a lock that others hold")),
        1213: conflict("a deadlock"),
        **dict.fromkeys(
            (1042, 1043, 1047, 1158, 1159, 1160, 1161, 2002, 2003, 2005, 2006, 2012, 2013, 2055),
            _NO_ANSWER,
        ),
        **dict.fromkeys((1053, 1077, 1317, 1927), _ENDED),
        **dict.fromkeys((1021, 1037, 1038, 1040, 1041, 1114, 1135, 1203, 1226), _FULL),
        **dict.fromkeys(TIMED_OUT, _SLOW),
        **dict.fromkeys((2026, 3159), _TLS),
        **dict.fromkeys((1264, 1292, 1365, 1366, 1690, 3156), _VALUE),
        1153: value(
            "a row larger than `max_allowed_packet`",
            "Raise it on the server, or name a view without the large column.",
        ),
        **dict.fromkeys((1034, 1035, 1194, 1195, 1712), _DAMAGED),
        **dict.fromkeys((1290, 1792), statement("one that writes, in a session that only reads")),
    }
)


def meaning_of_number(number: int) -> Meaning:
    """What an error's number means; an unknown one means that the statement is wrong."""
    return _NUMBERS.get(number, statement("one that it refuses"))
