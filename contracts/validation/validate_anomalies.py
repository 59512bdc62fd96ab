"""The anomalies of a contract: the columns that its rows are compared by."""

from __future__ import annotations

from collections import Counter

from contracts.model import Contract
from contracts.model.database_type_names import is_numeric, is_temporal
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section


def check_anomalies(contract: Contract, extension: Section) -> None:
    """Report features and exclusions that the source's columns can't be."""
    quality, settings = extension.child("quality"), contract.quality.anomalies
    section = quality.child("anomalies") if quality is not None else None
    if section is None or settings is None:
        return
    kinds = {column.name: column.type for column in contract.source.columns}
    for position, name in enumerate(settings.exclude):
        _check_known(section, f"exclude[{position}]", name, kinds)
    for position, feature in enumerate(settings.features):
        place = f"features[{position}]"
        known = [_check_known(section, place, name, kinds) for name in feature.columns]
        if all(known):
            _check_types(section, place, [kinds[name] for name in feature.columns])
    names = Counter(feature.name for feature in settings.features)
    for name in sorted(name for name, count in names.items() if count > 1):
        section.problem("features", f"{name} occurs twice", "give one a name of its own")
    if settings.features and settings.exclude:
        section.problem("exclude", "has no effect beside features", "leave one out")


def _check_known(section: Section, place: str, name: str, kinds: dict[str, str]) -> bool:
    if name and name not in kinds:
        section.problem(place, f"the source has no column {name}", did_you_mean(name, kinds))
    return bool(kinds.get(name))


def _check_types(section: Section, place: str, kinds: list[str]) -> None:
    if len(kinds) == 1 and not is_numeric(kinds[0]):
        hint = "name two columns of time, from and to" if is_temporal(kinds[0]) else ""
        section.problem(place, f"compares numbers; the column is {kinds[0]}", hint)
    if len(kinds) > 1 and not all(is_temporal(kind) for kind in kinds):
        section.problem(place, f"is a span of time; the columns are {' and '.join(kinds)}")
