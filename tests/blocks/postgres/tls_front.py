"""TLS in front of a PostgreSQL that was built without it, and the authority that vouches for it."""

from __future__ import annotations

import contextlib
import datetime as dt
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SSL_REQUEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class TlsFront:
    """Where it listens, on the name `localhost`, the certificate of its authority, and a client's.

    `certificate` and `key` are those of a client that the authority vouches for.
    """

    port: int
    authority: Path
    certificate: Path
    key: Path


@contextlib.contextmanager
def tls_front(
    upstream: tuple[str, int], directory: Path, *, asks_for_certificate: bool = False
) -> Iterator[TlsFront]:
    """Speak TLS as PostgreSQL does, and pass what is said on in the clear."""
    authority = certificates(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    if asks_for_certificate:
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=[listener, context, upstream], daemon=True).start()
        yield TlsFront(
            listener.getsockname()[1], authority, directory / "client.pem", directory / "client.pk8"
        )


def _serve(listener: socket.socket, context: ssl.SSLContext, upstream: tuple[str, int]) -> None:
    while True:
        try:
            client = listener.accept()[0]
        except OSError:  # closed: the test is over
            return
        threading.Thread(target=_carry, args=[client, context, upstream], daemon=True).start()


def _carry(client: socket.socket, context: ssl.SSLContext, upstream: tuple[str, int]) -> None:
    with contextlib.suppress(OSError), client:
        client.recv(_SSL_REQUEST_BYTES)
        client.sendall(b"S")
        outer = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        try:
            outer.do_handshake()
        except ssl.SSLError:
            _hang_up(outer)
            return
        with outer, socket.create_connection(upstream) as inner:
            while _passed_on(outer, inner):
                pass


def _hang_up(outer: ssl.SSLSocket) -> None:
    """Close so that the other side gets to read why: unread bytes would make it a reset."""
    with socket.socket(fileno=outer.detach()) as client:
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass


def _passed_on(outer: ssl.SSLSocket, inner: socket.socket) -> bool:
    ready = [outer] if outer.pending() else select.select([outer, inner], [], [])[0]
    for side in ready:
        said = side.recv(65536)
        if not said:
            return False
        (inner if side is outer else outer).sendall(said)
    return True


def certificates(directory: Path) -> Path:
    """An authority, and a server called `localhost` and a client that it signed."""
    authority_key, server_key, client_key = (
        ec.generate_private_key(ec.SECP256R1()) for _ in range(3)
    )
    authority = _signed("an authority", authority_key, "an authority", authority_key)
    server = _signed("localhost", server_key, "an authority", authority_key)
    pem = serialization.Encoding.PEM
    path = directory / "authority.pem"
    path.write_bytes(authority.public_bytes(pem))
    (directory / "server.pem").write_bytes(
        server.public_bytes(pem)
        + server_key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    client = _signed("a client", client_key, "an authority", authority_key)
    (directory / "client.pem").write_bytes(client.public_bytes(pem))
    private = directory / "client.pk8"
    private.write_bytes(
        client_key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    private.chmod(0o600)
    return path


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    hour = dt.timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - hour)
        .not_valid_after(now + hour)
        .add_extension(x509.BasicConstraints(ca=key is issuer_key, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name.replace(" ", "-"))]), False)
        .sign(issuer_key, hashes.SHA256())
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
