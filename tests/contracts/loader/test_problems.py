from __future__ import annotations

import copy

import pytest

from contracts.errors import ContractError
from contracts.loader import load_contract, problems

EXT = "customProperties.strandline"
SOURCE = f"{EXT}.source"
HISTORY = f"{EXT}.history"
RETENTION = f"{EXT}.privacy.retention"


def source(d):
    return d["customProperties"][0]["value"]["source"]


def privacy(d):
    return d["customProperties"][0]["value"]["privacy"]


def history(d):
    return d["customProperties"][0]["value"]["history"]


def column(d, name):
    return next(p for p in d["schema"][0]["properties"] if p["name"] == name)


def ours(d, name):
    return column(d, name)["customProperties"][0]["value"]


def origin(d, name):
    return next(c for c in source(d)["columns"] if c["name"] == name)


def check(d, identifier):
    return next(c for c in d["schema"][0]["quality"] if c["id"] == identifier)


def place(name):
    """The path of a target column of the shipped contract."""
    return f"schema[0].properties[{COLUMNS.index(name)}]"


def made(name):
    return f"{place(name)}.{EXT}.transformation"


def protection(name):
    return f"{place(name)}.{EXT}.protection"


def judged(identifier):
    return f"schema[0].quality[{CHECKS.index(identifier)}]"


COLUMNS = [
    "surrogate_key", "business_key", "new_source_column1", "new_source_column2",
    "new_source_column3", "new_source_id", "source_system", "record_status",
    "effective_start_date", "effective_end_date", "is_current", "created_timestamp",
    "updated_timestamp", "created_by", "updated_by", "data_quality_score", "source_checksum",
    "batch_id", "data_classification", "retention_date", "source_sequence",
    "source_created_date", "source_version", "read_at",
]  # fmt: skip
CHECKS = [
    "id_required", "column1_required", "created_date_required", "column1_not_blank",
    "column1_length", "column2_length", "column3_range", "status_known",
    "created_before_updated", "created_date_past", "updated_date_past", "change_unique",
]  # fmt: skip


def remove(d, name):
    d["schema"][0]["properties"].remove(column(d, name))


def as_events(d, **more):
    remove(d, "read_at")
    source(d).update(kind="events")
    history(d).update(more)


def unpartitioned(d, *names):
    for name in names:
        del column(d, name)["partitioned"]


# Each case: what is changed, then every problem it must give: the path and words of its message.
CASES = {
    "a name that is not the file's": (lambda d: d.update(name="x"), {"name": "file's name"}),
    "no version": (lambda d: d.pop("version"), {"version": "is missing"}),
    "a version that is a number": (lambda d: d.update(version=1.0), {"version": "must be text"}),
    "no id": (lambda d: d.pop("id"), {"id": "is missing"}),
    "no owner": (lambda d: d.pop("team"), {"team": "is missing"}),
    "no purpose": (
        lambda d: d["description"].pop("purpose"),
        {"description.purpose": "is missing"},
    ),
    "no schema": (lambda d: d.pop("schema"), {"schema": "is missing"}),
    "two tables": (
        lambda d: d["schema"].append(copy.deepcopy(d["schema"][0])),
        {"schema": "one table"},
    ),
    "a table without a namespace": (
        lambda d: d["schema"][0].update(physicalName="t"),
        {"schema[0].physicalName": "namespace.table"},
    ),
    "no source and no history": (
        lambda d: d["customProperties"][0].update(value={}),
        {SOURCE: "is missing", HISTORY: "is missing"},
    ),
    "none of our own properties": (lambda d: d.pop("customProperties"), {EXT: "is missing"}),
    "our own name mistyped": (
        lambda d: d["customProperties"][0].update(property="strandlin"),
        {EXT: "is missing", "customProperties[0].property": "did you mean strandline?"},
    ),
    "an unknown version of the standard": (
        lambda d: d.update(apiVersion="v2.0.0"),
        {"apiVersion": "unknown version"},
    ),
    "a key the standard does not know": (
        lambda d: d.update(versoin="1"),
        {"versoin": "did you mean version?"},
    ),
    "a mistyped classification, which the standard's model would drop": (
        lambda d: column(d, "new_source_id").update(clasification="CONFIDENTIAL"),
        {f"{place('new_source_id')}.clasification": "did you mean classification?"},
    ),
    "credentials": (
        lambda d: d["servers"][0].update(
            customProperties=[{"property": "x", "value": {"password": "x"}}]
        ),
        {"servers[0].customProperties[0].value.password": "no credentials"},
    ),
    "an unknown key of the source": (
        lambda d: source(d).update(overlapp="1 hour"),
        {f"{SOURCE}.overlapp": "did you mean overlap?"},
    ),
    "an unknown key of the history": (
        lambda d: history(d).update(trakced=[]),
        {f"{HISTORY}.trakced": "did you mean tracked?"},
    ),
    "an unknown key of a column": (
        lambda d: ours(d, "business_key").update(linage=True),
        {f"{place('business_key')}.{EXT}.linage": "did you mean lineage?"},
    ),
    "an unknown transformation": (
        lambda d: ours(d, "new_source_column1").update(transformation={"name": "uper_trim"}),
        {f"{made('new_source_column1')}.name": "did you mean upper_trim?"},
    ),
    "an empty transformation": (
        lambda d: ours(d, "new_source_column1").update(transformation=None),
        {made("new_source_column1"): "is missing"},
    ),
    "a generated column that says no transformation": (
        lambda d: column(d, "is_current").pop("customProperties"),
        {f"{place('is_current')}.name": "the transformation is_current"},
    ),
    "a column of a type that the source's column does not fit": (
        lambda d: d["schema"][0]["properties"].append(
            {"name": "created_date", "physicalType": "BOOLEAN"}
        ),
        {f"schema[0].properties[{len(COLUMNS)}].physicalType": "can't hold every value"},
    ),
    "a copied column of no type": (
        lambda d: d["schema"][0]["properties"].append({"name": "more", "physicalType": "WORD"}),
        {f"schema[0].properties[{len(COLUMNS)}].physicalType": "unknown type WORD"},
    ),
    "a log without a sequence": (
        lambda d: (as_events(d), source(d).pop("sequence")),
        {f"{SOURCE}.sequence": "needs at least one column"},
    ),
    "a state without a sequence, and a column that would have to have one": (
        lambda d: (source(d).pop("sequence"), column(d, "source_sequence").update(required=True)),
        {f"{place('source_sequence')}.required": "null where the source has no sequence"},
    ),
    "an unknown argument and a missing one": (
        lambda d: ours(d, "new_source_column2")["transformation"].update(arguments={"defalt": "x"}),
        {
            f"{made('new_source_column2')}.arguments.defalt": "did you mean default?",
            f"{made('new_source_column2')}.arguments.default": "is missing",
        },
    ),
    "an argument of the wrong kind": (
        lambda d: ours(d, "new_source_column3")["transformation"]["arguments"].update(scale="two"),
        {f"{made('new_source_column3')}.arguments.scale": "must be a whole number"},
    ),
    "bounds the wrong way round": (
        lambda d: ours(d, "new_source_column3")["transformation"]["arguments"].update(low=1e7),
        {f"{made('new_source_column3')}.arguments.low": "lies above high"},
    ),
    "codes that are not text": (
        lambda d: ours(d, "record_status")["transformation"]["arguments"].update(codes={"A": 1}),
        {f"{made('record_status')}.arguments.codes": "have to be text"},
    ),
    "a default that does not fit": (
        lambda d: ours(d, "source_system")["transformation"]["arguments"].update(value=7),
        {f"{made('source_system')}.arguments.value": "does not fit"},
    ),
    "an unknown type": (
        lambda d: column(d, "source_version").update(physicalType="NUMBR"),
        {f"{place('source_version')}.physicalType": "unknown type"},
    ),
    "a decimal without precision": (
        lambda d: column(d, "data_quality_score").update(physicalType="DECIMAL"),
        {f"{place('data_quality_score')}.physicalType": "unknown type"},
    ),
    "a logical type that disagrees": (
        lambda d: column(d, "source_version").update(logicalType="string"),
        {f"{place('source_version')}.logicalType": "does not fit"},
    ),
    "a column that can't hold its source": (
        lambda d: column(d, "business_key").update(physicalType="INTEGER"),
        {f"{place('business_key')}.physicalType": "can't hold every value of bigint"},
    ),
    "rounding text": (
        lambda d: column(d, "new_source_column3").update(
            transformSourceObjects=["new_source_table.column1"]
        ),
        {f"{place('new_source_column3')}.transformSourceObjects": "reads a number"},
    ),
    "a fingerprint that is a number": (
        lambda d: column(d, "source_checksum").update(physicalType="BIGINT", logicalType="integer"),
        {f"{place('source_checksum')}.physicalType": "fingerprint is string"},
    ),
    "a source column that is not there": (
        lambda d: column(d, "business_key").update(transformSourceObjects=["new_source_table.idd"]),
        {f"{place('business_key')}.transformSourceObjects[0]": "did you mean id?"},
    ),
    "two sources where one is read": (
        lambda d: column(d, "business_key").update(transformSourceObjects=["id", "column1"]),
        {f"{place('business_key')}.transformSourceObjects": "reads 1 source column"},
    ),
    "a required column that may become null": (
        lambda d: column(d, "new_source_column3").update(required=True),
        {f"{place('new_source_column3')}.required": "may give null"},
    ),
    "a column twice, in another case": (
        lambda d: column(d, "created_by").update(name="UPDATED_BY"),
        {f"{place('updated_by')}.name": "occurs twice"},
    ),
    "a reserved name": (
        lambda d: column(d, "created_by").update(name="__op"),
        {f"{place('created_by')}.name": "reserved"},
    ),
    "a name that Iceberg reserves": (
        lambda d: column(d, "created_by").update(name="_Row_Id"),
        {f"{place('created_by')}.name": "reserved by Iceberg"},
    ),
    "a source column of a reserved name": (
        lambda d: source(d)["columns"].append({"name": "__Mask", "physicalType": "BIGINT"}),
        {f"{SOURCE}.columns": "__mask: names that start with __ are reserved"},
    ),
    "a source column twice": (
        lambda d: source(d)["columns"].append({"name": "ID", "physicalType": "BIGINT"}),
        {f"{SOURCE}.columns": "id occurs twice"},
    ),
    "an unknown classification": (
        lambda d: column(d, "created_by").update(classification="SECRET"),
        {f"{place('created_by')}.classification": "unknown word"},
    ),
    "a key that is no column": (
        lambda d: history(d).update(key=["busines_key"]),
        {f"{HISTORY}.key": "did you mean business_key?"},
    ),
    "no key": (lambda d: history(d).pop("key"), {f"{HISTORY}.key": "is missing"}),
    "an empty key": (lambda d: history(d).update(key=[]), {f"{HISTORY}.key": "at least one"}),
    "a key that may be null": (
        lambda d: column(d, "business_key").update(required=False),
        {f"{HISTORY}.key": "may be null"},
    ),
    "a key that is encrypted": (
        lambda d: ours(d, "business_key").update(protection={"kind": "encrypt"}),
        {protection("business_key"): "does not keep a key recognisable"},
    ),
    "a key that is masked": (
        lambda d: ours(d, "business_key").update(protection={"kind": "mask", "keep": 1}),
        {protection("business_key"): "use pseudonymise"},
    ),
    "a tracked column that is none": (
        lambda d: history(d)["tracked"].append("record_state"),
        {f"{HISTORY}.tracked": "did you mean record_status?"},
    ),
    "a tracked column that is generated": (
        lambda d: history(d)["tracked"].append("batch_id"),
        {f"{HISTORY}.tracked": "generated"},
    ),
    "a tracked key": (
        lambda d: history(d)["tracked"].append("business_key"),
        {f"{HISTORY}.tracked": "can't be tracked too"},
    ),
    "an unknown tie-breaker": (
        lambda d: as_events(d, tie_breaker=["version"]),
        {f"{HISTORY}.tie_breaker": "no column version"},
    ),
    "an unknown start of the first version": (
        lambda d: history(d).update(first_valid_from="created"),
        {f"{HISTORY}.first_valid_from": "no column created"},
    ),
    "a start of another type than the sequence": (
        lambda d: history(d).update(first_valid_from="new_source_id"),
        {f"{HISTORY}.first_valid_from": "is bigint, the valid_from timestamp"},
    ),
    "a tie-breaker that is encrypted": (
        lambda d: (
            as_events(d, tie_breaker=["source_version"]),
            ours(d, "source_version").update(protection={"kind": "encrypt"}),
        ),
        {protection("source_version"): "orders or dates"},
    ),
    "an end that is no time": (
        lambda d: history(d).update(open_end="never"),
        {f"{HISTORY}.open_end": "must be a date and time"},
    ),
    "a column under the name of one that appears by itself": (
        lambda d: column(d, "effective_end_date").update(
            name="valid_to",
            transformSourceObjects=["created_date"],
            customProperties=[],
            required=True,
        ),
        {f"{place('effective_end_date')}.name": "the transformation valid_to"},
    ),
    "two fingerprints": (
        lambda d: ours(d, "batch_id").update(transformation={"name": "fingerprint"}),
        {"schema[0].properties": "more than one column"},
    ),
    "a retention date without a retention": (
        lambda d: d["slaProperties"].pop(),
        {"slaProperties": "retention", f"{RETENTION}.action": "for how long"},
    ),
    "a retention of nothing that is known": (
        lambda d: privacy(d).update(retention={"action": "hide", "form": "load"}),
        {f"{RETENTION}.action": "unknown word hide", f"{RETENTION}.form": "unknown key"},
    ),
    "a retention of a state from its load": (
        lambda d: privacy(d)["retention"].update({"from": "load"}),
        {f"{RETENTION}.from": "is a record still"},
    ),
    "anonymised versions without a fingerprint": (
        lambda d: (
            remove(d, "source_checksum"),
            history(d).update(tracked=["new_source_column2", "record_status"]),
        ),
        {f"{RETENTION}.action": "would become one"},
    ),
    "anonymised versions that are dated by what is personal": (
        lambda d: privacy(d).update(subject=["source_created_date"]),
        {f"{RETENTION}.action": "ordered or dated by it"},
    ),
    "keys of persons that nothing is encrypted with": (
        lambda d: privacy(d).update(subject=["new_source_column3"], subjectKeys=True),
        {f"{EXT}.privacy.subjectKeys": "no column is encrypted"},
    ),
    "a primary key that is not unique": (
        lambda d: (
            column(d, "surrogate_key").pop("primaryKey"),
            column(d, "business_key").update(primaryKey=True),
        ),
        {"schema[0].properties": "primaryKey marks what is unique"},
    ),
    "a confidential column in the clear": (
        lambda d: ours(d, "new_source_column3").pop("protection"),
        {protection("new_source_column3"): "CONFIDENTIAL and not protected"},
    ),
    "a restricted column in the clear": (
        lambda d: column(d, "record_status").update(classification="RESTRICTED"),
        {protection("record_status"): "RESTRICTED and not protected"},
    ),
    "a confidential source declared harmless": (
        lambda d: ours(d, "new_source_column2").pop("protection"),
        {protection("new_source_column2"): "made of column2"},
    ),
    "a protected generated column": (
        lambda d: ours(d, "batch_id").update(protection={"kind": "encrypt"}),
        {protection("batch_id"): "generated"},
    ),
    "an unknown protection": (
        lambda d: ours(d, "new_source_column3").update(protection={"kind": "encript"}),
        {f"{protection('new_source_column3')}.kind": "did you mean encrypt?"},
    ),
    "an encryption that keeps characters": (
        lambda d: ours(d, "new_source_column3")["protection"].update(keep=2),
        {f"{protection('new_source_column3')}.keep": "only a mask"},
    ),
    "encrypted and tracked without a fingerprint": (
        lambda d: remove(d, "source_checksum"),
        {protection("new_source_column3"): "needs a fingerprint"},
    ),
    "encrypted and partitioning": (
        lambda d: (
            history(d).update(partitioning=["new_source_column3"]),
            unpartitioned(d, "is_current", "created_timestamp"),
        ),
        {f"{HISTORY}.partitioning": "tokens do not partition"},
    ),
    "a format that Iceberg does not have yet": (
        lambda d: history(d).update(format_version=4),
        {f"{HISTORY}.format_version": "must be between 2 and 3"},
    ),
    "an unknown partition term": (
        lambda d: (
            history(d).update(partitioning=["decades(created_timestamp)"]),
            unpartitioned(d, "is_current", "created_timestamp"),
        ),
        {f"{HISTORY}.partitioning[0]": "is no partition term"},
    ),
    "years of a flag": (
        lambda d: (
            history(d).update(partitioning=["years(is_current)"]),
            unpartitioned(d, "is_current", "created_timestamp"),
        ),
        {f"{HISTORY}.partitioning[0]": "needs a date"},
    ),
    "a partition flag that disagrees": (
        lambda d: unpartitioned(d, "is_current"),
        {f"{place('is_current')}.partitioned": "disagrees"},
    ),
    "an incremental load without a watermark": (
        lambda d: source(d).update(watermark=[]),
        {f"{SOURCE}.watermark": "needs a watermark"},
    ),
    "a watermark that is text": (
        lambda d: source(d).update(watermark=["column1"]),
        {f"{SOURCE}.watermark": "dates or timestamps"},
    ),
    "a watermark that the source lacks": (
        lambda d: source(d).update(watermark=["updatd_date", "created_date"]),
        {f"{SOURCE}.watermark": "did you mean updated_date?"},
    ),
    "a sequence that the source lacks": (
        lambda d: source(d).update(sequence=["created_date", "changed"]),
        {f"{SOURCE}.sequence": "no column changed"},
    ),
    "a sequence of two types": (
        lambda d: source(d).update(sequence=["created_date", "version_number"]),
        {f"{SOURCE}.sequence": "columns of one type"},
    ),
    "an unknown kind": (
        lambda d: source(d).update(kind="event"),
        {f"{SOURCE}.kind": "did you mean events?"},
    ),
    "a tie-breaker of a state": (
        lambda d: history(d).update(tie_breaker=["source_version"]),
        {f"{HISTORY}.tie_breaker": "one row a key"},
    ),
    "a log and closing what is absent": (
        lambda d: (
            as_events(d, absent="close"),
            source(d).update(load="full"),
            source(d).pop("overlap"),
        ),
        {f"{HISTORY}.absent": "a log does not say"},
    ),
    "the read that first saw a version, of a log": (
        lambda d: source(d).update(kind="events"),
        {f"{SOURCE}.kind": "say kind: state"},
    ),
    "a state whose versions start at days": (
        lambda d: column(d, "effective_start_date").update(physicalType="DATE", logicalType="date"),
        {
            f"{place('effective_start_date')}.physicalType": "valid_from is timestamp",
            f"{HISTORY}.first_valid_from": "is timestamp, the valid_from date",
            f"{HISTORY}.open_end": "not a timestamp",
        },
    ),
    "an instant of the read that is a day": (
        lambda d: column(d, "read_at").update(physicalType="DATE", logicalType="date"),
        {f"{place('read_at')}.physicalType": "read_at is timestamp"},
    ),
    "an unknown word for future stamps": (
        lambda d: source(d).update(future_stamps="refused"),
        {f"{SOURCE}.future_stamps": "did you mean refuse?"},
    ),
    "an unknown word for null watermarks": (
        lambda d: source(d).update(null_watermark="observed"),
        {f"{SOURCE}.null_watermark": "did you mean observe?"},
    ),
    "a closing limit beyond all, and one that is none": (
        lambda d: source(d).update(closing_limit={"percent": 101, "row": 1}),
        {
            f"{SOURCE}.closing_limit.percent": "between 0 and 100",
            f"{SOURCE}.closing_limit.row": "did you mean rows?",
        },
    ),
    "incremental and closing what is absent": (
        lambda d: history(d).update(absent="close"),
        {f"{HISTORY}.absent": "does not see what is absent"},
    ),
    "full and overlapping": (
        lambda d: source(d).update(load="full"),
        {f"{SOURCE}.overlap": "reads everything"},
    ),
    "an unknown load": (
        lambda d: source(d).update(load="incrementl"),
        {f"{SOURCE}.load": "did you mean incremental?"},
    ),
    "an overlap without a unit": (
        lambda d: source(d).update(overlap="1"),
        {f"{SOURCE}.overlap": "unit of time"},
    ),
    "a batch size of nothing": (
        lambda d: source(d).update(batch_size=0),
        {f"{SOURCE}.batch_size": "must be between 1"},
    ),
    "retries that are a flag": (
        lambda d: source(d).update(retry_attempts=True),
        {f"{SOURCE}.retry_attempts": "must be a whole number"},
    ),
    "a filter on a column that is not there": (
        lambda d: source(d)["membership"][0].update(column="state"),
        {f"{SOURCE}.membership[0].column": "no column state"},
    ),
    "a filter without values": (
        lambda d: source(d)["membership"][0].update(values=[]),
        {f"{SOURCE}.membership[0].values": "at least one value"},
    ),
    "a filter with values it does not take": (
        lambda d: source(d)["membership"][0].update(operator="is_null"),
        {f"{SOURCE}.membership[0].values": "takes no values"},
    ),
    "an unknown operator": (
        lambda d: source(d)["membership"][0].update(operator="inn"),
        {f"{SOURCE}.membership[0].operator": "did you mean in?"},
    ),
    "an unknown rule": (
        lambda d: check(d, "id_required")["implementation"].update(rule="requird"),
        {f"{judged('id_required')}.implementation.rule": "did you mean required?"},
    ),
    "a check of another engine": (
        lambda d: check(d, "id_required").update(engine="soda"),
        {f"{judged('id_required')}.engine": "does not run soda"},
    ),
    "a check on a column that is not there": (
        lambda d: check(d, "column2_length")["implementation"].update(columns=["colum2"]),
        {f"{judged('column2_length')}.implementation.columns[0]": "did you mean column"},
    ),
    "a check on too many columns": (
        lambda d: check(d, "id_required")["implementation"].update(columns=["id", "column1"]),
        {f"{judged('id_required')}.implementation.columns": "looks at 1 column"},
    ),
    "a length of a number": (
        lambda d: check(d, "column2_length")["implementation"].update(columns=["column3"]),
        {f"{judged('column2_length')}.implementation.columns": "looks at text"},
    ),
    "a range without bounds": (
        lambda d: check(d, "column3_range")["implementation"].pop("arguments"),
        {f"{judged('column3_range')}.implementation.arguments": "low, high or both"},
    ),
    "a range of text over numbers": (
        lambda d: check(d, "column3_range")["implementation"]["arguments"].update(low="a"),
        {f"{judged('column3_range')}.implementation.arguments.low": "does not fit"},
    ),
    "a pattern that does not compile": (
        lambda d: check(d, "column2_length")["implementation"].update(
            rule="matches", arguments={"pattern": "("}
        ),
        {f"{judged('column2_length')}.implementation.arguments.pattern": "no regular expression"},
    ),
    "a reference that is no name": (
        lambda d: check(d, "column2_length")["implementation"].update(
            rule="references", arguments={"relation": "a; DROP TABLE b", "column": "c"}
        ),
        {f"{judged('column2_length')}.implementation.arguments.relation": "name of a table"},
    ),
    "a weight above one": (
        lambda d: check(d, "id_required")["implementation"].update(weight=2),
        {f"{judged('id_required')}.implementation.weight": "between 0 and 1"},
    ),
    "a weight of nothing": (
        lambda d: check(d, "id_required")["implementation"].update(weight=0),
        {f"{judged('id_required')}.implementation.weight": "above 0"},
    ),
    "an unknown severity": (
        lambda d: check(d, "id_required").update(severity="eror"),
        {f"{judged('id_required')}.severity": "did you mean error?"},
    ),
    "an unknown dimension": (
        lambda d: check(d, "id_required").update(dimension="completness"),
        {f"{judged('id_required')}.dimension": "did you mean completeness?"},
    ),
    "two checks of one id": (
        lambda d: check(d, "column1_required").update(id="id_required"),
        {f"{judged('column1_required')}.id": "occurs twice"},
    ),
    "a check beside its column": (
        lambda d: column(d, "business_key").update(
            quality=[copy.deepcopy(check(d, "id_required"))]
        ),
        {f"{place('business_key')}.quality[0]": "lie with the table"},
    ),
    "a threshold above one": (
        lambda d: d["customProperties"][0]["value"]["quality"].update(threshold=95),
        {f"{EXT}.quality.threshold": "between 0 and 1"},
    ),
    "a service level without a unit": (
        lambda d: d["slaProperties"][0].pop("unit"),
        {"slaProperties[0].unit": "is missing"},
    ),
    "a mistyped service level": (
        lambda d: d["slaProperties"][1].update(property="runtime"),
        {"slaProperties[1].property": "did you mean runTime?"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_is_told_once_with_its_place(case, document, written):
    change, expected = CASES[case]
    change(document)

    found = problems(written(document))

    told = {problem.path: str(problem) for problem in found}
    assert set(told) == set(expected), [str(problem) for problem in found]
    for path, words in expected.items():
        assert words in told[path]
    assert {problem.file for problem in found} == {"new_source_table.yaml"}


def test_all_mistakes_of_a_file_are_told_at_once(document, written):
    cases = [
        "no version", "an unknown transformation", "a tracked column that is none",
        "an unknown rule", "a confidential column in the clear", "an overlap without a unit",
        "an incremental load without a watermark", "a mistyped service level",
    ]  # fmt: skip
    expected: dict[str, str] = {}
    for case in cases:
        change, told = CASES[case]
        change(document)
        expected |= told

    with pytest.raises(ContractError) as caught:
        load_contract(written(document))

    lines = caught.value.found.splitlines()
    assert lines[0] == f"{len(expected)} problems:"
    for path, words in expected.items():
        assert [line for line in lines if line.startswith(f"  - {path}: ") and words in line]


def test_a_source_column_that_is_mapped_nowhere_is_fine(document, written):
    mapped = [
        name
        for p in document["schema"][0]["properties"]
        for name in p.get("transformSourceObjects", [])
    ]

    assert "new_source_table.checksum" not in mapped
    assert problems(written(document)) == ()


def test_columns_that_choose_rows_may_be_null(document, written):
    source(document).update(watermark=["updated_date"], partition_column="updated_date")

    assert problems(written(document)) == ()


def test_a_contract_need_not_say_what_its_source_is(document, written):
    remove(document, "read_at")
    source(document).pop("kind")

    assert problems(written(document)) == ()


def test_a_pseudonymised_key_is_fine(document, written):
    ours(document, "business_key").update(protection={"kind": "pseudonymise"})

    assert problems(written(document)) == ()
