"""What becomes of each row of one read of a source, and what is counted of them."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pyspark.sql import Observation

from contracts.model import (
    Classification,
    Column,
    Contract,
    History,
    LoadKind,
    NullWatermark,
    Protection,
    ProtectionKind,
    Severity,
    Source,
    SourceColumn,
    SourceKind,
    Transformation,
)
from contracts.model.source_kind import with_read_at
from history.spark.column_quoting_and_comparison import named
from tasks.transforms import stage_plan, stage_rows
from tasks.transforms.checks.row_checks import findings, reasons
from tasks.transforms.protection.aes_gcm_encryption import decrypted
from tasks.transforms.stage_input import Known, Origin
from tasks.transforms.subject_digests import SUBJECT_DIGEST, with_subject_digest
from tests.tasks.transforms.examples import KEYS

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SCHEMA = "id bigint, v decimal(12,2), pay decimal(12,2), at timestamp, __unfit string"


def column(name, kind, transformation, *sources, **more):
    made = Transformation(transformation)
    return Column(name, kind, more.pop("nullable", True), made, sources=sources, **more)


def lots(*, kind=SourceKind.STATE, stamp="timestamp", required=False, **source):
    """A small table: a key, a value, one that is encrypted, and a stamp."""
    origin = Source(
        connection="c",
        schema="s",
        table="lots",
        columns=(
            SourceColumn("id", "bigint"),
            SourceColumn("v", "decimal(12,2)"),
            SourceColumn("pay", "decimal(12,2)", classification=Classification.RESTRICTED),
            SourceColumn("at", stamp, nullable=not required),
        ),
        load=LoadKind.INCREMENTAL,
        sequence=("at",),
        watermark=("at",),
        kind=kind,
        **source,
    )
    columns = (
        column("id", "bigint", "direct", "id", nullable=False),
        column("v", "decimal(12,2)", "direct", "v"),
        column(
            "pay",
            "decimal(12,2)",
            "direct",
            "pay",
            classification=Classification.RESTRICTED,
            protection=Protection(ProtectionKind.ENCRYPT),
        ),
        column("at", stamp, "sequence"),
        column("valid_from", "timestamp", "valid_from"),
        column("valid_to", "timestamp", "valid_to"),
        column("is_current", "boolean", "is_current"),
        column("print", "string", "fingerprint"),
    )
    made = Contract(
        name="lots",
        version="1",
        description="Lots",
        owner="me",
        namespace="n",
        table="lots",
        source=origin,
        columns=columns,
        key=("id",),
        history=History(tracked=("v", "pay")),
    )
    return with_read_at(made) if origin.is_state else made


def read(**more):
    usual = {"read_at": NOW, "watermark_limit": NOW}
    return Origin("b1", NOW, "n.lots", **(usual | more))


@pytest.fixture
def stage(spark, tmp_path):
    """Stages rows as the load would, and tells them, what was observed, and the findings."""

    def staged(rows, contract, origin, schema=SCHEMA, **known):
        observation, plan = Observation("stage"), stage_plan.compile_stage(contract)
        frame = stage_rows.stage_rows(
            spark.createDataFrame(rows, schema),
            plan,
            KEYS,
            origin,
            known=Known(**known),
            observation=observation,
        )
        written = str(tmp_path / uuid.uuid4().hex)
        frame.write.parquet(written)
        told = spark.read.parquet(written).withColumn(
            "reasons",
            reasons(plan.checks, named(stage_plan.FAILED), named(stage_plan.UNFIT_COLUMNS)),
        )
        seen = observation.get
        judged = {name: value for name, value in seen.items() if isinstance(value, int)}
        return told, seen, {f.check: f for f in findings(plan.checks, judged) if f.failed}

    return staged


def kinds(told):
    return {
        (row.id, row[stage_plan.KIND]): [tuple(reason) for reason in row.reasons or ()]
        for row in told.collect()
    }


def test_all_tokens_of_a_stage_are_made_in_one_crossing_to_python(spark, capsys):
    frame = stage_rows.stage_rows(
        spark.createDataFrame([row(1)], SCHEMA),
        stage_plan.compile_stage(lots()),
        KEYS,
        read(),
        known=Known(),
        observation=Observation("plan"),
    )

    frame.explain()

    crossings = [line for line in capsys.readouterr().out.splitlines() if "ArrowEvalPython" in line]
    (sealing,) = [line for line in crossings if "seal(" in line]
    # The column of the target, that of the refused row, and what could not be carried of it.
    assert sealing.count("seal(") == 3


def moment(micros):
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)


def row(key, v="1.00", at=NOW - HOUR, unfit=None, pay="5.00"):
    def number(text):
        return None if text is None else Decimal(text)

    return (key, number(v), number(pay), at, unfit)


def test_two_rows_of_one_key_are_both_refused_and_no_other(stage):
    rows = [row(1), row(1, "2.00"), row(2), row(3), row(3), row(None), row(None)]

    told, seen, found = stage(rows, lots(), read(one_row_a_key=False))

    twin = [("one_row_a_key", "id")]
    assert kinds(told) == {
        (1, "refused"): twin,
        (2, "event"): [],
        (3, "refused"): twin,
        (None, "refused"): [("key_present", "id")],
    }
    assert (seen["kind_refused"], found["one_row_a_key"].failed) == (6, 4)


def test_a_source_that_has_one_row_a_key_is_not_asked_again_and_a_log_may_have_many(stage):
    rows = [row(1), row(1, "2.00")]

    proven, _, _ = stage(rows, lots(), read(one_row_a_key=True))
    log, _, _ = stage(rows, lots(kind=SourceKind.EVENTS), read(one_row_a_key=False))

    assert {each[stage_plan.KIND] for each in proven.collect()} == {"event"}
    assert {each[stage_plan.KIND] for each in log.collect()} == {"event"}


def test_a_value_that_could_not_be_carried_refuses_its_row_and_is_kept_as_text(stage, spark):
    lost = json.dumps({"v": "NaN", "pay": "1e400"})
    rows = [
        row(1),
        row(2, None, unfit=json.dumps({"v": "NaN"})),
        row(3, None, unfit=lost, pay=None),
    ]

    told, _, found = stage(rows, lots(), read())

    assert kinds(told) == {
        (1, "event"): [],
        (2, "refused"): [("value_fits", "v")],
        (3, "refused"): [("value_fits", "v"), ("value_fits", "pay")],
    }
    assert (found["value_fits"].failed, found["value_fits"].columns) == (2, ("v", "pay"))
    kept = {
        each.id: json.loads(each[stage_plan.SOURCE_ROW]) for each in told.collect() if each.reasons
    }
    assert kept[2]["__unfit"] == {"v": "NaN"}
    assert kept[2]["__unfit_protected"] is None
    assert (kept[2]["id"], kept[2]["v"]) == (2, None)
    assert kept[3]["__unfit"] == {"v": "NaN"}
    assert "1e400" not in str(kept[3])
    assert opened(spark, kept[3]["__unfit_protected"]) == {"pay": "1e400"}


def opened(spark, text):
    from tasks.transforms.protection.column_protection import from_text

    frame = spark.createDataFrame([(text,)], "t string")
    clear = decrypted(
        from_text(named("t")),
        {KEYS.encryption.id: KEYS.encryption},
        table="n.lots",
        column_name="source:__unfit",
        kind="string",
    )
    return json.loads(frame.select(clear.alias("c")).collect()[0].c)


def test_rows_that_differ_only_in_what_could_not_be_carried_are_two_in_the_quarantine(stage):
    rows = [row(1, None, unfit=json.dumps({"v": text})) for text in ("NaN", "Infinity")]

    told, _, _ = stage(rows, lots(), read())

    assert told.select(stage_plan.DIGEST).distinct().count() == 2


@pytest.mark.parametrize(("severity", "kind"), [("warn", "event"), ("refuse", "refused")])
def test_a_stamp_of_the_future_is_told_and_may_refuse_its_row(stage, severity, kind):
    near, far = NOW + timedelta(seconds=60), NOW + timedelta(seconds=61)
    contract = lots(future_stamps=Severity(severity))

    told, seen, found = stage([row(1, at=near), row(2, at=far), row(3)], contract, read())

    assert {each.id: each[stage_plan.KIND] for each in told.collect()} == {
        1: "event", 2: kind, 3: "event",
    }  # fmt: skip
    assert (found["stamp_not_ahead"].failed, found["stamp_not_ahead"].severity) == (1, severity)
    assert moment(seen[stage_plan.WATERMARK]) == NOW - HOUR


def test_the_watermark_is_of_rows_that_were_not_refused_and_of_no_later_than_its_limit(stage):
    rows = [
        row(1, at=NOW - 3 * HOUR),
        row(2, at=NOW - HOUR),
        row(None, at=NOW - 2 * HOUR),
        row(4, at=NOW + HOUR),
    ]

    _, seen, _ = stage(rows, lots(), read())
    _, held, _ = stage(rows, lots(), read(watermark_limit=NOW - 2 * HOUR))
    _, none, _ = stage([row(None), row(4, at=NOW + HOUR)], lots(), read())

    assert moment(seen[stage_plan.WATERMARK]) == NOW - HOUR
    assert moment(held[stage_plan.WATERMARK]) == NOW - 3 * HOUR
    assert moment(held[stage_plan.JUDGED_UNTIL]) == NOW - HOUR
    assert (none[stage_plan.WATERMARK], moment(none[stage_plan.JUDGED_UNTIL])) == (None, NOW - HOUR)


@pytest.mark.parametrize(
    ("contract", "kind"),
    [
        (lots(), "event"),
        (lots(required=True), "refused"),
        (lots(required=True, null_watermark=NullWatermark.OBSERVE), "event"),
        (lots(null_watermark=NullWatermark.REFUSE), "refused"),
        (lots(kind=SourceKind.EVENTS), "refused"),
    ],
)
def test_a_row_without_a_stamp_is_taken_as_seen_where_the_contract_lets_it(stage, contract, kind):
    told, _, _ = stage([row(1, at=None)], contract, read())

    expected = [("sequence_present", "at")] if kind == "refused" else []
    assert kinds(told) == {(1, kind): expected}


def test_a_promise_about_the_column_that_splits_the_read_is_held_against_the_rows(stage):
    def split(contract, **more):
        columns = tuple(
            replace(c, nullable=False) if c.name == "v" else c for c in contract.source.columns
        )
        source = replace(contract.source, partition_column="v", columns=columns)
        return replace(contract, source=source, **more)

    told, _, _ = stage([row(1, None)], split(lots()), read())

    assert kinds(told) == {(1, "refused"): [("partition_present", "v")]}


def test_what_an_earlier_batch_judged_is_judged_again_and_not_counted(stage):
    rows = [row(None, at=NOW - each * HOUR) for each in (1, 2, 3)]
    rows += [row(None, at=None), row(None, at=NOW + HOUR)]

    told, first, _ = stage(rows, lots(), read())
    _, again, _ = stage(rows, lots(), read(read_until=NOW - 2 * HOUR))

    assert told.count() == 5
    assert (first["rows"], again["rows"]) == (5, 1)
    assert (first["kind_refused"], again["kind_refused"]) == (5, 5)


def test_of_a_day_that_was_read_in_part_all_rows_count(stage):
    rows = [row(key, at=date(2024, 4, 28 + key)) for key in (0, 1, 2)]
    midnight = datetime(2024, 4, 29, tzinfo=UTC)

    _, seen, _ = stage(
        rows, lots(stamp="date"), read(read_until=midnight), SCHEMA.replace("timestamp", "date")
    )

    assert seen["rows"] == 2
    assert moment(seen[stage_plan.WATERMARK]) == datetime(2024, 4, 30, tzinfo=UTC)


def test_keys_of_rows_that_say_nothing_are_staged_only_where_it_matters_who_was_seen(stage):
    from contracts.model import Condition, Operator

    contract = lots(ignore=(Condition("v", Operator.IS_NULL),))
    rows = [row(1), row(2, None)]

    unseen, _, _ = stage(rows, contract, read())
    seen, _, _ = stage(rows, contract, read(stages_all_keys=True))

    assert {(each.id, each[stage_plan.KIND]) for each in unseen.collect()} == {(1, "event")}
    assert {(each.id, each[stage_plan.KIND]) for each in seen.collect()} == {
        (1, "event"), (2, "ignored"),
    }  # fmt: skip


def test_a_whole_number_smaller_than_int_is_staged_as_the_table_keeps_it(stage, spark):
    small = tuple(
        replace(c, type="smallint") if c.name == "v" else c for c in lots().source.columns
    )
    contract = lots()
    contract = replace(
        contract,
        source=replace(contract.source, columns=small),
        columns=tuple(
            replace(c, type="smallint") if c.name == "v" else c for c in contract.columns
        ),
    )
    rows = [(1, 7, Decimal(5), NOW, None)]

    told, _, _ = stage(rows, contract, read(), SCHEMA.replace("v decimal(12,2)", "v smallint"))

    assert [each.v for each in told.collect()] == [7]


def test_a_row_about_an_erased_person_is_counted_and_neither_staged_nor_judged(spark, stage):
    persons = spark.createDataFrame([(2, Decimal("5.00"))], "id bigint, pay decimal(12,2)")

    def erased(*columns):
        digested = with_subject_digest(persons, columns, KEYS.fingerprint.material, table="n.lots")
        return {columns: digested.select(SUBJECT_DIGEST)}

    rows = [row(1), row(2), row(2, "9.00", at=None), row(3, at=None), row(None)]
    by_key, seen, found = stage(
        rows, lots(required=True), read(stages_all_keys=True), erased=erased("id")
    )
    by_both, _, _ = stage(
        rows, lots(required=True), read(), erased=erased("id") | erased("id", "pay")
    )
    others, _, _ = stage(
        rows,
        lots(required=True),
        read(),
        erased={("id",): erased("id", "pay")["id", "pay"]},
    )

    staged = {(1, "event"), (3, "refused"), (None, "refused")}
    assert {(each.id, each[stage_plan.KIND]) for each in by_key.collect()} == staged
    assert {(each.id, each[stage_plan.KIND]) for each in by_both.collect()} == staged
    assert others.where("id = 2").count() == 2
    assert (seen["kind_erased"], seen["kind_refused"], seen["rows"]) == (2, 2, 3)
    assert {each.failed for each in found.values()} == {1}
