from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.loader import TABLES, find_contract
from contracts.model import (
    AnomalySettings,
    Check,
    Classification,
    Condition,
    Feature,
    Operator,
    SourceColumn,
)
from tasks.transforms.anomalies.feature_selection import (
    chosen_by_hand,
    select_features,
    sensitive_features,
)


@pytest.fixture
def contract():
    """A shipped contract with some numeric columns more, which asks for anomalies."""
    shipped = find_contract("aircraft", TABLES)
    more = (
        SourceColumn("fare", "decimal(10,2)"),
        SourceColumn("weight", "double", classification=Classification.CONFIDENTIAL),
        SourceColumn("gate", "int"),
    )
    source = replace(shipped.source, columns=(*shipped.source.columns, *more))
    return asking(replace(shipped, source=source))


def asking(contract, **settings):
    return judged(contract, AnomalySettings(**settings))


def judged(contract, anomalies):
    return replace(contract, quality=replace(contract.quality, anomalies=anomalies))


def names(contract):
    return [feature.name for feature in select_features(contract)]


def test_every_numeric_column_is_a_feature(contract):
    found = names(contract)

    assert {"distance_miles", "built_year", "seats", "fare", "weight", "gate"} <= {*found}
    assert not {"tail_number", "departed_at", "carrier", "manufacturer"} & {*found}
    assert select_features(contract)[found.index("fare")] == Feature("fare", ("fare",))


def test_a_contract_that_asks_for_none_has_none(contract):
    assert select_features(judged(contract, None)) == ()
    assert not chosen_by_hand(judged(contract, None))


def test_listed_features_are_taken_as_they_are(contract):
    listed = (Feature("fare", ("fare",)), Feature("under way", ("departed_at", "arrived_at")))

    assert select_features(asking(contract, features=listed)) == listed
    assert chosen_by_hand(asking(contract, features=listed))
    assert not chosen_by_hand(contract)


def test_excluded_columns_are_none(contract):
    assert "fare" not in names(asking(contract, exclude=("fare",)))


@pytest.mark.parametrize("place", ["sequence", "watermark", "partition_column"])
def test_a_position_is_no_feature(contract, place):
    value = "gate" if place == "partition_column" else ("gate",)

    assert "gate" not in names(replace(contract, source=replace(contract.source, **{place: value})))


def made_of_gate(contract):
    """Another column of the target that is made of the gate."""
    column = replace(contract.column("airport"), name="made", sources=("gate",))
    return replace(contract, columns=(*contract.columns, column))


def test_what_the_key_and_the_order_are_made_of_is_no_feature(contract):
    other = made_of_gate(contract)
    keyed = replace(other, key=("made",))
    ordered = replace(other, history=replace(other.history, tie_breaker=("made",)))
    dated = replace(other, history=replace(other.history, first_valid_from="made"))

    assert "gate" in names(other)
    for each in (keyed, ordered, dated):
        assert "gate" not in names(each)


@pytest.mark.parametrize("rule", ["in_set", "references", "unique"])
def test_a_code_is_no_feature(contract, rule):
    check = Check("gate_known", rule, ("gate",), {"values": (1, 2)})

    assert "gate" not in names(replace(contract, checks=(*contract.checks, check)))
    of_target = replace(check, about_target=True)
    assert "gate" in names(replace(contract, checks=(*contract.checks, of_target)))


def test_a_column_that_a_filter_or_a_decoding_reads_is_no_feature(contract):
    condition = Condition("gate", Operator.IN, (1, 2))
    absent = Condition("gate", Operator.IS_NOT_NULL)
    decoded = replace(
        contract.column("airport"),
        name="made",
        sources=("gate",),
        transformation=replace(contract.column("airport").transformation, name="decode"),
    )

    for part in ("membership", "ignore"):
        filtered = replace(contract.source, **{part: (condition,)})
        assert "gate" not in names(replace(contract, source=filtered))
        filtered = replace(contract.source, **{part: (absent,)})
        assert "gate" in names(replace(contract, source=filtered))
    assert "gate" not in names(replace(contract, columns=(*contract.columns, decoded)))


def test_features_of_sensitive_columns_are_named(contract):
    features = (*select_features(contract), Feature("both", ("gate", "weight")))

    assert sensitive_features(contract, features) == {"weight", "both"}
