"""Nothing sensitive reaches the table unprotected, and no protection breaks identity or order."""

from __future__ import annotations

from contracts.model import Classification, Column, Contract, ProtectionKind
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.yaml_reading.yaml_section import Section

SENSITIVE = (Classification.CONFIDENTIAL, Classification.RESTRICTED)
"""A column of these classifications has to be protected."""

_PROTECTION = "customProperties.strandline.protection"


def check_protection(contract: Contract, properties: tuple[Section, ...]) -> None:
    """Report what is unprotected or wrongly protected.

    `properties` are the sections of `contract.columns`, in order.
    """
    sensitive = {c.name for c in contract.source.columns if c.classification in SENSITIVE}
    ordering = {*contract.history.tie_breaker, contract.history.first_valid_from}
    for column, section in zip(contract.columns, properties, strict=True):
        if column.protection is None:
            _check_bare(column, section, sensitive)
            continue
        kind = column.protection.kind
        signature = TRANSFORMATIONS.get(column.transformation.name)
        if signature is not None and signature.generated:
            section.problem(_PROTECTION, "a generated column is not protected", "leave it out")
        if column.name in contract.key and kind is not ProtectionKind.PSEUDONYMISE:
            section.problem(
                _PROTECTION,
                f"{kind} does not keep a key recognisable",
                "use pseudonymise, which gives equal values equal tokens",
            )
        if column.name in ordering:
            section.problem(_PROTECTION, "this column orders or dates versions; tokens do neither")
    if contract.generated("fingerprint") is None:
        _check_comparable(contract, properties)


def _check_bare(column: Column, section: Section, sensitive: set[str]) -> None:
    leaking = sorted(sensitive & set(column.sources))
    if column.classification in SENSITIVE:
        problem = f"the column is {column.classification} and not protected"
    elif leaking:
        problem = f"made of {', '.join(leaking)}, which the source classifies as sensitive"
    else:
        return
    section.problem(_PROTECTION, problem, "encrypt, pseudonymise or mask it")


def _check_comparable(contract: Contract, properties: tuple[Section, ...]) -> None:
    for column, section in zip(contract.columns, properties, strict=True):
        kind = column.protection.kind if column.protection else None
        if column.name in contract.history.tracked and kind is ProtectionKind.ENCRYPT:
            section.problem(
                _PROTECTION,
                "equal values have different tokens; tracking them needs a fingerprint",
                "add a column with the transformation fingerprint",
            )
