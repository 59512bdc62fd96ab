from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.loader import TABLES, find_contract
from contracts.model import Classification, Protection, ProtectionKind, SourceColumn
from contracts.model.sensitivity import (
    derived_sources,
    effective_classifications,
    most_sensitive,
    sensitive_sources,
)

PUBLIC, INTERNAL, CONFIDENTIAL, RESTRICTED = Classification


def columns(**told):
    """Source columns by name: (classification, what they are made of)."""
    return tuple(
        SourceColumn(name, "string", classification=own, derived_from=parts)
        for name, (own, parts) in told.items()
    )


def test_a_column_is_as_sensitive_as_the_most_sensitive_it_is_made_of():
    told = columns(
        name=(RESTRICTED, None),
        city=(PUBLIC, ()),
        label=(PUBLIC, ("city",)),
        search=(INTERNAL, ("name", "city")),
        digest=(PUBLIC, ("search",)),
        own=(RESTRICTED, ("city",)),
    )

    assert effective_classifications(told) == {
        "name": RESTRICTED, "city": PUBLIC, "label": PUBLIC, "search": RESTRICTED,
        "digest": RESTRICTED, "own": RESTRICTED,
    }  # fmt: skip


names = st.sampled_from("abcdef")


@given(
    st.dictionaries(
        names, st.tuples(st.sampled_from(Classification), st.lists(names, max_size=3).map(tuple))
    )
)
def test_of_any_derivation_even_in_a_circle_the_least_fixed_point_is_found(told):
    found = effective_classifications(columns(**told))
    expected = {name: own for name, (own, _) in told.items()}
    for _ in expected:
        expected = {
            name: most_sensitive((expected[name], *(expected[p] for p in parts if p in expected)))
            for name, (_, parts) in told.items()
        }

    assert found == expected


def test_nothing_is_less_sensitive_than_public():
    assert most_sensitive(()) is PUBLIC
    assert most_sensitive((INTERNAL, RESTRICTED, CONFIDENTIAL)) is RESTRICTED


SHIPPED = find_contract("new_source_table", TABLES)


def test_the_checksum_of_sealed_columns_is_sealed_too():
    source = SHIPPED.source
    silent = replace(
        SHIPPED,
        source=replace(
            source, columns=tuple(replace(each, derived_from=None) for each in source.columns)
        ),
    )

    assert "checksum" in sensitive_sources(SHIPPED)
    assert derived_sources(SHIPPED) == {"checksum"}
    assert sensitive_sources(SHIPPED) - sensitive_sources(silent) == {"checksum"}


def test_what_is_made_of_a_masked_column_is_sensitive_whatever_its_source_is_classified_as():
    source = replace(
        SHIPPED.source,
        columns=tuple(
            replace(each, classification=INTERNAL, derived_from=("id",))
            if each.name == "checksum"
            else replace(each, classification=INTERNAL)
            for each in SHIPPED.source.columns
        ),
    )
    key = replace(SHIPPED.column("business_key"), protection=Protection(ProtectionKind.MASK))
    contract = replace(SHIPPED, source=source, columns=(key,))

    assert sensitive_sources(contract) == {"id", "checksum"}


@pytest.mark.parametrize("ruled", [INTERNAL, PUBLIC])
def test_a_rule_for_a_classification_holds_for_kept_rows_too(ruled):
    contract = replace(SHIPPED, protection={ruled: Protection(ProtectionKind.REDACT)})

    more = sensitive_sources(contract) - sensitive_sources(SHIPPED)

    assert more == {
        each.name
        for each in SHIPPED.source.columns
        if each.classification is ruled and each.name != "checksum"
    }
