"""The columns that name a person can be found again in what is stored."""

from __future__ import annotations

from contracts.model import Contract, ProtectionKind
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section

_LOST = frozenset({ProtectionKind.MASK, ProtectionKind.GENERALISE, ProtectionKind.REDACT})
"""Techniques after which no value is found again."""


def check_privacy(contract: Contract, extension: Section) -> None:
    """Report subject columns that the target does not have, or that name nobody once stored."""
    section = extension.child("privacy")
    if section is None:
        return
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
