"""How a source is connected to: what is said before there is a session, and who vouches for it."""

from __future__ import annotations

import os
import socket
import struct
import threading

import pytest
from pydantic import ValidationError

from blocks.source_database import SourceDatabase
from contracts.errors import SettingsError, SourceUnavailableError
from tasks.run.spark_error_mapping import map_spark_errors
from tests.blocks.postgres.tls_front import TlsFront, certificates, tls_front

POOLERS_KNOW = {
    "user",
    "database",
    "client_encoding",
    "DateStyle",
    "TimeZone",
    "standard_conforming_strings",
    "application_name",
}
"""What PgBouncer keeps for each of its clients; of all else it refuses the connection."""


@pytest.fixture(scope="module")
def front(postgres, tmp_path_factory):
    """TLS before the server, on `localhost`."""
    folder = tmp_path_factory.mktemp("tls")
    with tls_front((postgres.host, postgres.port), folder) as listening:
        yield listening


@pytest.fixture
def verified(postgres, front: TlsFront):
    """Makes the source as it is reached by TLS, verified in full unless said otherwise."""

    def made(**fields: object) -> SourceDatabase:
        return SourceDatabase(
            **{
                "host": "localhost",
                "port": front.port,
                "user": postgres.user,
                "password": postgres.password,
                "ssl_mode": "verify-full",
                **fields,
            }
        )

    return made


def by_spark(spark, source):
    options = {**source.jdbc_options(), "query": "SELECT 1 AS one"}
    return spark.read.format("jdbc").options(**options).load().first().one


def test_a_server_that_the_named_authority_vouches_for_is_read_by_both_drivers(
    verified, front, spark
):
    source = verified(ssl_root_certificate=str(front.authority))

    assert source.query_row("SELECT 1") == (1,)
    assert by_spark(spark, source) == 1


def test_the_systems_authorities_are_asked_where_the_block_says_so(
    verified, front, spark, monkeypatch
):
    source = verified(ssl_root_certificate="system")
    with pytest.raises(SettingsError, match="no known authority signed"):
        source.check()
    with pytest.raises(SettingsError, match="signed"), map_spark_errors("t", "protect"):
        by_spark(spark, source)

    monkeypatch.setenv("SSL_CERT_FILE", str(front.authority))
    source.check()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"ssl_root_certificate": "/nowhere/authority.pem"}, "no certificate authority"),
        ({"host": "127.0.0.1"}, "another host name"),
    ],
)
def test_both_drivers_say_the_same_of_a_server_that_is_not_verified(
    verified, front, spark, fields, told
):
    source = verified(**{"ssl_root_certificate": str(front.authority), **fields})

    with pytest.raises(SettingsError, match=told):
        source.check()
    with pytest.raises(SettingsError, match=told), map_spark_errors("t", "protect"):
        by_spark(spark, source)


def test_an_authority_of_the_same_name_with_another_key_vouches_for_nobody(
    verified, spark, tmp_path
):
    source = verified(ssl_root_certificate=str(certificates(tmp_path)))

    with pytest.raises(SettingsError, match="no known authority signed"):
        source.check()
    with pytest.raises(SettingsError, match="signed"), map_spark_errors("t", "protect"):
        by_spark(spark, source)


def test_the_home_is_written_short(verified, front, monkeypatch):
    monkeypatch.setenv("HOME", str(front.authority.parent))

    source = verified(ssl_root_certificate=f"~/{front.authority.name}")
    source.check()
    assert source.jdbc_options()["sslrootcert"] == str(front.authority)


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_without_an_authority_it_says_which_field_to_set(verified, mode, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))

    for fields in ({}, {"ssl_root_certificate": str(tmp_path / "none.pem")}):
        with pytest.raises(SettingsError) as caught:
            verified(ssl_mode=mode, **fields).check()
        assert "no certificate authority" in caught.value.found
        assert "ssl_root_certificate" in caught.value.next_step


def test_a_file_without_certificates_is_no_authority(verified, tmp_path):
    path = tmp_path / "empty.pem"
    path.write_text("nothing")

    with pytest.raises(SettingsError, match="ssl_root_certificate"):
        verified(ssl_root_certificate=str(path)).check()


def test_a_server_of_another_name_is_not_taken_for_ours(verified, front):
    authority = str(front.authority)
    with pytest.raises(SettingsError, match="another host name"):
        verified(host="127.0.0.1", ssl_root_certificate=authority).check()

    verified(host="127.0.0.1", ssl_mode="verify-ca", ssl_root_certificate=authority).check()


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca"])
def test_the_systems_authorities_need_the_name_to_be_verified(verified, mode):
    with pytest.raises(ValidationError, match="verify-full"):
        verified(ssl_mode=mode, ssl_root_certificate="system")


@pytest.fixture(scope="module")
def asking(postgres, tmp_path_factory):
    """The same, to clients that show a certificate."""
    folder = tmp_path_factory.mktemp("asking")
    upstream = (postgres.host, postgres.port)
    with tls_front(upstream, folder, asks_for_certificate=True) as listening:
        yield listening


def shown(asking: TlsFront, **fields):
    """The block's fields for a client that shows its certificate."""
    usual = {
        "port": asking.port,
        "ssl_root_certificate": str(asking.authority),
        "ssl_certificate": str(asking.certificate),
        "ssl_key": str(asking.key),
    }
    return {**usual, **fields}


def test_a_client_shows_its_certificate_to_a_server_that_asks_for_one(verified, asking, spark):
    source = verified(**shown(asking))

    assert source.query_row("SELECT 1") == (1,)
    assert by_spark(spark, source) == 1


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"ssl_certificate": None, "ssl_key": None}, "the server asks for one"),
        ({"ssl_key": "/nowhere/client.pk8"}, "can't be read as one"),
        ({"ssl_key": __file__}, "can't be read as one"),
    ],
)
def test_both_drivers_say_what_is_wrong_with_the_clients_certificate(
    verified, asking, spark, fields, told
):
    source = verified(**shown(asking, **fields))

    with pytest.raises(SettingsError, match=told):
        source.check()
    with pytest.raises(SettingsError, match=told), map_spark_errors("t", "protect"):
        by_spark(spark, source)


def test_a_certificate_without_its_key_is_refused(verified):
    with pytest.raises(ValidationError, match="go together"):
        verified(ssl_certificate="client.pem")


@pytest.mark.parametrize(
    ("host", "fields", "mode"),
    [
        ("127.0.0.1", {}, "prefer"),
        ("localhost", {}, "prefer"),
        ("::1", {}, "prefer"),
        ("db.example.org", {}, "require"),
        ("10.0.0.7", {}, "require"),
        ("localhost.example.org", {}, "require"),
        ("db.example.org", {"ssl_root_certificate": "ca.pem"}, "verify-full"),
        ("127.0.0.1", {"ssl_root_certificate": "ca.pem"}, "verify-full"),
        ("db.example.org", {"ssl_root_certificate": "system"}, "verify-full"),
        ("db.example.org", {"ssl_mode": "disable"}, "disable"),
        ("db.example.org", {"ssl_mode": "prefer"}, "prefer"),
    ],
)
def test_off_this_machine_a_connection_is_encrypted_unless_the_block_says_otherwise(
    host, fields, mode
):
    assert SourceDatabase(host=host, user="u", **fields).jdbc_options()["sslmode"] == mode


def test_a_server_that_answers_in_the_clear_is_refused_by_both_drivers(postgres, spark):
    """The downgrade that `prefer` would accept: nothing is sent, not even the user's name."""
    source = SourceDatabase(
        host=postgres.host, port=postgres.port, user=postgres.user, password=postgres.password,
        ssl_mode="require",
    )  # fmt: skip

    with pytest.raises(SettingsError, match="offers no TLS"):
        source.check()
    with pytest.raises(SettingsError, match="offers no TLS"), map_spark_errors("t", "protect"):
        by_spark(spark, source)


def test_a_machine_in_between_that_says_there_is_no_tls_gets_no_word_of_ours():
    said: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def deny():
            with listener.accept()[0] as client:
                client.recv(8)
                client.sendall(b"N")
                said.append(client.recv(65_536))

        denying = threading.Thread(target=deny, daemon=True)
        denying.start()
        source = SourceDatabase(
            port=listener.getsockname()[1], user="reader", ssl_mode="require",
            connect_timeout_seconds=3,
        )  # fmt: skip
        with pytest.raises(SettingsError, match="offers no TLS"):
            source.check()
        denying.join(5)

    assert said == [b""]


def test_what_is_said_while_connecting_is_what_poolers_know(postgres, spark, monkeypatch):
    monkeypatch.setitem(os.environ, "PGOPTIONS", "-c work_mem=1MB")
    heard: list[set[str]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=hear, args=[listener, heard], daemon=True).start()
        source = SourceDatabase(
            port=listener.getsockname()[1], user="reader", connect_timeout_seconds=3
        )
        with pytest.raises(SourceUnavailableError):
            source.check()
        by_psycopg = len(heard)
        with pytest.raises(SourceUnavailableError), map_spark_errors("t", "protect"):
            by_spark(spark, source)

    assert 0 < by_psycopg < len(heard)
    assert set.union(*heard) <= POOLERS_KNOW


def hear(listener: socket.socket, heard: list[set[str]]) -> None:
    """Write down the names in each startup packet, and hang up."""
    while True:
        try:
            client = listener.accept()[0]
        except OSError:
            return
        with client:
            packet = client.recv(8192)
            while len(packet) == 8:  # it would rather have TLS
                client.sendall(b"N")
                packet = client.recv(8192)
            (length,) = struct.unpack("!i", packet[:4])
            words = packet[8:length].split(b"\0")
            heard.append({name.decode() for name in words[::2] if name})
