"""The requests that AWS Lake Formation gets, against a double that keeps filters as it does.

moto lists no filter and creates none: what it has is used (STS, the list), and the rest of the
requests is checked as boto3 sends them, which its own model of the service has validated.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from moto.server import ThreadedMotoServer

from contracts.errors import ContractError, LakehouseUnavailableError, SettingsError
from contracts.model import AboveLevel, Classification, Role, RowRight
from tasks.access.lake_formation_filters import GlueTable, account_of, apply_filters
from tasks.compiler.compile_role_rights import compile_role_rights
from tests.tasks.access.lake_formation_double import NAMES, TABLE, LakeFormation, client
from tests.tasks.access.matrix import COLUMNS, contract_with

NURSE = Role("nurse", level=Classification.INTERNAL, above=AboveLevel.REDACT)
DOCTOR = Role(
    "doctor",
    level=Classification.RESTRICTED,
    mask={"public_clear": 2},
    rows=RowRight(current=True, where="status <> 'it\\'s' OR id >= 10"),
)


def test_a_role_becomes_a_row_filter_and_a_list_of_columns():
    aws = LakeFormation()

    done = aws.apply(NURSE, DOCTOR)

    assert done.created == ("nurse", "doctor")
    nurse, doctor = aws.filters["strandline__nurse"], aws.filters["strandline__doctor"]
    assert nurse["RowFilter"] == {"FilterExpression": "\"row_level\" IN ('PUBLIC', 'INTERNAL')"}
    levels = "'PUBLIC', 'INTERNAL', 'CONFIDENTIAL', 'RESTRICTED'"
    assert doctor["RowFilter"]["FilterExpression"] == (
        f'("row_level" IN ({levels})) AND ("is_current" = true) AND '
        "((\"status\" <> 'it''s') OR (\"id\" >= 10))"
    )
    # No masks there: what a role does not see as it is stored is not in the list.
    hidden = {name for name in NAMES if name.startswith(("confidential", "restricted"))}
    assert nurse["ColumnNames"] == [name for name in NAMES if name not in hidden]
    assert doctor["ColumnNames"] == [name for name in NAMES if name != "public_clear"]
    assert "ColumnWildcard" not in nurse


def test_a_table_whose_rows_are_not_classified_shows_all_of_them():
    aws = LakeFormation()
    contract = replace(contract_with([NURSE]), row_classification=None)

    apply_filters(aws.client, TABLE, compile_role_rights(contract), NAMES, lambda plan: None)

    assert aws.filters["strandline__nurse"]["RowFilter"] == {"AllRowsWildcard": {}}


def test_what_is_right_is_left_and_what_is_taken_away_goes_first():
    aws = LakeFormation(page=1)
    others = [Role(f"r{n}", level=Classification.PUBLIC) for n in range(3)]
    aws.filters["of_somebody_else"] = {"Name": "of_somebody_else"}
    aws.apply(NURSE, DOCTOR, *others)
    aws.sent.clear()

    assert aws.apply(NURSE, DOCTOR, *others).unchanged == ("nurse", "doctor", "r0", "r1", "r2")
    assert aws.sent == []

    done = aws.apply(replace(NURSE, deny=("status",)), Role("new"), *others[:2])

    assert (done.deleted, done.updated, done.created) == (("doctor", "r2"), ("nurse",), ("new",))
    assert aws.sent == [
        ("DeleteDataCellsFilter", "strandline__doctor"),
        ("DeleteDataCellsFilter", "strandline__r2"),
        ("UpdateDataCellsFilter", "strandline__nurse"),
        ("CreateDataCellsFilter", "strandline__new"),
    ]
    assert "of_somebody_else" in aws.filters


def test_a_filter_that_somebody_widened_is_narrowed_again():
    aws = LakeFormation()
    aws.apply(NURSE)
    aws.filters["strandline__nurse"] |= {"ColumnWildcard": {}, "ColumnNames": []}

    assert aws.apply(NURSE).updated == ("nurse",)
    aws.filters["strandline__nurse"]["RowFilter"] = {"AllRowsWildcard": {}}
    assert aws.apply(NURSE).updated == ("nurse",)


def test_a_column_that_the_table_gains_or_lacks_is_as_the_contract_says():
    aws = LakeFormation()

    aws.apply(NURSE, columns=[*NAMES[:3], "gained"])

    assert aws.filters["strandline__nurse"]["ColumnNames"] == NAMES[:3]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("day >= '2024-01-01'", "compares with no day"),
        ("status IN (" + ", ".join(f"'{n:06d}'" for n in range(300)) + ")", "Shorten"),
    ],
)
def test_a_filter_that_can_not_be_enforced_there_changes_nothing(where, words):
    aws = LakeFormation()
    day = replace(COLUMNS[0], name="day", type="date")
    roles = (NURSE, Role("late", level=Classification.PUBLIC, rows=RowRight(where=where)))
    rights = compile_role_rights(contract_with(roles, (*COLUMNS, day)))

    with pytest.raises(ContractError, match=words):
        apply_filters(aws.client, TABLE, rights, NAMES, lambda plan: None)

    assert aws.sent == []


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        ((400, "AccessDeniedException"), SettingsError),
        ((400, "ThrottlingException"), LakehouseUnavailableError),
        ((400, "ConcurrentModificationException"), LakehouseUnavailableError),
        ((500, "InternalServiceException"), LakehouseUnavailableError),
    ],
)
def test_a_refusal_and_no_answer_are_different_errors(refusal, error, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    aws = LakeFormation()
    aws.refusal = refusal

    with pytest.raises(error, match=refusal[1]):
        aws.apply(NURSE)


def test_moto_names_the_account_and_lists_what_there_is():
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        table = GlueTable(account_of(client(endpoint, "sts")), "wards", "matrix")
        assert table.account == "123456789012"
        none = compile_role_rights(contract_with([Role("blind", deny=("id",))]))
        done = apply_filters(client(endpoint), table, none[:0], NAMES, lambda plan: None)
        assert not done.changes
    finally:
        server.stop()
