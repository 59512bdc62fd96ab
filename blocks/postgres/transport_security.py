"""How a connection to PostgreSQL is encrypted, in the words of libpq and of the JDBC driver.

Promise: off this machine nothing is sent in the clear unless a block says so in a word of its own.
Both drivers, psycopg and the JDBC driver, are told the same.

NIST SP 800-52r2, GDPR Article 32 (1) (a).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

__all__ = ["SYSTEM_AUTHORITIES", "TlsMode", "TransportSecurity", "is_this_machine"]

TlsMode: TypeAlias = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]

SYSTEM_AUTHORITIES = "system"
"""Stands for the certificate authorities that the machine trusts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportSecurity:
    """The encryption of connections to one server. Files are on every machine that connects.

    Attributes:
        mode: As PostgreSQL names it.
        root_certificate: The file with the authorities that may vouch for the server (PEM), or
            `system`.
        certificate: The file with the certificate that this client shows (PEM).
        key: The file with its key (PKCS #8, DER, unencrypted: what both drivers read).
    """

    mode: TlsMode
    root_certificate: str | None = None
    certificate: str | None = None
    key: str | None = None

    @classmethod
    def of(
        cls,
        host: str,
        mode: TlsMode | None,
        root_certificate: str | None = None,
        certificate: str | None = None,
        key: str | None = None,
    ) -> TransportSecurity:
        """The encryption of connections to a host.

        Without a mode it is `verify-full` if authorities are named. If none are, it is `prefer` on
        this machine and `require` elsewhere: encrypted, to a server that nobody vouches for.
        """
        if mode is None and root_certificate is not None:
            mode = "verify-full"
        elif mode is None:
            mode = "prefer" if is_this_machine(host) else "require"
        return cls(mode=mode, root_certificate=root_certificate, certificate=certificate, key=key)

    def libpq(self) -> Mapping[str, str]:
        """The connection parameters for psycopg."""
        return self._told({"sslmode": self.mode, "sslrootcert": _path(self.root_certificate)})

    def jdbc(self) -> Mapping[str, str]:
        """The connection properties for PostgreSQL's JDBC driver."""
        if self.root_certificate == SYSTEM_AUTHORITIES:
            factory = "org.postgresql.ssl.DefaultJavaSSLFactory"
            return self._told({"sslmode": self.mode, "sslfactory": factory})
        return self._told({"sslmode": self.mode, "sslrootcert": _path(self.root_certificate)})

    def _told(self, options: Mapping[str, str | None]) -> Mapping[str, str]:
        files = {"sslcert": _path(self.certificate), "sslkey": _path(self.key)}
        named = {**options, **files}
        return MappingProxyType({name: text for name, text in named.items() if text is not None})


def is_this_machine(host: str) -> bool:
    """Whether a host is a loopback address, `localhost`, or a directory of sockets."""
    if host == "localhost" or host.startswith("/"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _path(file: str | None) -> str | None:
    return file if file in {None, SYSTEM_AUTHORITIES} else str(Path(str(file)).expanduser())
