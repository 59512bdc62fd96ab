"""The address of a database as one types it, and the block that it becomes.

Promise: a password is never in a block file, a message or the answer: it goes to a file of its
owner alone, or stays in the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr, ValidationError

from blocks.source_database import SourceDatabase
from contracts.errors import UsageError

__all__ = ["EXAMPLE", "DatabaseAddress", "database_address"]

EXAMPLE = "postgresql://reader@db.example/shop"

_SCHEMES: Mapping[str, str] = MappingProxyType(
    {
        "postgresql": "postgresql",
        "postgres": "postgresql",
        "mariadb": "mariadb",
        "mysql": "mariadb",
        "sqlite": "sqlite",
    }
)
_PORTS: Mapping[str, int] = MappingProxyType({"postgresql": 5432, "mariadb": 3306})
_OPTIONS: Mapping[str, str] = MappingProxyType(
    {"sslmode": "ssl_mode", "sslrootcert": "ssl_root_certificate"}
)
"""Parameters of an address, as libpq has them, and the fields that they are."""
_WHERE = "strandline init --database"


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """A database, and where its password comes from.

    Attributes:
        fields: Those of its block, without the password.
        name: The block's name.
        password: The password; None: it has none, or the environment has it.
        variable: The environment variable that has the password; empty: none.
    """

    fields: Mapping[str, object]
    name: str
    password: SecretStr | None = field(default=None, repr=False)
    variable: str = ""

    @property
    def dialect(self) -> str:
        """Which database system it is."""
        return str(self.fields["dialect"])

    def block(self) -> SourceDatabase:
        """The block, with the password, to connect now.

        Raises:
            UsageError: The fields are none of such a block.
        """
        secret = self.password
        if self.variable:
            secret = SecretStr(os.environ.get(self.variable, ""))
        given = {} if secret is None else {"password": secret}
        try:
            return SourceDatabase.model_validate({**self.fields, **given})
        except ValidationError as error:
            mistakes = error.errors(include_input=False, include_context=False, include_url=False)
            raise _refusal(found="; ".join(str(each["msg"]) for each in mistakes)) from None

    def with_password(self, password: str) -> DatabaseAddress:
        """The same, with this password."""
        return replace(self, password=SecretStr(password))


def database_address(
    url: str,
    *,
    name: str | None = None,
    password_variable: str | None = None,
    password_file: Path | None = None,
) -> DatabaseAddress:
    """Read `postgresql://USER@HOST:PORT/DATABASE`, `mysql://...`, or `sqlite:FILE`.

    Args:
        url: The address.
        name: The block's name; that of the database by default.
        password_variable: The environment variable that has the password, and will have it.
        password_file: A file that has the password, which is copied.

    Raises:
        UsageError: It is none, or the password is said more than once, or not where it should be.
    """
    scheme, mark, rest = url.partition(":")
    dialect = _SCHEMES.get(scheme.lower())
    if not mark or dialect is None:
        raise _refusal(found=f"the scheme {scheme}" if mark else "none")
    if dialect == "sqlite":
        return _sqlite(rest, name)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refusal(found="a port or a host that is none") from None
    database = unquote(parts.path.removeprefix("/"))
    if not (parts.hostname and database and parts.username):
        raise _refusal(found="no host, no database or no user in it")
    found: dict[str, object] = {
        "dialect": dialect,
        "host": parts.hostname,
        "port": port or _PORTS[dialect],
        "database": database,
        "user": unquote(parts.username),
        **_options(parts.query),
    }
    address = DatabaseAddress(found, _name(name or database))
    return _with_login(address, parts.password, password_variable, password_file)


def _sqlite(rest: str, name: str | None) -> DatabaseAddress:
    file = Path(unquote(rest.removeprefix("//"))).expanduser().absolute()
    if not file.is_file():
        raise _refusal(found=f"no file {file}")
    return DatabaseAddress({"dialect": "sqlite", "database": str(file)}, _name(name or file.stem))


def _options(query: str) -> dict[str, object]:
    given = parse_qs(query)
    unknown = sorted(set(given) - set(_OPTIONS))
    if unknown:
        raise _refusal(found=f"unknown: {', '.join(unknown)}; known are {', '.join(_OPTIONS)}")
    return {_OPTIONS[key]: values[-1] for key, values in given.items()}


def _with_login(
    address: DatabaseAddress, typed: str | None, variable: str | None, file: Path | None
) -> DatabaseAddress:
    if sum(each is not None for each in (typed, variable, file)) > 1:
        raise UsageError(
            where="strandline init",
            expected="one place of the password",
            found="several: the address, --password-env or --password-file",
            next_step="Leave all but one out.",
        )
    if variable is not None:
        if variable not in os.environ:
            raise UsageError(
                where="strandline init --password-env",
                expected=f"the environment variable {variable}",
                found="none",
                next_step=f"export {variable}=..., then again.",
            )
        return replace(address, variable=variable)
    if file is not None:
        try:
            return address.with_password(file.expanduser().read_text(encoding="utf-8").rstrip("\n"))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                where=f"strandline init --password-file {file}",
                expected="a file that can be read",
                found=type(error).__name__,
                next_step="Correct the path.",
            ) from error
    return address if typed is None else address.with_password(unquote(typed))


def _name(name: str) -> str:
    """A block's name: Prefect allows lower case, digits and dashes."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return plain or "source"


def _refusal(found: str) -> UsageError:
    return UsageError(
        where=_WHERE,
        expected="postgresql://USER@HOST/DATABASE, mysql://USER@HOST/DATABASE or sqlite:FILE",
        found=found,
        next_step=f"strandline init --database {EXAMPLE}; another database with a JDBC driver is "
        "described in docs/sources.md",
    )
