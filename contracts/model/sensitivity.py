"""How sensitive a source column is, given what it is made of.

A checksum, a search column or a concatenation of personal data is personal data: whoever has it can
confirm a guess of what it was made of (GDPR, article 4(5) and recital 26; Article 29 Working Party,
opinion 05/2014 on hashes). So a column is as sensitive as the most sensitive one it is made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from contracts.model.access.classification import Classification
from contracts.model.contract import Contract, SourceColumn

SENSITIVE = frozenset({Classification.CONFIDENTIAL, Classification.RESTRICTED})
"""What is classified so may not be stored in the clear."""

_ORDER = tuple(Classification)


def most_sensitive(classifications: Iterable[Classification]) -> Classification:
    """The most sensitive of them; PUBLIC where there is none."""
    return max(classifications, key=_ORDER.index, default=Classification.PUBLIC)


def made_of(columns: Iterable[SourceColumn]) -> Mapping[str, frozenset[str]]:
    """By source column, itself and every column that it is made of, over any number of steps.

    Names that no column has are left out; a circle ends where it began.
    """
    direct = {column.name: column.derived_from or () for column in columns}
    return {name: _reached(name, direct) for name in direct}


def effective_classifications(columns: Iterable[SourceColumn]) -> Mapping[str, Classification]:
    """By source column, the highest classification of it and of what it is made of."""
    known = tuple(columns)
    own = {column.name: column.classification for column in known}
    return {
        name: most_sensitive(own[part] for part in parts) for name, parts in made_of(known).items()
    }


def sensitive_sources(contract: Contract) -> frozenset[str]:
    """The source columns that may not be stored anywhere in the clear.

    Those classified CONFIDENTIAL or RESTRICTED, or as something that the contract has a rule for;
    those that a protected or so classified target column is made of; and all that are made of one
    of these.
    """
    return _sensitive_themselves(contract) | derived_sources(contract)


def derived_sources(contract: Contract) -> frozenset[str]:
    """Those of them that are sensitive only by what they are made of."""
    secret = _sensitive_themselves(contract)
    parts = made_of(contract.source.columns)
    return frozenset(name for name, of in parts.items() if not secret.isdisjoint(of)) - secret


def personal_columns(contract: Contract) -> tuple[str, ...]:
    """The target columns that say something of a person, beside those of the key.

    Those that are protected, those that are CONFIDENTIAL or RESTRICTED themselves or by what they
    are made of, and those that name the person. What Strandline fills is none.
    """
    effective = effective_classifications(contract.source.columns)
    sensitive = {name for name, each in effective.items() if each in SENSITIVE}
    return tuple(
        column.name
        for column in contract.columns
        if column.name not in contract.key
        and (
            column.protection is not None
            or column.name in contract.subject
            or (column.classification in SENSITIVE and column.sources)
            or not sensitive.isdisjoint(column.sources)
        )
    )


def _sensitive_themselves(contract: Contract) -> frozenset[str]:
    guarded = SENSITIVE | contract.protection.keys()
    columns = contract.source.columns
    classified = {each.name for each in columns if each.classification in guarded}
    mapped = {
        name
        for column in contract.columns
        if column.protection is not None or column.classification in SENSITIVE
        for name in column.sources
    }
    return frozenset(classified | mapped)


def _reached(name: str, direct: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in direct and current not in reached:
            reached.add(current)
            waiting.extend(direct[current])
    return frozenset(reached)
