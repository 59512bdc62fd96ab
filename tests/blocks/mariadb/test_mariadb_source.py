from __future__ import annotations

import ssl
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_der_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509 import load_pem_x509_certificate
from py4j.protocol import Py4JJavaError
from pydantic import SecretStr, ValidationError

from blocks.source_database import SourceDatabase
from contracts.errors import (
    SchemaDriftError,
    SettingsError,
    SourceAccessError,
    SourceUnavailableError,
    SourceValueError,
    StrandlineError,
)
from tests.blocks.postgres.tls_front import certificates

TABLES = (
    "CREATE DATABASE shop",
    "CREATE DATABASE other",
    "USE shop",
    (
        "CREATE TABLE orders (id INT UNSIGNED PRIMARY KEY, code CHAR(3) NOT NULL, part VARCHAR(9)"
        " NOT NULL, note TEXT, UNIQUE (code), UNIQUE (part(3)), KEY (note(5))) ENGINE = InnoDB"
    ),
    "CREATE VIEW seen AS SELECT id, code FROM orders",
)
OTHER_TYPES = {"ssl_mode": "prefer"}, {"ssl_certificate": "a.pem", "ssl_key": "a.pk8"}
HALF_STORES = (
    {"ssl_key_store": "a.p12"},
    {"ssl_key_store_password": "secret"},
    {"ssl_mode": "disable", "ssl_key_store": "a.p12", "ssl_key_store_password": "secret"},
)
STORE_PASSWORD = "the stores' own"  # noqa: S105


@pytest.fixture(scope="module")
def server(mariadb):
    mariadb.execute(*TABLES)
    yield mariadb
    mariadb.execute("DROP DATABASE shop", "DROP DATABASE other")


@pytest.fixture
def source(server):
    return server.source("shop", connect_timeout_seconds=3)


def error_of(act):
    """The error that `act` ends in, having looked that it tells no secret and quotes nothing."""
    with pytest.raises(StrandlineError) as caught:
        act()
    error = caught.value
    shown = f"{error!r} {error} {error.__cause__!r} {vars(error)}"
    assert "tests' own" not in shown
    assert "watcher" not in shown
    assert error.__suppress_context__ or error.__context__ is None
    return error


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"port": 1}, SourceUnavailableError),
        ({"host": "nowhere.invalid"}, SourceUnavailableError),
        ({"password": SecretStr("another")}, SourceAccessError),
        ({"user": "nobody"}, SourceAccessError),
        ({"database": "none"}, SourceAccessError),
        ({"user": "stranger"}, SourceAccessError),
        ({"ssl_root_certificate": "/nowhere/authority.pem"}, SettingsError),
        ({"ssl_mode": "verify-full", "ssl_root_certificate": "system"}, SettingsError),
    ],
    ids=str,
)
def test_what_keeps_a_session_from_coming_about_is_told_by_what_to_do(source, fields, kind):
    assert isinstance(error_of(source.model_copy(update=fields).check), kind)


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SELECT SLEEP(3)", SourceUnavailableError),
        ("SELECT * FROM missing", SchemaDriftError),
        ("SELECT * FROM missing_ssl_certificates", SchemaDriftError),
        ("SELECT missing FROM orders", SchemaDriftError),
        ("SELEC 1", SettingsError),
        ("SELECT 18446744073709551615 + 1", SourceValueError),
    ],
)
def test_a_statement_that_fails_is_told_by_what_to_do(source, statement, kind):
    slow = source.model_copy(update={"statement_timeout_seconds": 1})

    assert isinstance(error_of(lambda: slow.query_row(statement)), kind)


def test_a_session_only_reads(server):
    writer = server.source("shop", user="admin")

    error = error_of(lambda: writer.query_row("DELETE FROM orders"))

    assert "only reads" in error.found


@pytest.mark.parametrize("fields", OTHER_TYPES, ids=str)
def test_what_only_postgresql_has_is_refused(server, fields):
    with pytest.raises(ValidationError):
        SourceDatabase(**{**server.source("shop").model_dump(), **fields})


@pytest.mark.parametrize(
    ("fields", "encrypted"),
    [
        ({}, False),
        ({"ssl_mode": "require"}, True),
        ({"host": "localhost", "ssl_mode": "verify-full"}, True),
        ({"ssl_mode": "verify-ca"}, True),
    ],
    ids=str,
)
def test_both_drivers_encrypt_as_the_block_says(server, source, spark, fields, encrypted):
    if "verify" in fields.get("ssl_mode", ""):
        fields = {**fields, "ssl_root_certificate": str(server.authority)}
    block = source.model_copy(update=fields)
    query = (
        "SELECT variable_value AS cipher FROM information_schema.session_status"
        " WHERE variable_name = 'SSL_CIPHER'"
    )

    (here,) = block.query_row(query)
    options = {**block.jdbc_options(), "query": query, "customSchema": "cipher STRING"}
    (there,) = spark.read.format("jdbc").options(**options).load().first()

    assert (bool(here), bool(there)) == (encrypted, encrypted)


@pytest.fixture(scope="module")
def key_stores(server, tmp_path_factory):
    """PKCS #12 files: of the client that the authority signed, and of one that nobody knows."""
    folder = tmp_path_factory.mktemp("stores")
    stranger = tmp_path_factory.mktemp("strangers")
    certificates(stranger)
    found = {}
    for name, source in (("client", server.authority.parent), ("stranger", stranger)):
        key = load_der_private_key((source / "client.pk8").read_bytes(), None)
        certificate = load_pem_x509_certificate((source / "client.pem").read_bytes())
        encryption = BestAvailableEncryption(STORE_PASSWORD.encode())
        found[name] = folder / f"{name}.p12"
        found[name].write_bytes(
            serialize_key_and_certificates(b"mine", key, certificate, None, encryption)
        )
    return found


def certified(server, store, **fields):
    """The block of a user who has to show a certificate."""
    shown = {} if store is None else {
        "ssl_key_store": str(store), "ssl_key_store_password": STORE_PASSWORD,
    }  # fmt: skip
    return server.source("shop", user="certified", **{"ssl_mode": "require", **shown, **fields})


def test_both_drivers_show_the_clients_certificate(server, key_stores, spark):
    block = certified(server, key_stores["client"], ssl_mode=None)
    query = "SELECT CURRENT_USER() AS user"

    (here,) = block.query_row(query)
    with block.reading() as reading:
        options = reading.jdbc_options()
        url = options.pop("url")
        frame = spark.read.jdbc(url, f"({query}) q", predicates=["1 = 1"], properties=options)
        (there,) = frame.first()

    assert here == there == "certified@127.0.0.1"
    assert STORE_PASSWORD not in url
    assert STORE_PASSWORD not in f"{block!r} {block._source()!r}"


@pytest.mark.parametrize(
    ("store", "fields", "kind", "words"),
    [
        (None, {}, SourceAccessError, "without a certificate"),
        ("stranger", {}, SettingsError, "as the block says"),
        ("client", {"ssl_key_store": "/nowhere/a.p12"}, SettingsError, "FileNotFoundError"),
        ("client", {"ssl_key_store": __file__}, SettingsError, "PKCS #12"),
        ("client", {"ssl_key_store_password": SecretStr("x")}, SettingsError, "ssl_key_store"),
    ],
    ids=str,
)
def test_a_certificate_that_is_not_taken_is_told_by_what_to_do(
    server, key_stores, store, fields, kind, words
):
    block = certified(server, key_stores.get(store)).model_copy(update=fields)

    error = error_of(block.check)

    assert isinstance(error, kind)
    assert words in str(error)
    assert STORE_PASSWORD not in str(error)


def test_a_refused_certificate_is_told_where_the_server_hangs_up_at_once(
    server, key_stores, monkeypatch
):
    def slowly(context, sock, wrap=ssl.SSLContext.wrap_socket, **fields):
        wrapped = wrap(context, sock, **fields)
        time.sleep(0.3)
        versions.append(wrapped.version())
        return wrapped

    versions = []
    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", slowly)

    error = error_of(certified(server, key_stores["stranger"]).check)

    # The second handshake is the one that fails.
    assert versions == ["TLSv1.3"]
    assert isinstance(error, SettingsError)
    assert "as the block says" in str(error)


@pytest.mark.parametrize("fields", HALF_STORES, ids=str)
def test_a_key_store_has_a_password_and_is_shown(server, fields):
    with pytest.raises(ValidationError):
        server.source("shop", **fields)


def test_another_host_than_the_certificates_is_refused(server, source):
    fields = {"ssl_mode": "verify-full", "ssl_root_certificate": str(server.authority)}

    error = error_of(source.model_copy(update=fields).check)

    assert isinstance(error, SettingsError)
    assert "ssl_mode" in error.next_step


def test_the_catalog_has_columns_and_what_identifies_a_row(source):
    with source.reading() as reading:
        orders, seen = reading.relation("shop", "orders"), reading.relation("shop", "seen")

    assert [(each.name, each.type, each.nullable) for each in orders.columns] == [
        ("id", "int(10) unsigned", False),
        ("code", "char(3)", False),
        ("part", "varchar(9)", False),
        ("note", "text", True),
    ]
    # A key of the first letters of a column identifies no row by that column... but it does.
    assert orders.unique_keys == (("id",), ("code",), ("part",))
    assert (seen.unique_keys, len(seen.columns)) == ((), 2)


def test_a_table_that_may_not_be_seen_is_missing_and_near_ones_are_named(source):
    error = error_of(lambda: source.columns("shop", "order"))

    assert isinstance(error, SchemaDriftError)
    assert "shop.orders" in error.found


DESCRIBED = (
    "USE shop",
    "CREATE TABLE shops (name VARCHAR(9) PRIMARY KEY) COMMENT = 'Where they sell'",
    (
        "CREATE TABLE sales (tenant INT, id INT AUTO_INCREMENT,"
        " `e``\"Mail` VARCHAR(20) COMMENT 'x',"
        " made VARCHAR(30) AS (CONCAT(`e``\"Mail`, 'id`s')) STORED, shop VARCHAR(9), document JSON,"
        " mood ENUM('a','it''s','b,c'), odd ENUM('a\\\\b'), a INT CHECK (a > 1), day DATE NOT NULL,"
        " CONSTRAINT one CHECK (a < tenant), PRIMARY KEY (tenant, id), UNIQUE k (shop, a),"
        " KEY (id), KEY of_day (day, a), KEY part (made(3)),"
        " FOREIGN KEY (shop) REFERENCES shops (name))"
    ),
    "INSERT INTO sales (tenant, id, day) VALUES (1, 1, '2024-01-01')",
    (
        "CREATE TABLE parted (id INT, day DATE, PRIMARY KEY (id, day))"
        " PARTITION BY RANGE COLUMNS (day) (PARTITION p VALUES LESS THAN (MAXVALUE))"
    ),
    "CREATE TABLE hashed (id INT PRIMARY KEY) PARTITION BY HASH (id + 1) PARTITIONS 2",
    "CREATE VIEW sold AS SELECT id, day FROM sales",
    "CREATE USER part@'127.0.0.1' IDENTIFIED BY 'tests'' own'",
    "GRANT SELECT (id, day), INSERT (shop) ON shop.sales TO part@'127.0.0.1'",
    "ANALYZE TABLE sales",
)


@pytest.fixture(scope="module")
def described(server):
    server.execute(*DESCRIBED)
    yield server
    server.execute("DROP USER part@'127.0.0.1'")


def test_the_catalog_tells_what_a_contract_is_made_of(described):
    with described.source("shop", user="reader").reading() as reading:
        sales, shops = reading.details("shop", "sales"), reading.details("shop", "shops")
        parted, hashed = reading.details("shop", "parted"), reading.details("shop", "hashed")
        sold = reading.details("shop", "sold")

    assert (sales.kind, sales.rows, shops.comment) == ("table", 1, "Where they sell")
    assert [(key.name, key.columns, key.primary) for key in sales.keys] == [
        ("PRIMARY", ("tenant", "id"), True), ("k", ("shop", "a"), False),
    ]  # fmt: skip
    assert [(key.columns, key.schema, key.table, key.referenced) for key in sales.foreign_keys] == [
        (("shop",), "shop", "shops", ("name",))
    ]
    assert {check.name for check in sales.checks} == {"a", "one"}
    assert sales.indexed == {"tenant", "shop", "id", "day"}
    columns = sales.columns
    assert columns["made"].made_of == ('e`"Mail',)
    assert [name for name, each in columns.items() if each.generated] == ["made"]
    assert [name for name, each in columns.items() if each.identity] == ["id"]
    assert (columns['e`"Mail'].comment, columns["document"].declared) == ("x", "json")
    assert (columns["mood"].labels, columns["odd"].labels) == (("a", "it's", "b,c"), ())
    assert (parted.kind, parted.partitioned_by) == ("partitioned table", ("day",))
    assert (hashed.kind, hashed.partitioned_by) == ("partitioned table", ())
    assert (sold.kind, sold.comment, sold.keys, sold.rows) == ("view", "", (), None)


def test_of_a_table_that_one_sees_in_part_no_key_is_proved(described):
    with described.source("shop", user="part").reading() as reading:
        sales = reading.details("shop", "sales")

    # The server lists a key without the columns that are hidden: (id) of (tenant, id).
    assert (sales.relation.unique_keys, sales.keys) == ((), ())
    assert {name: each.readable for name, each in sales.columns.items()} == {
        "id": True, "shop": False, "day": True,
    }  # fmt: skip


def test_rows_are_so_many_and_in_so_much_time(described):
    with described.source("shop").reading() as reading:
        assert len(reading.rows("SELECT seq FROM seq_1_to_9", seconds=5, most=3)) == 3
        with pytest.raises(SourceUnavailableError):
            reading.rows("SELECT SLEEP(3)", seconds=1)
        assert reading.query_row("SELECT 1") == (1,)


def test_the_oldest_open_transaction_of_others_is_told(server, source):
    with source.reading():
        pass  # the server keeps its list for a tenth of a second
    with closing(server.connect()) as other, other.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute("INSERT INTO shop.orders VALUES (1, 'a', 'p', '')")
        begun = datetime.now(UTC)
        with source.reading() as reading:
            found = reading
        cursor.execute("ROLLBACK")
    with source.reading() as later:
        assert later.oldest_open > begun

    # In whole seconds; a zone of the server's would be hours.
    assert begun - timedelta(seconds=3) < found.oldest_open <= begun
    assert not found.open_unknown


def test_a_statement_that_waits_for_a_lock_counts_from_its_start(server, source):
    with closing(server.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES shop.orders READ")
        insert = "INSERT INTO shop.orders VALUES (2, 'b', 'q', '')"
        waiting = threading.Thread(target=server.execute, args=["USE shop", insert])
        waiting.start()
        try:
            query = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'INSERT%'"
            while source.query_row(query) == (0,):
                pass
            begun = datetime.now(UTC)
            with source.reading() as reading:
                assert reading.oldest_open < begun
        finally:
            cursor.execute("UNLOCK TABLES")
            waiting.join()
    server.execute("DELETE FROM shop.orders")


def test_who_may_not_see_others_does_not_know_what_is_open(server):
    with server.source("shop", user="reader").reading() as reading:
        assert (reading.oldest_open, reading.open_unknown) == (None, True)


def test_a_replica_does_not_know_what_is_open_on_its_primary(server, source):
    server.execute("SET GLOBAL read_only = 1")
    try:
        with source.reading() as reading:
            assert (reading.oldest_open, reading.open_unknown) == (None, True)
    finally:
        server.execute("SET GLOBAL read_only = 0")


def asleep(server):
    """How many sessions wait in a SLEEP."""
    query = "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep'"
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def wait_for(server, number, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until and asleep(server) != number:
        time.sleep(0.05)
    return asleep(server)


@pytest.mark.parametrize("which", ["ours", "of Spark"])
def test_a_read_that_is_interrupted_leaves_no_statement_in_the_database(server, spark, which):
    """By a user who may see and end no sessions but those of the own name."""
    block, ended = server.source("shop", user="reader"), []

    def read(reading):
        query = "SELECT SUM(SLEEP(seq)) AS s FROM shop.seq_100_to_109"
        try:
            if which == "ours":
                reading.query_row(query)
            options = {**reading.jdbc_options(), "query": query, "customSchema": "s STRING"}
            spark.read.format("jdbc").options(**options).load().collect()
        except (StrandlineError, Py4JJavaError) as error:
            ended.append(error)

    def interrupted():
        with block.reading() as reading:
            reader = threading.Thread(target=read, args=[reading])
            reader.start()
            assert wait_for(server, 1, 30) == 1
            raise KeyboardInterrupt

    with block.reading() as other:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert wait_for(server, 0, 5) == 0
        # Nothing but what is its own is ended.
        assert other.query_row("SELECT 1") == (1,)


def test_sessions_of_spark_are_set_as_ours_are(source, spark):
    query = (
        "SELECT CONCAT_WS(' ', @@time_zone, @@sql_mode, @@tx_read_only, @@max_statement_time) AS s"
    )
    with source.reading(7) as reading:
        options = {**reading.jdbc_options(), "query": query, "customSchema": "s STRING"}
        (there,) = spark.read.format("jdbc").options(**options).load().first()
        (here,) = reading.query_row(query)

    assert here == there == "+00:00 ANSI_QUOTES ON 7.000000"
