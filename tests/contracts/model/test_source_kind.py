"""What a source is taken for where its contract does not say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.errors import ContractError
from contracts.loader import TABLES, load_contract
from contracts.model import Absence, Column, SourceKind, Transformation
from contracts.model.source_kind import (
    one_row_a_key,
    source_kind_reason,
    with_read_at,
    with_source_kind,
)
from contracts.model.source_relation import Relation, RelationColumn
from contracts.validation.contract_notices import notices

SAID = load_contract(TABLES / "existing_table_1.yaml")
UNSAID = replace(
    SAID,
    source=replace(SAID.source, kind=None),
    columns=tuple(c for c in SAID.columns if c.name != "read_at"),
    history=replace(SAID.history, absent=Absence.KEEP),
)
AIRCRAFT = load_contract(TABLES / "aircraft.yaml")


def relation(*unique):
    columns = tuple(
        RelationColumn(c.name, "text", "base", nullable=False) for c in SAID.source.columns
    )
    return Relation("source_schema", "existing_table_1", columns, unique, row_security=False)


def kind_of(contract, relation, recorded=None):
    return with_source_kind(contract, relation, recorded).source.kind


@pytest.mark.parametrize(
    ("unique", "kind"),
    [
        ([("id",)], SourceKind.STATE),
        ([("code", "name"), ("id",)], SourceKind.STATE),
        ([], SourceKind.EVENTS),
        ([("code",)], SourceKind.EVENTS),
        ([("id", "updated_date")], SourceKind.EVENTS),
    ],
)
def test_a_source_is_a_state_where_its_own_keys_say_so(unique, kind):
    assert kind_of(UNSAID, relation(*unique)) is kind


def test_a_key_that_is_made_of_the_source_by_more_than_copying_proves_nothing():
    columns = tuple(
        replace(c, transformation=Transformation("trim")) if c.name in UNSAID.key else c
        for c in UNSAID.columns
    )

    assert not one_row_a_key(replace(UNSAID, columns=columns), relation(("id",)))


def test_a_tie_breaker_or_starts_that_are_no_timestamps_mean_a_log():
    tied = replace(UNSAID, history=replace(UNSAID.history, tie_breaker=("code",)))
    start = UNSAID.generated("valid_from")
    numbered = replace(
        UNSAID,
        columns=tuple(replace(c, type="bigint") if c is start else c for c in UNSAID.columns),
    )

    assert kind_of(tied, relation(("id",))) is SourceKind.EVENTS
    assert kind_of(numbered, relation(("id",))) is SourceKind.EVENTS


def test_what_the_table_was_loaded_as_goes_before_what_its_source_proves():
    assert kind_of(UNSAID, relation(("id",)), "events") is SourceKind.EVENTS
    assert kind_of(UNSAID, None, "state") is SourceKind.STATE
    assert kind_of(UNSAID, None, None) is SourceKind.EVENTS


def test_a_contract_that_closes_what_is_absent_is_about_a_state():
    closing = replace(UNSAID, history=replace(UNSAID.history, absent=Absence.CLOSE))

    assert kind_of(closing, relation()) is SourceKind.STATE
    assert kind_of(closing, None, "events") is SourceKind.STATE
    assert "closes what is absent" in source_kind_reason(closing, relation(), None)


def test_what_is_absent_is_not_left_open_without_a_word():
    columns = tuple(
        replace(c, type="bigint") if c is UNSAID.generated("valid_from") else c
        for c in UNSAID.columns
    )
    history = replace(UNSAID.history, absent=Absence.CLOSE)

    with pytest.raises(ContractError, match="kind: state"):
        with_source_kind(replace(UNSAID, columns=columns, history=history), relation(("id",)), None)


def test_what_the_contract_says_goes_before_all():
    assert kind_of(SAID, relation(), "events") is SourceKind.STATE
    assert kind_of(AIRCRAFT, relation(("tail_number",)), "state") is SourceKind.EVENTS
    assert source_kind_reason(SAID, relation(), "events") == ""


def test_what_was_taken_comes_with_its_reason_and_the_check_asks_for_the_word():
    assert "unique key" in source_kind_reason(UNSAID, relation(("id",)), None)
    assert "loaded as such" in source_kind_reason(UNSAID, relation(("id",)), "events")
    assert notices(SAID, "a.yaml") == ()
    assert [n.path for n in notices(UNSAID, "a.yaml")] == [
        "customProperties.strandline.source.kind"
    ]


def test_a_state_has_a_column_for_its_reads_under_a_name_of_its_own():
    taken = tuple(
        Column(name, "string", nullable=True, transformation=Transformation("literal"))
        for name in ("Read_At", "_read_at")
    )
    crowded = replace(UNSAID, columns=(*UNSAID.columns, *taken))

    made = with_read_at(UNSAID).columns
    assert (made[:-1], made[-1].name, made[-1].type) == (UNSAID.columns, "read_at", "timestamp")
    assert with_read_at(crowded).columns[-1].name == "_read_at_2"
    assert with_read_at(SAID) is SAID
    assert with_source_kind(SAID, None, None).columns == SAID.columns
