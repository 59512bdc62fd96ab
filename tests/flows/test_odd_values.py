"""Values that a type of the source has and most do not expect, through whole loads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Placeholder
from pyiceberg.table import StaticTable
from pyspark.sql import functions as F

from contracts.errors import SchemaDriftError
from flows.load_table import load_table
from flows.verify_table import verify_table
from strandline.command_line import main
from strandline.queries.dates_beyond_python_range import micros_of
from tests.flows.state_contracts import write_contract

ODD = {
    "id": "INTEGER",
    "amount": "NUMERIC(12,2)",
    "free": "NUMERIC(38,18)",
    "exact": "VARCHAR(200)",
    "clock": "VARCHAR(20)",
    "bits": "VARCHAR(3)",
    "moment": "TIMESTAMP",
    "day": "DATE",
    "city": "VARCHAR(20)",
    "updated_at": "TIMESTAMP",
}
STAMPED = {"id": "INTEGER", "v": "VARCHAR(20)", "updated_at": "TIMESTAMP"}
BITS = {"id": "INTEGER", "bits": "BINARY", "updated_at": "TIMESTAMP"}
MADE = """
CREATE TABLE odd (
    id int PRIMARY KEY, amount numeric(12,2), free numeric, clock time, bits bit(3),
    moment timestamp, day date, city text, updated_at timestamptz,
    exact numeric GENERATED ALWAYS AS (free) STORED,
    nobody_asked money[] DEFAULT '{1.00,NULL}', "City" text DEFAULT 'Elsewhere'
);
CREATE TABLE stamped (id int PRIMARY KEY, v text, updated_at timestamp);
CREATE TABLE refused (id int PRIMARY KEY, bits bit(3), updated_at timestamp);
INSERT INTO refused VALUES (1, B'101', '2024-01-01');
"""
PLAIN = {
    "amount": "1.50",
    "free": "1.500000000000000000",
    "clock": "08:30:00.123456",
    "bits": "101",
    "moment": "2024-03-10 02:30:00.000001",
    "day": "2024-02-29",
    "city": "Ghent",
    "updated_at": "2024-01-01 00:00+00",
}
FIT = {
    1: {},
    2: {"amount": "2.50", "free": "-0.000000000000000001", "clock": "24:00:00", "bits": "000"},
    3: {"free": "9" * 20 + "." + "9" * 18, "day": "0044-03-15 BC", "moment": "0044-03-15 12:00 BC"},
    4: {"free": "1.5" + "0" * 30, "day": "12000-01-01", "moment": "12000-01-01 00:00:00.000001"},
    5: dict.fromkeys(PLAIN),
}
UNFIT = {
    11: {"amount": "NaN"},
    12: {"free": "0.1234567890123456789012345"},
    13: {"free": "123456789012345678901234567890"},
    14: {"free": "NaN"},
    15: {"moment": "infinity"},
    16: {"moment": "-infinity", "day": "infinity"},
    17: {"amount": "NaN", "free": "-Infinity", "day": "-infinity"},
    18: {"amount": "NaN"},
}
"""By key, what no column of the contract's type can hold."""
BESIDE = {18: {"day": "0044-03-15 BC", "moment": "12000-01-01 00:00:00.000001"}}
"""By key, what a refused row has besides and can be held."""
WRITTEN = {
    "2024-03-10 02:30:00.000001": "2024-03-10T02:30:00.000001Z",
    "2024-01-01 00:00+00": "2024-01-01T00:00:00.000000Z",
    "12000-01-01 00:00:00.000001": "+12000-01-01T00:00:00.000001Z",
    "0044-03-15 BC": "-0043-03-15",
}
"""What a refused row says of a day or moment."""
HELD = """
SELECT
    id, amount, free, exact::text, clock::text, bits::text,
    (EXTRACT(EPOCH FROM moment) * 1000000)::bigint, day - DATE '1970-01-01', city,
    (EXTRACT(EPOCH FROM updated_at) * 1000000)::bigint
FROM {} WHERE id < 11 ORDER BY id
"""
DAY = 86_400_000_000
STAMPS = {
    1: "2024-01-01",
    2: "infinity",
    3: "-infinity",
    4: "0044-03-15 12:00:00.000001 BC",
    5: "12000-01-01",
}


@pytest.fixture(scope="module")
def place(make_workplace, tmp_path_factory):
    """A workplace with sources of odd values; `odd` and what is made of it are loaded."""
    folder = tmp_path_factory.mktemp("odd")
    write_contract(folder, "odd", ODD, {"load": "full"})
    write_contract(folder, "seen", ODD, {"load": "full"})
    write_contract(folder, "stamped", STAMPED, {"load": "incremental", "watermark": ["updated_at"]})
    write_contract(folder, "refused", BITS, {"load": "full"})
    made = make_workplace(folder)
    made.execute(MADE)
    insert = SQL("INSERT INTO odd ({}) VALUES ({})").format(
        SQL(", ").join(map(Identifier, ("id", *PLAIN))),
        SQL(", ").join(Placeholder() for _ in ("id", *PLAIN)),
    )
    said = {key: PLAIN | values for key, values in (FIT | UNFIT).items()}
    made.execute(insert, *[(key, *(said[key] | BESIDE.get(key, {})).values()) for key in said])
    made.execute("CREATE MATERIALIZED VIEW seen AS SELECT * FROM odd")
    made.execute("INSERT INTO stamped VALUES (%s, 'a', %s)", *STAMPS.items())
    load_table("odd")
    load_table("seen")
    return made


def asked(place, query):
    with psycopg.connect(place.dsn.get_secret_value()) as connection:
        return connection.execute(query).fetchall()


def quarantined(place, name):
    """By key of the refused rows: why, as (check, column), and the row."""
    rows = place.table("governance.quarantine").where(f"target_table LIKE '%.{name}'").collect()
    told = {}
    for row in rows:
        key = json.loads(row.record_key)["id"]
        assert key not in told
        why = {(reason.check, reason.column) for reason in row.reasons}
        told[key] = (why, json.loads(row.row, parse_float=Decimal))
    return told


def versions(place, name):
    """(key, value, start, end) in their order, moments in microseconds since 1970."""
    start, end = F.unix_micros("valid_from"), F.unix_micros("valid_to")
    rows = place.table(f"states.{name}").orderBy("id", "valid_from").select("id", "v", start, end)
    return [tuple(row) for row in rows.collect()]


@pytest.mark.parametrize("name", ["odd", "seen"])
def test_a_row_whose_values_fit_is_loaded_as_it_is_from_a_table_and_a_materialized_view(
    place, name
):
    moment, day, stamp = F.unix_micros("moment"), F.unix_date("day"), F.unix_micros("updated_at")
    texts = ("exact", "clock", "bits")
    rows = place.table(f"states.{name}").orderBy("id", "valid_from")
    found = rows.select("id", "amount", "free", *texts, moment, day, "city", stamp).collect()

    assert [row.id for row in found] == list(FIT)
    assert [tuple(row) for row in found] == asked(place, SQL(HELD).format(Identifier(name)))


@pytest.mark.parametrize("name", ["odd", "seen"])
def test_any_other_row_waits_with_all_its_values_and_the_columns_that_could_not_hold_them(
    place, name
):
    expected = {}
    for key, unfit in UNFIT.items():
        said = PLAIN | unfit | BESIDE.get(key, {})
        row = {column: WRITTEN.get(text, text) for column, text in said.items()} | {"id": key}
        row |= {column: Decimal(said[column]) for column in ("amount", "free")}
        row |= {"exact": said["free"], "__unfit": unfit} | dict.fromkeys(unfit)
        expected[key] = ({("value_fits", column) for column in unfit}, row)

    assert quarantined(place, name) == expected


def test_what_was_loaded_is_equal_to_a_second_read_of_the_source(place):
    found = verify_table("odd")

    assert (found.rows_read, found.refused) == (len(FIT) + len(UNFIT), len(UNFIT))
    assert (found.unequal, found.open_versions) == (0, len(FIT))


def test_bits_are_no_bytes_and_nothing_of_the_table_is_read(place):
    with pytest.raises(
        SchemaDriftError, match=r"column bits is bit\(3\) instead of BINARY .*VARCHAR"
    ):
        load_table("refused")

    asked_rows = (
        "SELECT relname, seq_tup_read + COALESCE(idx_tup_fetch, 0) FROM pg_stat_user_tables"
    )
    scanned = dict(asked(place, asked_rows))
    assert scanned["odd"] > 0
    assert scanned["refused"] == 0
    catalog = place.settings.lakehouse.catalog
    assert not place.spark.catalog.tableExists(f"{catalog}.states.refused")
    assert quarantined(place, "refused") == {}
    assert place.leftovers == []


def test_stamps_without_an_end_or_of_far_years_leave_the_watermark_where_it_belongs(place):
    first = load_table("stamped")
    place.execute("UPDATE stamped SET v = 'b', updated_at = '2024-01-02' WHERE id = 1")
    place.execute("UPDATE stamped SET updated_at = '2024-01-01 12:00' WHERE id = 2")
    place.execute("UPDATE stamped SET v = 'c' WHERE id = 5")
    second = load_table("stamped")

    loads = [
        (load.staged.rows_read, load.staged.refused, load.staged.watermark)
        for load in (first, second)
    ]
    assert loads == [
        (5, 2, datetime(2024, 1, 1, tzinfo=UTC)),
        (3, 0, datetime(2024, 1, 2, tzinfo=UTC)),
    ]
    reads = [micros_of(load.staged.read.at) for load in (first, second)]
    january = micros_of(datetime(2024, 1, 1, tzinfo=UTC))
    assert versions(place, "stamped") == [
        (1, "a", january, january + DAY),
        (1, "b", january + DAY, None),
        (2, "a", january + DAY // 2, None),
        (4, "a", -63_517_780_799_999_999, None),
        (5, "a", reads[0], reads[1]),
        (5, "c", reads[1], None),
    ]
    why = {("value_fits", "updated_at")}
    row = {"v": "a", "updated_at": None}
    assert quarantined(place, "stamped") == {
        2: (why, {"id": 2, **row, "__unfit": {"updated_at": "infinity"}}),
        3: (why, {"id": 3, **row, "__unfit": {"updated_at": "-infinity"}}),
    }


def test_the_command_shows_days_and_moments_before_the_first_year_and_of_far_ones(place, capsys):
    assert main(["history", "odd", "3"]) == 0
    page = capsys.readouterr().out
    assert main(["history", "odd", "4", "--json"]) == 0
    far = json.loads(capsys.readouterr().out)
    assert main(["history", "odd", "3", "--json"]) == 0
    early = json.loads(capsys.readouterr().out)

    shown = {tuple(map(str.strip, line.split(maxsplit=1))) for line in page.splitlines()}
    assert {("day", "-0043-03-15"), ("moment", "-0043-03-15 12:00")} <= shown
    (version,) = early["versions"]
    assert version["values"]["day"] == "-0043-03-15"
    assert version["values"]["moment"] == "-0043-03-15T12:00:00+00:00"
    (version,) = far["versions"]
    assert version["values"]["day"] == "+12000-01-01"
    assert version["values"]["moment"] == "+12000-01-01T00:00:00.000001+00:00"


def test_another_reader_has_the_versions_that_spark_has(place):
    for name, least in (("odd", len(FIT)), ("stamped", 1)):
        table = place.table(f"states.{name}")
        log = (
            place.table(f"states.{name}.metadata_log_entries").orderBy(F.desc("timestamp")).first()
        )
        ours = table.toArrow()
        theirs = StaticTable.from_metadata(log.file).scan().to_arrow().select(ours.column_names)
        order = [("id", "ascending"), ("valid_from", "ascending")]
        assert ours.num_rows >= least
        assert theirs.cast(ours.schema).sort_by(order).equals(ours.sort_by(order))
