"""Which columns rows are compared by when unusual ones are looked for.

Promise: no key, code or position is compared as if it were an amount. What a column is follows
from what the contract does with it, never from its name.
"""

from __future__ import annotations

from collections.abc import Iterable

from contracts.model import Contract, Feature
from contracts.model.sensitivity import sensitive_sources
from tasks.transforms.mapping.typed_literals import is_number

__all__ = ["chosen_by_hand", "select_features", "sensitive_features"]

_CODE_RULES = frozenset({"in_set", "references", "unique"})
_OF_A_CODE = frozenset({"decode"})
"""Transformations that look a value up, so that its size means nothing."""


def select_features(contract: Contract) -> tuple[Feature, ...]:
    """The features of a contract; empty when it does not ask for anomalies.

    Those that it lists are taken as they are. Without a list, every numeric source column, decimals
    included, in the contract's order, except

    - columns that the key is made of (they identify),
    - sequence, watermark, partition column, and what the tie-breaker and the start of the first
      version are made of (they grow or order),
    - columns that a check compares with a list, with another relation or with each other, that a
      row filter compares with values, or that a transformation decodes (they are codes),
    - columns of `exclude`.

    `tasks.transforms.anomalies.model_fitting` also leaves out whole numbers that differ in every
    row, which no contract tells.
    """
    settings = contract.quality.anomalies
    if settings is None:
        return ()
    if settings.features:
        return settings.features
    left_out = {*_keys_and_positions(contract), *_codes(contract), *settings.exclude}
    return tuple(
        Feature(column.name, (column.name,))
        for column in contract.source.columns
        if is_number(column.type) and column.name not in left_out
    )


def chosen_by_hand(contract: Contract) -> bool:
    """Whether the contract lists its features."""
    return contract.quality.anomalies is not None and bool(contract.quality.anomalies.features)


def sensitive_features(contract: Contract, features: Iterable[Feature]) -> frozenset[str]:
    """The names of the features that are made of a column that may not be shown in the clear."""
    sensitive = sensitive_sources(contract)
    return frozenset(each.name for each in features if not sensitive.isdisjoint(each.columns))


def _keys_and_positions(contract: Contract) -> set[str]:
    source, history = contract.source, contract.history
    targets = {*contract.key, *history.tie_breaker}
    if history.first_valid_from is not None:
        targets.add(history.first_valid_from)
    made_of = {
        name for column in contract.columns if column.name in targets for name in column.sources
    }
    partition = () if source.partition_column is None else (source.partition_column,)
    return {*made_of, *source.sequence, *source.watermark, *partition}


def _codes(contract: Contract) -> set[str]:
    checked = {
        name
        for check in contract.checks
        if check.rule in _CODE_RULES and not check.about_target
        for name in check.columns
    }
    decoded = {
        name
        for column in contract.columns
        if column.transformation.name in _OF_A_CODE
        for name in column.sources
    }
    filtered = {
        condition.column
        for condition in (*contract.source.membership, *contract.source.ignore)
        if condition.values
    }
    return checked | decoded | filtered
