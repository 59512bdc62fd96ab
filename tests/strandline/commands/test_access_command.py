"""`strandline access` and `decrypt`: what a role sees, and who gets a value in the clear."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
import yaml
from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from blocks.lookup import block_lookup
from contracts.errors import KeyUnavailableError, LakehouseUnavailableError, SettingsError
from contracts.loader import TABLES, load_contract
from contracts.schemas.target_ddl import create_table
from strandline.command_line import main
from strandline.commands.access import access_command
from strandline.queries.open_lakehouse import Lakehouse
from tasks.access import decrypt_versions
from tasks.access.decrypt_versions import key_grant, open_decrypted_view
from tasks.compiler.compile_role_rights import compile_role_rights, rights_of
from tasks.transforms.protection.aes_gcm_encryption import token
from tests.strandline.examples import ENHANCED, NOW, day
from tests.strandline.lakes import append, run_settings_in
from tests.tasks.access.lake_formation_double import LakeFormation

TARGET = "seen.target_schema.target_table_enhanced"
AUDIT = "seen.governance.audit_log"
CLEAR = ("71234.56", "81234.56", "91234.56")
END = ENHANCED.history.open_end
WHY = ("--reason", "ticket 4711")
AS_STEWARD = ("decrypt", "new_source_table", "7", "--as", "steward", *WHY)


@pytest.fixture(scope="module")
def lake(spark, postgres, tmp_path_factory):
    """A loaded table of the specification with two records, and the file that names its blocks."""
    folder = tmp_path_factory.mktemp("seen")
    document = yaml.safe_load((TABLES / "new_source_table.yaml").read_text())
    contracts = folder / "contracts"
    contracts.mkdir()
    path = contracts / "new_source_table.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    settings = run_settings_in(folder, postgres, "seen")
    settings = settings.model_copy(update={"contracts_directory": contracts})
    session = settings.spark.session(settings.lakehouse)
    session.sql("CREATE NAMESPACE seen.target_schema")
    key = settings.key_ring.keys_for(ENHANCED.target, create=True).encryption
    tokens = sealed(session, key)
    session.sql(create_table(ENHANCED, TARGET))
    rows = [
        row(1, 7, (day(0), day(2)), tokens[0], "INTERNAL"),
        row(2, 7, (day(2), END), tokens[1], "INTERNAL"),
        row(3, 8, (day(1), END), tokens[2], "CONFIDENTIAL"),
    ]
    append(session, TARGET, rows)
    blocks = block_lookup.save_local(folder / "blocks.yaml", ("default", settings))
    return SimpleNamespace(
        spark=session, settings=settings, blocks=blocks, contract=path, document=document
    )


def sealed(session, key):
    frame = session.createDataFrame([(each,) for each in CLEAR], "text string")
    value = F.col("text").cast("decimal(10,2)")
    made = token(
        value, kind="decimal(10,2)", key=key, table=ENHANCED.target, column="new_source_column3"
    )
    return [row.token for row in frame.select(made.alias("token")).collect()]


def row(surrogate, number, held, amount, level):
    start, end = held
    return {
        "surrogate_key": surrogate,
        "business_key": number,
        "new_source_id": number,
        "new_source_column1": f"first-{number}",
        "new_source_column2": "se***",
        "new_source_column3": amount,
        "source_system": "NEW_SOURCE",
        "record_status": "A",
        "effective_start_date": start,
        "effective_end_date": end,
        "is_current": end == END,
        "created_timestamp": NOW,
        "source_checksum": f"{number}-{start}",
        "batch_id": "b1",
        "data_classification": level,
        "source_sequence": start,
        "source_created_date": start,
        "created_by": "m***",
        "updated_by": "m***",
    }


@pytest.fixture
def strandline(lake, monkeypatch, capsys):
    """Runs a command against the lakehouse: exit code, standard output, standard error."""
    monkeypatch.setenv(block_lookup.VARIABLE, str(lake.blocks))
    monkeypatch.setenv("COLUMNS", "140")

    def run(*arguments: str) -> SimpleNamespace:
        code = main(arguments)
        told = capsys.readouterr()
        return SimpleNamespace(code=code, out=told.out, err=told.err)

    return run


def audited(lake):
    """The entries of the audit log, oldest first."""
    try:
        log = lake.spark.table(AUDIT)
    except AnalysisException:
        return []
    return log.orderBy("sequence").collect()


def nothing_was_shown(ended):
    assert not any(each in ended.out + ended.err for each in CLEAR)


def test_the_roles_of_a_table_are_listed_without_a_lakehouse(strandline):
    told = json.loads(strandline("access", "new_source_table", "--json").out)

    assert [(each["role"], each["decrypt"]) for each in told["roles"]] == [
        ("analyst", []),
        ("steward", ["new_source_column3"]),
    ]
    page = strandline("access", "new_source_table").out
    assert "data_classification is PUBLIC or INTERNAL" in page


def test_what_a_role_sees_is_told_column_by_column_with_the_reason(strandline):
    ended = strandline("access", "new_source_table", "--as", "analyst")

    assert (ended.code, ended.err) == (0, "")
    assert "2 of 3" in ended.out
    assert "CONFIDENTIAL, above INTERNAL" in ended.out
    assert "first-7" not in ended.out


def test_rows_come_where_they_are_asked_for_as_the_role_sees_them(strandline):
    analyst = json.loads(
        strandline("access", "new_source_table", "--as", "analyst", "--rows", "9", "--json").out
    )
    steward = json.loads(
        strandline("access", "new_source_table", "--as", "steward", "--rows", "9", "--json").out
    )

    assert {each["business_key"] for each in analyst["examples"]} == {7}
    assert all("new_source_column3" not in each for each in analyst["examples"])
    assert {each["business_key"] for each in steward["examples"]} == {7, 8}
    assert {each["new_source_column3"] for each in steward["examples"]} == {"encrypted"}
    assert (
        "first-7" in strandline("access", "new_source_table", "--as", "analyst", "--rows", "1").out
    )


def test_an_unknown_role_is_an_error_with_a_suggestion(strandline):
    for command in (
        ("access", "new_source_table", "--as", "analist"),
        ("decrypt", "new_source_table", "7", "--as", "analist", *WHY),
    ):
        ended = strandline(*command)
        assert ended.code == 66
        assert "did you mean analyst?" in ended.err
        assert ended.out == ""


def test_options_that_exclude_each_other_are_refused(strandline):
    assert strandline("access", "aircraft", "--grants", "--as", "analyst").code == 64
    assert strandline("access", "aircraft", "--rows", "3").code == 64


def test_the_grants_give_each_role_its_view_and_take_the_table(strandline):
    told = json.loads(strandline("access", "new_source_table", "--grants", "--json").out)

    assert f"GRANT SELECT ON VIEW {TARGET}__analyst TO ROLE `analyst`;" in told["statements"]
    for table in (TARGET, f"{TARGET}__kept_events", "seen.governance.quarantine"):
        assert f"REVOKE ALL PRIVILEGES ON TABLE {table} FROM ROLE `analyst`;" in told["statements"]


def test_views_are_made_by_a_command_too_and_the_audit_log_says_so_first(lake, strandline):
    before = len(audited(lake))

    first = json.loads(strandline("access", "new_source_table", "--apply", "views", "--json").out)
    again = json.loads(strandline("access", "new_source_table", "--apply", "views", "--json").out)

    assert first["written"] == ["analyst", "steward"]
    assert again["unchanged"] == ["analyst", "steward"]
    (entry,) = audited(lake)[before:]
    assert (entry.action, entry.subject) == ("grant", TARGET)
    seen = lake.spark.table(f"{TARGET}__analyst").collect()
    assert {each.business_key for each in seen} == {7}
    assert f"{TARGET}__analyst" in strandline("access", "new_source_table", "--as", "analyst").out


def test_lake_formation_needs_a_catalog_that_it_knows(strandline):
    ended = strandline("access", "new_source_table", "--apply", "lake-formation")

    assert ended.code == 78
    assert "--apply views" in ended.err


def test_filters_of_lake_formation_are_applied_after_the_audit_log_says_so(lake, monkeypatch):
    aws, before = LakeFormation(), len(audited(lake))
    sts = SimpleNamespace(get_caller_identity=lambda: {"Account": "123456789012"})
    clients = {"lakeformation": aws.client, "sts": sts}
    lakehouse = lake.settings.lakehouse.model_copy(update={"kind": "glue"})
    settings = lake.settings.model_copy(update={"lakehouse": lakehouse})
    monkeypatch.setattr(type(lakehouse), "aws_client", lambda _, service: clients[service])
    contract = load_contract(lake.contract)
    roles = compile_role_rights(contract)

    def apply():
        return access_command.apply_lake_formation(Lakehouse(settings, lake.spark), contract, roles)

    assert apply()["created"] == ("analyst", "steward")
    assert apply()["unchanged"] == ("analyst", "steward")

    (entry,) = audited(lake)[before:]
    assert (entry.action, entry.subject) == ("grant", TARGET)
    sent = aws.filters["strandline__analyst"]
    assert (sent["DatabaseName"], sent["TableName"]) == ("target_schema", "target_table_enhanced")
    assert "new_source_column3" not in sent["ColumnNames"]


def test_who_may_sees_the_versions_of_a_record_in_the_clear_after_the_log_says_so(
    lake, strandline, caplog
):
    before = len(audited(lake))
    with caplog.at_level(logging.DEBUG):
        ended = strandline(*AS_STEWARD, "--json")

    told = json.loads(ended.out)
    assert [each["new_source_column3"] for each in told["versions"]] == list(CLEAR[:2])
    (entry,) = audited(lake)[before:]
    assert (entry.action, entry.subject, entry.reason) == ("decrypt", TARGET, "ticket 4711")
    key = lake.settings.key_ring.keys_for(ENHANCED.target, create=False)
    text = str(entry)
    assert key.encryption.id in text
    assert "steward" in text
    assert not any(each in text or each in caplog.text for each in CLEAR)
    assert key.encryption.material.hex() not in text + caplog.text
    again = audited(lake)
    assert CLEAR[0] in strandline(*AS_STEWARD).out
    # A record has one name in the log, by which its accesses are found without naming it.
    assert record_of(audited(lake)[len(again)]) == record_of(entry)
    strandline("decrypt", "new_source_table", "8", "--as", "steward", *WHY)
    assert record_of(audited(lake)[-1]) != record_of(entry)


def record_of(entry):
    return json.loads(entry.record)["details"]["record"]


def test_as_of_shows_what_held_then(strandline):
    told = json.loads(strandline(*AS_STEWARD, "--as-of", "2024-01-02", "--json").out)

    assert [each["new_source_column3"] for each in told["versions"]] == [CLEAR[0]]


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        (("9", "--as", "steward", *WHY), 66, "that the role sees"),
        (("7", "--as", "analyst", *WHY), 78, "names no column"),
        (("7", "--as", "steward", "--reason", " "), 64, "--reason"),
        (("7", "--as", "steward"), 64, "reason"),
        (("7", *WHY), 64, "--as"),
        (("7", "--as", "steward", *WHY, "--column", "created_by"), 78, "may decrypt"),
        (("7", "--as", "steward", *WHY, "--column", "new_source_colum3"), 78, "did you mean"),
        (("7", "--as", "steward", *WHY, "--as-of", "1999-01-01"), 66, "held at that moment"),
        (("seven", "--as", "steward", *WHY), 64, "business_key"),
    ],
)
def test_who_may_not_or_asks_wrongly_gets_nothing_and_the_log_no_entry(
    lake, strandline, typed, code, words
):
    before = audited(lake)

    ended = strandline("decrypt", "new_source_table", *typed)

    assert ended.code == code
    assert words in " ".join(ended.err.split())
    nothing_was_shown(ended)
    assert audited(lake) == before


def test_without_the_audit_log_there_is_no_value(lake, strandline, monkeypatch):
    def broken(*_, **__):
        raise LakehouseUnavailableError(
            where="log", expected="an answer", found="none", next_step="Run it again."
        )

    monkeypatch.setattr(decrypt_versions, "record_audit", broken)

    ended = strandline(*AS_STEWARD)

    assert ended.code == 75
    nothing_was_shown(ended)
    with pytest.raises(LakehouseUnavailableError):
        open_decrypted_view(lake.spark, lake.settings, TARGET, grant_of(lake), at=NOW)
    assert not lake.spark.catalog.tableExists("target_table_enhanced__steward__decrypted")


def test_a_lost_key_ring_shows_nothing_and_says_what_to_do(lake, strandline):
    path = lake.settings.key_ring.path
    kept, before = path.read_bytes(), audited(lake)
    path.unlink()
    try:
        ended = strandline(*AS_STEWARD)
    finally:
        path.write_bytes(kept)

    assert ended.code == 78
    assert "Restore it from its copy" in " ".join(ended.err.split())
    nothing_was_shown(ended)
    assert audited(lake) == before


def test_a_token_whose_key_is_gone_is_named_as_such(lake, strandline, monkeypatch):
    other = lake.settings.key_ring.keys_for("another.table", create=True).encryption
    monkeypatch.setattr(decrypt_versions, "decryption_keys", lambda *_: {other.id: other})

    ended = strandline(*AS_STEWARD)

    assert (ended.code, "KeyUnavailableError" in ended.err) == (78, True)
    nothing_was_shown(ended)


def grant_of(lake, role="steward"):
    contract = load_contract(lake.contract)
    return key_grant(lake.settings, contract, rights_of(contract, role), reason="review")


def test_a_decrypting_view_is_of_one_session_that_has_the_grant_and_is_audited(lake):
    session = lake.settings.spark.session(lake.settings.lakehouse, shared=False)
    other = lake.settings.spark.session(lake.settings.lakehouse, shared=False)
    before = len(audited(lake))

    view = open_decrypted_view(session, lake.settings, TARGET, grant_of(lake), at=NOW)

    rows = session.table(view).collect()
    assert {each.new_source_column3 for each in rows} == {Decimal(each) for each in CLEAR}
    with pytest.raises(AnalysisException):
        other.table(view).collect()
    (entry,) = audited(lake)[before:]
    assert (entry.action, entry.reason) == ("decrypt", "review")
    key = lake.settings.key_ring.keys_for(ENHANCED.target, create=False).encryption.material
    plan = session.table(view)._jdf.queryExecution().toString()
    assert key.hex() not in plan.lower()
    with pytest.raises(SettingsError):
        grant_of(lake, "analyst")


def test_a_decrypting_view_shows_no_row_and_no_column_that_the_role_does_not_see(lake):
    contract = load_contract(lake.contract)
    roles = [
        replace(each, rows=replace(each.rows, where="business_key = 7"), deny=("created_by",))
        for each in contract.roles
    ]
    rights = rights_of(replace(contract, roles=tuple(roles)), "steward")
    session = lake.settings.spark.session(lake.settings.lakehouse, shared=False)

    grant = key_grant(lake.settings, contract, rights, reason="review")
    view = open_decrypted_view(session, lake.settings, TARGET, grant, at=datetime.now(UTC))

    shown = session.table(view)
    assert "created_by" not in shown.columns
    assert {each.new_source_column3 for each in shown.collect()} == {
        Decimal(each) for each in CLEAR[:2]
    }


def test_a_key_ring_of_another_table_opens_nothing(lake):
    contract = replace(load_contract(lake.contract), namespace="elsewhere")

    with pytest.raises(KeyUnavailableError):
        key_grant(lake.settings, contract, rights_of(contract, "steward"), reason="review")
