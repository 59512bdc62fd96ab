from __future__ import annotations

import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from contracts.errors import NotFoundError, UsageError
from contracts.model import Protection, ProtectionKind
from contracts.model.encryption_keys import DataKey, ProtectionKeys
from contracts.model.reserved_column_names import OPERATION
from history.spark.column_quoting_and_comparison import named
from strandline.commands.history_status_commands import at_moment, history_data
from strandline.queries import versions_of_key
from strandline.queries.dates_beyond_python_range import far_moment
from strandline.queries.open_lakehouse import Lakehouse
from strandline.queries.versions_of_key import one_key, read_key
from strandline.terminal.console_output import plain
from strandline.terminal.version_chart import version_chart
from tasks.transforms.protection.pseudonymisation import pseudonymised
from tests.strandline.examples import AIRCRAFT, ENHANCED, NOW, day, history_of, text_of, version
from tests.strandline.lakes import flight, load_events, protecting


def read(spark, table, key, *, contract=AIRCRAFT, limit=50):
    wanted = one_key(spark, key, contract)
    return read_key(spark.table(table), wanted, contract, table=table, limit=limit)


@pytest.fixture(scope="module")
def aircraft(spark):
    namespace = "lake.key_history"
    spark.sql(f"CREATE NAMESPACE {namespace}")
    table = f"{namespace}.aircraft"
    load_events(
        spark,
        AIRCRAFT,
        table,
        [
            flight("N1", day(0), "JFK", seats=100),
            flight("N1", day(2), "LAX", seats=120),
            flight("N1", day(4), "BOS", "B6"),
            flight("N2", day(1), "JFK"),
            flight("N2", day(3), "JFK", **{OPERATION: "delete"}),
            flight("N2", day(5), "ORD"),
        ],
    )
    return table


def test_the_versions_of_a_key_come_oldest_first_with_their_intervals(spark, aircraft):
    found = read(spark, aircraft, {"tail_number": "N1"})

    assert [(v.start, v.end, v.values["airport"]) for v in found.versions] == [
        (day(0), day(2), "JFK"),
        (day(2), day(4), "LAX"),
        (day(4), None, "BOS"),
    ]
    assert [v.is_open for v in found.versions] == [False, False, True]
    assert found.tracked == ("airport", "carrier")
    assert not found.earlier


def test_the_key_is_told_as_it_is_stored(spark, aircraft):
    assert read(spark, aircraft, {"tail_number": "N1"}).key == {"tail_number": "N1"}


def test_columns_of_the_load_are_kept_apart_from_those_of_the_source(spark, aircraft):
    latest = read(spark, aircraft, {"tail_number": "N1"}).versions[-1]

    assert set(latest.values) >= {"airport", "carrier", "seats", "model"}
    assert {"surrogate_key", "batch_id", "source_checksum", "recorded_at"} <= set(latest.record)
    assert latest.record["batch_id"] == "b1"
    assert set(latest.values).isdisjoint(latest.record)
    assert {"tail_number", "valid_from"}.isdisjoint({*latest.values, *latest.record})


def test_a_deleted_and_returned_key_has_a_gap(spark, aircraft):
    found = read(spark, aircraft, {"tail_number": "N2"})

    assert [(v.start, v.end) for v in found.versions] == [(day(1), day(3)), (day(5), None)]


def test_an_unknown_key_has_no_versions(spark, aircraft):
    assert read(spark, aircraft, {"tail_number": "n1"}).versions == ()


def test_a_limit_keeps_the_newest_and_says_that_there_are_earlier_ones(spark, aircraft):
    found = read(spark, aircraft, {"tail_number": "N1"}, limit=2)

    assert [v.values["airport"] for v in found.versions] == ["LAX", "BOS"]
    assert found.earlier


def test_times_are_in_utc_whatever_the_zone_of_the_machine(spark, aircraft, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        found = read(spark, aircraft, {"tail_number": "N1"})
    finally:
        monkeypatch.undo()
        time.tzset()

    assert found.versions[0].start == datetime(2024, 1, 1, tzinfo=UTC)


def test_the_value_of_the_key_is_not_in_the_query_plan(spark, aircraft, capsys):
    wanted = one_key(spark, {"tail_number": "N1secret"}, AIRCRAFT)
    plans = []
    real = type(wanted).collect

    def watched(frame):
        frame.explain("extended")
        plans.append(capsys.readouterr().out)
        return real(frame)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(wanted), "collect", watched)
        read_key(spark.table(aircraft), wanted, AIRCRAFT, table=aircraft, limit=5)

    assert len(plans) == 1
    assert "airport" in plans[0]
    assert "N1secret" not in plans[0]


def test_an_encrypted_column_is_called_encrypted_and_an_end_of_9999_is_open(spark, lake_namespace):
    table = f"{lake_namespace}.enhanced"
    event = {
        "business_key": 7,
        "new_source_column1": "a",
        "new_source_column2": "***",
        "new_source_column3": b"\x01token",
        "new_source_id": 7,
        "record_status": "A",
        "source_sequence": day(1),
        "source_created_date": day(0),
        "source_version": 1,
        "source_checksum": "x",
        "source_system": "S",
        "data_classification": "INTERNAL",
        "created_by": "x",
    }
    load_events(spark, ENHANCED, table, [event, event | {"business_key": 8}])

    found = read(spark, table, {"business_key": 7}, contract=ENHANCED)

    assert len(found.versions) == 1
    assert found.versions[0].values["new_source_column3"] == "encrypted"
    assert found.versions[0].start == day(0)
    assert found.versions[0].end is None


def test_a_pseudonymised_key_is_found_by_its_clear_value(spark, lake_namespace):
    contract = protecting(AIRCRAFT, "tail_number", Protection(ProtectionKind.PSEUDONYMISE))
    keys = ProtectionKeys(*[DataKey(name, name.encode() * 16) for name in ("k1", "k2", "k3")])
    clear = one_key(spark, {"tail_number": "N1"}, contract)
    stored = pseudonymised(
        clear,
        {"tail_number": named("tail_number")},
        keys.pseudonym.material,
        table=contract.target,
    ).collect()[0][0]
    table = f"{lake_namespace}.aircraft"
    load_events(spark, contract, table, [flight(stored, day(0), "JFK")])
    ring = SimpleNamespace(keys_for=lambda target, create: keys)
    lake = Lakehouse(SimpleNamespace(key_ring=ring), spark)

    versions = spark.table(table)
    wanted = lake.stored_key(contract, versions, {"tail_number": "N1"})
    found = read_key(versions, wanted, contract, table=table, limit=5)

    assert found.key == {"tail_number": stored}
    assert stored != "N1"


def test_at_a_moment_only_what_held_then_is_left(spark, aircraft):
    found = read(spark, aircraft, {"tail_number": "N2"})

    assert [v.start for v in at_moment(found, day(2)).versions] == [day(1)]
    assert [v.start for v in at_moment(found, day(900)).versions] == [day(5)]
    for nothing in (day(0), day(3), day(4)):
        with pytest.raises(NotFoundError):
            at_moment(found, nothing)


def test_versions_ordered_by_numbers_held_at_no_time():
    with pytest.raises(UsageError, match="--as-of"):
        at_moment(history_of(version(1, 2, airport="JFK")), day(0))


def test_days_and_moments_beyond_python_are_shown_as_keys_values_and_ends(spark, lake_namespace):
    table = f"{lake_namespace}.far"
    spark.sql(
        f"CREATE TABLE {table} AS SELECT * FROM VALUES "  # noqa: S608 - a name of our own
        "(DATE'-0043-03-15', 1, TIMESTAMP'-0043-03-15 12:00:00Z', "
        " TIMESTAMP'2024-01-01 00:00:00Z', false, "
        " TIMESTAMP'+294246-01-01 00:00:00.000001Z', array(DATE'-0001-01-01', NULL), "
        " struct(TIMESTAMP'+12000-01-01 00:00:00Z' AS at, DATE'2024-02-29' AS on)), "
        "(DATE'-0043-03-15', 1, TIMESTAMP'2024-01-01 00:00:00Z', "
        " TIMESTAMP'+10000-01-01 00:00:00Z', true, NULL, NULL, NULL), "
        "(DATE'2024-01-01', 1, TIMESTAMP'2024-01-01 00:00:00Z', NULL, true, NULL, NULL, NULL) "
        "AS t(born, seat, valid_from, valid_to, is_current, seen, flown, first)"
    )
    contract = SimpleNamespace(
        name="far",
        key=("born", "seat"),
        columns=(),
        history=SimpleNamespace(tracked=("seen",)),
        column=lambda name: SimpleNamespace(type={"born": "date", "seat": "int"}[name]),
    )
    settings = SimpleNamespace(
        key=("born", "seat"), valid_from="valid_from", valid_to="valid_to", is_current="is_current"
    )
    key = {"born": far_moment("0044-03-15 BC", day=True), "seat": 1}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versions_of_key, "history_settings", lambda _: settings)
        patch.setattr(versions_of_key, "_business", lambda _: frozenset({"seen", "flown", "first"}))
        found = read(spark, table, key, contract=contract)

    answer = plain(history_data(found))
    assert answer["key"] == {"born": "-0043-03-15", "seat": 1}
    assert [(each["from"], each["to"], each["values"]) for each in answer["versions"]] == [
        (
            "-0043-03-15T12:00:00+00:00",
            "2024-01-01T00:00:00+00:00",
            {
                "seen": "+294246-01-01T00:00:00.000001+00:00",
                "flown": ["-0001-01-01", None],
                "first": {"at": "+12000-01-01T00:00:00+00:00", "on": "2024-02-29"},
            },
        ),
        ("2024-01-01T00:00:00+00:00", None, {"seen": None, "flown": None, "first": None}),
    ]
    drawn = text_of(version_chart(found, now=NOW, width=140))
    assert "-0043-03-15 12:00 → 2024-01-01" in drawn
    assert "seen=+294246-01-01 00:00:00.000001" in drawn
    assert at_moment(found, day(3)).versions == found.versions[1:]
    assert at_moment(found, datetime(1, 1, 1, tzinfo=UTC)).versions == found.versions[:1]
