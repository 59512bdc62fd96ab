"""Sources that are read as they are now, by stamps that are coarse, ahead, missing or small."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import yaml

from contracts.loader import load_contract
from contracts.model.reserved_column_names import OPERATION
from contracts.schemas.spark_schemas import event_schema
from flows.load_table import load_table
from history import Read, load_changes
from strandline.terminal.load_summary import load_data
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.compiler.source_kind_in_history_table import with_recorded_source_kind
from tasks.run.progress_listeners import listening
from tests.flows.state_contracts import write_contract

DAYS = {"id": "INTEGER", "v": "VARCHAR(20)", "updated_at": "DATE"}
STAMPED = {"id": "INTEGER", "v": "VARCHAR(20)", "updated_at": "TIMESTAMP"}
SMALL = {"id": "INTEGER", "v": "SMALLINT", "updated_at": "TIMESTAMP"}
BY_STAMP = {"load": "incremental", "watermark": ["updated_at"]}


@pytest.fixture(scope="module")
def place(make_workplace, tmp_path_factory):
    """A workplace whose contracts differ in what they say of their stamps."""
    folder = tmp_path_factory.mktemp("states")
    write_contract(folder, "days", DAYS, BY_STAMP)
    write_contract(folder, "ahead", STAMPED, BY_STAMP)
    write_contract(folder, "promised", STAMPED, BY_STAMP, required=("id", "updated_at"))
    write_contract(folder, "lacking", STAMPED, BY_STAMP)
    write_contract(folder, "small", SMALL, BY_STAMP)
    write_contract(folder, "unsaid", STAMPED, BY_STAMP)
    write_contract(folder, "keyless", STAMPED, BY_STAMP)
    write_contract(folder, "harmed", STAMPED, BY_STAMP)
    write_contract(folder, "raced", STAMPED, BY_STAMP)
    for name in ("unsaid", "keyless"):
        _say_nothing(folder / f"{name}.yaml")
    made = make_workplace(folder)
    for name in ("ahead", "promised", "lacking", "unsaid", "harmed", "raced"):
        made.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, v text, updated_at timestamp)")
    made.execute("CREATE TABLE keyless (id int, v text, updated_at timestamp)")
    made.execute("CREATE TABLE days (id int PRIMARY KEY, v text, updated_at date)")
    made.execute("CREATE TABLE small (id int PRIMARY KEY, v smallint, updated_at timestamp)")
    return made


def _say_nothing(path):
    """The contract as one of an earlier release: no kind, and no column for reads."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    del document["customProperties"][0]["value"]["source"]["kind"]
    columns = document["schema"][0]["properties"]
    columns[:] = [column for column in columns if column["name"] != "read_at"]
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def fill(place, name, *rows):
    place.execute(f"INSERT INTO {name} VALUES (%s, %s, %s)", *rows)  # noqa: S608 - our own


def versions(place, name):
    """(key, value, starts at the read, is open), in their order."""
    rows = place.table(f"states.{name}").orderBy("id", "valid_from").collect()
    return [(row.id, row.v, row.valid_from == row.read_at, row.is_current) for row in rows]


def day(number, month=1, year=2024):
    return datetime(year, month, number, tzinfo=UTC)


def reasons(place, name):
    rows = place.table("governance.quarantine").where(f"target_table LIKE '%.{name}'").collect()
    return sorted((row.record_key, *sorted(r.check for r in row.reasons)) for row in rows)


def publish_nothing(place, name, *, watermark=None):
    """Another writer's batch: a later read that found no change, and a watermark it believes."""
    contract = load_contract(place.settings.contracts_directory / f"{name}.yaml")
    schema = event_schema(contract).add(OPERATION, "string")
    now = datetime.now(UTC)
    return load_changes(
        place.spark,
        place.spark.createDataFrame([], schema),
        f"{place.settings.lakehouse.catalog}.{contract.target}",
        history_settings(contract),
        batch_id=f"other {watermark}",
        batch_time=now,
        read=Read(at=now, full=False),
        watermark=watermark,
    )


def test_a_change_within_the_day_of_its_stamp_is_a_version_from_the_read_on(place):
    fill(place, "days", (1, "a", "2024-01-01"), (2, "x", "2023-12-01"))
    first = load_table("days")
    place.execute("UPDATE days SET v = 'b' WHERE id = 1")
    second = load_table("days")

    assert versions(place, "days") == [
        (1, "a", False, False), (1, "b", True, True), (2, "x", False, True),
    ]  # fmt: skip
    assert first.staged.watermark == second.staged.watermark == day(1)
    assert (first.staged.rows_read, second.staged.rows_read) == (2, 1)
    assert reasons(place, "days") == []


def test_a_stamp_of_the_future_is_told_and_hides_no_change(place):
    fill(place, "ahead", (1, "a", "2024-01-01"), (2, "b", "2099-01-01"))
    first = load_table("ahead")
    place.execute("UPDATE ahead SET v = 'c', updated_at = '2024-01-02' WHERE id = 1")
    second = load_table("ahead")
    place.execute("UPDATE ahead SET v = 'd', updated_at = '2024-01-03' WHERE id = 2")
    third = load_table("ahead")

    assert versions(place, "ahead") == [
        (1, "a", False, False), (1, "c", False, True),
        (2, "b", True, False), (2, "d", True, True),
    ]  # fmt: skip
    told = {f.check: (f.failed, f.severity) for f in first.verdict.findings if f.failed}
    assert told == {"stamp_not_ahead": (1, "warn")}
    marks = [each.staged.watermark for each in (first, second, third)]
    assert marks == [day(1), day(2), day(3)]


def test_a_row_without_the_stamp_that_is_promised_is_refused_each_time_and_stops_nothing(place):
    fill(place, "promised", *[(key, "a", "2024-01-01" if key < 3 else None) for key in range(1, 5)])
    first = load_table("promised")
    second = load_table("promised")

    assert (first.staged.rows_read, first.staged.refused) == (4, 2)
    assert (second.staged.refused, second.verdict.score) == (2, None)
    assert [version[0] for version in versions(place, "promised")] == [1, 2]
    assert reasons(place, "promised") == [
        ('{"id":3}', "sequence_present"), ('{"id":4}', "sequence_present"),
    ]  # fmt: skip


def test_a_row_without_a_stamp_holds_from_the_read_on_where_none_is_promised(place):
    fill(place, "lacking", (1, "a", "2024-01-01"), (2, "b", None))
    load_table("lacking")
    place.execute("UPDATE lacking SET v = 'c' WHERE id = 2")
    again = load_table("lacking")

    assert versions(place, "lacking") == [
        (1, "a", False, True), (2, "b", True, False), (2, "c", True, True),
    ]  # fmt: skip
    assert again.staged.rows_read == 2


def test_whole_numbers_that_iceberg_has_no_type_for_are_loaded(place):
    fill(place, "small", (1, 32_767, "2024-01-01"), (2, -32_768, "2024-01-01"), (3, None, None))
    load_table("small")

    assert [version[1] for version in versions(place, "small")] == [32_767, -32_768, None]


def test_a_contract_that_does_not_say_its_kind_is_read_by_what_its_source_proves(place):
    fill(place, "unsaid", (1, "a", "2024-01-01"))
    fill(place, "keyless", (1, "a", "2024-01-01"), (1, "b", "2024-01-02"))
    state, log = load_table("unsaid"), load_table("keyless")
    place.execute("UPDATE unsaid SET v = 'b'")
    place.execute("ALTER TABLE keyless ADD COLUMN n int GENERATED ALWAYS AS IDENTITY")
    load_table("unsaid")
    again = load_table("keyless")

    assert (state.source_kind, log.source_kind) == ("state", "events")
    assert "unique key" in state.taken_because
    assert load_data(log)["source_kind_taken_because"] == log.taken_because
    assert versions(place, "unsaid") == [(1, "a", False, False), (1, "b", True, True)]
    assert (again.source_kind, again.taken_because) == (
        "events", "the table was loaded as such before",
    )  # fmt: skip
    for name in ("unsaid", "keyless"):
        silent = load_contract(place.settings.contracts_directory / f"{name}.yaml")
        table = f"{place.settings.lakehouse.catalog}.{silent.target}"
        kept = with_recorded_source_kind(place.spark, silent, table)
        assert kept.source.kind == {"unsaid": "state", "keyless": "events"}[name]
        assert (kept.generated("read_at") is None) == (name == "keyless")


def test_a_watermark_of_the_future_that_was_believed_before_is_believed_no_more(place):
    fill(place, "harmed", (1, "a", "2024-01-01"), (2, "b", "2024-01-01"))
    load_table("harmed")
    publish_nothing(place, "harmed", watermark="2099-01-01T00:00:00+00:00")
    place.execute("UPDATE harmed SET v = 'c', updated_at = '2024-01-02' WHERE id = 1")

    mended = load_table("harmed")

    assert (mended.staged.rows_read, mended.staged.watermark) == (2, day(2))
    assert versions(place, "harmed")[:2] == [(1, "a", False, False), (1, "c", False, True)]


def test_a_state_is_read_anew_when_another_writer_was_faster(place):
    fill(place, "raced", (1, "a", "2024-01-01"))
    load_table("raced")
    place.execute("UPDATE raced SET v = 'b', updated_at = '2024-01-02'")
    begun = []

    def interfere(progress):
        if (progress.step, progress.state) == ("extract", "begun"):
            begun.append(progress.step)
        if (progress.step, progress.state) == ("audit", "done") and len(begun) == 1:
            place.execute("UPDATE raced SET v = 'c', updated_at = '2024-01-03'")
            publish_nothing(place, "raced", watermark="2024-01-01T12:00:00+00:00")

    with listening(interfere):
        summary = load_table("raced")

    assert (summary.report.attempts, len(begun)) == (2, 2)
    assert [(value, is_open) for _, value, _, is_open in versions(place, "raced")] == [
        ("a", False), ("c", True),
    ]  # fmt: skip
