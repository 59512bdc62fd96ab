"""How a connection to MariaDB or MySQL is encrypted, in the words of blocks and of both drivers.

Promise: off this machine nothing is sent in the clear unless a block says so. Both drivers are told
the same; neither falls back to an unencrypted connection.

NIST SP 800-52r2, GDPR Article 32 (1) (a).
"""

from __future__ import annotations

import secrets
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from blocks.postgres.transport_security import SYSTEM_AUTHORITIES, TlsMode, is_this_machine

__all__ = ["MARIADB_TLS_MODES", "KeyStoreError", "MariadbSecurity"]

_Mode: TypeAlias = Literal["disable", "require", "verify-ca", "verify-full"]

MARIADB_TLS_MODES: tuple[_Mode, ...] = ("disable", "require", "verify-ca", "verify-full")
"""Modes of a block that this dialect has: no driver of it tries one and takes the other."""

_JDBC = {"disable": "disable", "require": "trust", "verify-ca": "verify-ca"}


class KeyStoreError(Exception):
    """The key store can't be read, or not with its password, or has no certificate with its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MariadbSecurity:
    """The encryption of connections to one server.

    Attributes:
        mode: As `MARIADB_TLS_MODES`.
        root_certificate: The file with the authorities that may vouch for the server (PEM), or
            `system`.
        key_store: The file with the certificate that this client shows, and its key (PKCS #12: of
            the files that Connector/J reads a key from, the one that is not Java's own).
        key_store_password: Its password.
    """

    mode: TlsMode
    root_certificate: str | None = None
    key_store: str | None = None
    key_store_password: str = field(default="", repr=False)

    @classmethod
    def of(
        cls,
        host: str,
        mode: TlsMode | None,
        root_certificate: str | None = None,
        key_store: str | None = None,
        key_store_password: str = "",
    ) -> MariadbSecurity:
        """The encryption of connections to a host.

        Without a mode it is `verify-full` if authorities are named. If none are, it is `disable`
        on this machine, where no certificate is to be shown, and else `require`: encrypted, to a
        server that nobody vouches for.
        """
        if mode is None and root_certificate is not None:
            mode = "verify-full"
        elif mode is None:
            open_here = is_this_machine(host) and key_store is None
            mode = "disable" if open_here else "require"
        return cls(
            mode=mode,
            root_certificate=root_certificate,
            key_store=key_store,
            key_store_password=key_store_password,
        )

    def context(self, most: ssl.TLSVersion | None = None) -> ssl.SSLContext | None:
        """For PyMySQL; None: unencrypted.

        Args:
            most: The newest version that may be spoken; without, the newest that both sides know.

        Raises:
            OSError: The file with the authorities can't be read.
            KeyStoreError: That with the certificate to show can't be.
        """
        if self.mode == "disable":
            return None
        context = ssl.create_default_context(cafile=self._authorities)
        if most is not None:
            context.maximum_version = most
        context.check_hostname = self.mode == "verify-full"
        if self.mode == "require":
            context.verify_mode = ssl.CERT_NONE
        if self.key_store is not None:
            _show(context, Path(self.key_store).expanduser(), self.key_store_password)
        return context

    def jdbc(self) -> dict[str, str]:
        """For MariaDB Connector/J."""
        options = {"sslMode": _JDBC.get(self.mode, "verify-full")}
        if self._authorities is not None:
            options["serverSslCert"] = self._authorities
        if self.key_store is not None:
            options["keyStore"] = str(Path(self.key_store).expanduser())
            options["keyStoreType"] = "PKCS12"
        return options

    def jdbc_secrets(self) -> dict[str, str]:
        """What a url must not show."""
        return {} if self.key_store is None else {"keyStorePassword": self.key_store_password}

    @property
    def _authorities(self) -> str | None:
        if self.root_certificate in {None, SYSTEM_AUTHORITIES}:
            return None
        return str(Path(str(self.root_certificate)).expanduser())


def _show(context: ssl.SSLContext, file: Path, password: str) -> None:
    """Have a connection show the certificate of a key store.

    Python reads keys from files of another form only: one is made, for a moment, whose password
    nobody has but this process.
    """
    try:
        store = load_pkcs12(file.read_bytes(), password.encode())
    except (OSError, ValueError) as error:
        raise KeyStoreError(type(error).__name__) from None
    if store.key is None or store.cert is None:
        message = "no key with a certificate"
        raise KeyStoreError(message)
    passing = secrets.token_hex(16)
    chain = (store.cert, *store.additional_certs)
    text = store.key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passing.encode())
    ) + b"".join(each.certificate.public_bytes(Encoding.PEM) for each in chain)
    with tempfile.TemporaryDirectory(prefix="strandline-") as folder:
        pem = Path(folder) / "client.pem"
        pem.write_bytes(text)
        context.load_cert_chain(pem, password=passing)
