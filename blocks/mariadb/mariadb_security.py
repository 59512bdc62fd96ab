"""How a connection to MariaDB or MySQL is encrypted, in the words of blocks and of both drivers.

Promise: off this machine nothing is sent in the clear unless a block says so. Both drivers are told
the same; neither falls back to an unencrypted connection.

NIST SP 800-52r2, GDPR Article 32 (1) (a).
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from blocks.postgres.transport_security import SYSTEM_AUTHORITIES, TlsMode, is_this_machine

__all__ = ["MARIADB_TLS_MODES", "MariadbSecurity"]

_Mode: TypeAlias = Literal["disable", "require", "verify-ca", "verify-full"]

MARIADB_TLS_MODES: tuple[_Mode, ...] = ("disable", "require", "verify-ca", "verify-full")
"""Modes of a block that this dialect has: no driver of it tries one and takes the other."""

_JDBC = {"disable": "disable", "require": "trust", "verify-ca": "verify-ca"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MariadbSecurity:
    """The encryption of connections to one server.

    Attributes:
        mode: As `MARIADB_TLS_MODES`.
        root_certificate: The file with the authorities that may vouch for the server (PEM), or
            `system`.
    """

    mode: TlsMode
    root_certificate: str | None = None

    @classmethod
    def of(
        cls, host: str, mode: TlsMode | None, root_certificate: str | None = None
    ) -> MariadbSecurity:
        """The encryption of connections to a host.

        Without a mode it is `verify-full` if authorities are named; if none are, it is `disable`
        on this machine and `require` elsewhere: encrypted, to a server that nobody vouches for.
        """
        if mode is None and root_certificate is not None:
            mode = "verify-full"
        elif mode is None:
            mode = "disable" if is_this_machine(host) else "require"
        return cls(mode=mode, root_certificate=root_certificate)

    def context(self) -> ssl.SSLContext | None:
        """For PyMySQL; None: unencrypted.

        Raises:
            OSError: The file with the authorities can't be read.
        """
        if self.mode == "disable":
            return None
        context = ssl.create_default_context(cafile=self._authorities)
        context.check_hostname = self.mode == "verify-full"
        if self.mode == "require":
            context.verify_mode = ssl.CERT_NONE
        return context

    def jdbc(self) -> dict[str, str]:
        """For MariaDB Connector/J."""
        options = {"sslMode": _JDBC.get(self.mode, "verify-full")}
        if self._authorities is not None:
            options["serverSslCert"] = self._authorities
        return options

    @property
    def _authorities(self) -> str | None:
        if self.root_certificate in {None, SYSTEM_AUTHORITIES}:
            return None
        return str(Path(str(self.root_certificate)).expanduser())
