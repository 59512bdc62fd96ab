"""Which columns name the person whom a row is about, where the key does not.

Promise: what is found is by names and kinds of columns, so it is a suggestion, to be decided about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.model.source_relation import RelationDetails
from tasks.introspection.contract_proposal import ProposedColumn
from tasks.introspection.key_and_stamps import Key
from tasks.introspection.personal_data_names import lists_people, names_a_person

__all__ = ["DataSubject", "data_subject_of"]


@dataclass(frozen=True, slots=True)
class DataSubject:
    """The target columns that may name the person whom a row is about, and why in words."""

    columns: tuple[str, ...]
    why: str


def data_subject_of(
    details: RelationDetails, columns: Sequence[ProposedColumn], key: Key
) -> DataSubject | None:
    """The columns; None: the key names the person, or nothing suggests that there is one.

    A column such as `customer_id` goes before an e-mail address, and that before names.

    Args:
        details: The table.
        columns: The columns that the contract will have.
        key: What identifies a row.
    """
    if lists_people(details.relation.name):
        return None
    original = [each for each in columns if not each.suggestion.made_of]
    ids = _person_ids(details, original)
    emails = [each for each in original if _is_of(each, "email")][:1]
    names = [each for each in original if _is_of(each, "name")]
    for found, why in (
        (ids[:1], "named like what identifies a person"),
        (emails, "an e-mail address"),
        (names, "names of people"),
    ):
        if not found:
            continue
        if {each.source for each in found} == {*key.columns}:
            return None
        others = [each.target for each in ids[1:]] if found[0] in ids else []
        more = f"; so may {', '.join(others)}" if others else ""
        return DataSubject(tuple(each.target for each in found), why + more)
    return None


def _person_ids(
    details: RelationDetails, columns: Sequence[ProposedColumn]
) -> list[ProposedColumn]:
    """Named like a person's id, or referring to a table of people."""
    referring = {
        foreign.columns[0]
        for foreign in details.foreign_keys
        if len(foreign.columns) == 1 and lists_people(foreign.table)
    }
    return [each for each in columns if each.source in referring or names_a_person(each.source)]


def _is_of(column: ProposedColumn, kind: str) -> bool:
    return column.suggestion.kind == kind and not column.suggestion.doubt
