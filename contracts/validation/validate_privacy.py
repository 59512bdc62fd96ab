"""A person can be found again in what is stored, and what retention asks for can be done."""

from __future__ import annotations

from contracts.model import Column, Contract, ProtectionKind, RetentionAction, RetentionStart
from contracts.model.database_type_names import family
from contracts.model.sensitivity import personal_columns
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section

_LOST = frozenset({ProtectionKind.MASK, ProtectionKind.GENERALISE, ProtectionKind.REDACT})
"""Techniques after which no value is found again."""


def check_privacy(contract: Contract, extension: Section) -> None:
    """Report subject columns that are none, and a retention that can't be applied."""
    section = extension.child("privacy")
    if section is None:
        return
    _check_subject(contract, section)
    if contract.subject_keys and not any(_has_subject_key(contract, c) for c in contract.columns):
        section.problem(
            "subjectKeys",
            "no column is encrypted, but for those that name the person or are deterministic",
            "protect a column by `encrypt`",
        )
    retention = section.child("retention")
    if retention is not None and contract.retention is not None:
        _check_retention(contract, retention)


def _check_subject(contract: Contract, section: Section) -> None:
    names = [column.name for column in contract.columns]
    for name in contract.subject:
        if name not in names:
            section.problem(
                "subject", f"the target has no column {name}", did_you_mean(name, names)
            )
            continue
        column = contract.column(name)
        signature = TRANSFORMATIONS.get(column.transformation.name)
        if signature is not None and signature.generated:
            section.problem("subject", f"{name} is generated", "name a column of the source's")
        elif column.protection is not None and column.protection.kind in _LOST:
            section.problem(
                "subject",
                f"{name} is stored by {column.protection.kind}: nobody is found by it",
                "name a column that is stored as it is, encrypted or pseudonymised",
            )
    if len({*contract.subject}) < len(contract.subject):
        section.problem("subject", "a column is named twice", "leave it out")


def _has_subject_key(contract: Contract, column: Column) -> bool:
    how = column.protection
    if how is None or how.kind is not ProtectionKind.ENCRYPT or how.deterministic:
        return False
    return column.name not in contract.subject_columns


REPLACEABLE = frozenset({"string", "integer"})
"""The families of types of which a key column can get another value that stands for nobody."""


_COMPARED = _LOST - {ProtectionKind.REDACT} | {ProtectionKind.PSEUDONYMISE}


def _check_retention(contract: Contract, section: Section) -> None:
    rule = contract.retention
    if rule is None:
        return
    if contract.retention_days is None:
        section.problem("action", "for how long?", "say `retention` among the slaProperties")
    if rule.start is RetentionStart.LOAD:
        _check_from_load(contract, section)
    elif (ends := contract.generated("valid_to")) is not None and ends.type not in _MOMENTS:
        section.problem("from", f"versions end at a {ends.type}, which is no time", "from: load")
    if rule.action is RetentionAction.ANONYMISE:
        _check_anonymise(contract, section)


_MOMENTS = frozenset({"date", "timestamp", ""})


def _check_from_load(contract: Contract, section: Section) -> None:
    if contract.source.is_state:
        section.problem(
            "from",
            "what a state has is a record still, however long ago it was loaded",
            "from: record_end",
        )
    if contract.generated("retention_date") is None and contract.generated("recorded_at") is None:
        section.problem("from", "no column says when a version was loaded", "add retention_date")


def _check_anonymise(contract: Contract, section: Section) -> None:
    kinds = [
        "string" if column.protection is not None else family(column.type)
        for column in contract.columns
        if column.name in contract.key
    ]
    if kinds and not REPLACEABLE & {*kinds}:
        section.problem(
            "action",
            "no key column is text or a whole number, so the key can't be made nobody's",
            "action: delete",
        )
    personal = {*personal_columns(contract)}
    ordering = {*contract.history.tie_breaker, contract.history.first_valid_from}
    # Protected ones are refused in any case; so are tracked ones that can't be compared.
    clear = {column.name for column in contract.columns if column.protection is None}
    for name in sorted(personal & clear & {each for each in ordering if each}):
        section.problem("action", f"{name} is personal, and versions are ordered or dated by it")
    tracked = [each for each in contract.columns if each.name in contract.history.tracked]
    compared = all(each.protection is None or each.protection.kind in _COMPARED for each in tracked)
    is_personal = not personal.isdisjoint(contract.history.tracked)
    if compared and is_personal and contract.generated("fingerprint") is None:
        section.problem(
            "action",
            "versions that differ in personal columns alone would become one",
            "add a column with the transformation fingerprint",
        )
