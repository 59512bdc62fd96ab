"""Nothing sensitive reaches the table unprotected, and no protection breaks identity or order."""

from __future__ import annotations

import re
from collections.abc import Iterator

from contracts.model import Column, Contract, Protection, ProtectionKind, SourceColumn
from contracts.model.database_type_names import family, is_numeric, is_temporal
from contracts.model.sensitivity import SENSITIVE, effective_classifications, made_of
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section

_PROTECTION = "customProperties.strandline.protection"
_DECIMAL = re.compile(r"^decimal\((\d+),(\d+)\)$")
_WIDEST = 38
"""The greatest precision of a decimal; a difference of two such loses their last digit."""
_INTEGER_DIGITS = 18
_FLOATS = ("float", "double")


def check_protection(contract: Contract, source: Section, properties: tuple[Section, ...]) -> None:
    """Report what is unprotected or wrongly protected.

    `properties` are the sections of `contract.columns`, in order.
    """
    _check_derived(contract.source.columns, source)
    classified = effective_classifications(contract.source.columns)
    sensitive = {name for name, how in classified.items() if how in SENSITIVE}
    _check_dates(contract, source, sensitive)
    for column, section in zip(contract.columns, properties, strict=True):
        if column.protection is None:
            _check_bare(column, section, sensitive)
            continue
        _check_role(contract, column, section)
        if column.type:
            for message, suggestion in _unfit(column.type, column.protection):
                _tell(column, section, message, suggestion)
    if contract.generated("fingerprint") is None:
        _check_comparable(contract, properties)


def _check_role(contract: Contract, column: Column, section: Section) -> None:
    """What a protected column may not be."""
    kind = column.protection.kind if column.protection else None
    signature = TRANSFORMATIONS.get(column.transformation.name)
    if signature is not None and signature.generated:
        _tell(column, section, "a generated column is not protected", "leave it out")
    if column.name in contract.key and kind is not ProtectionKind.PSEUDONYMISE:
        _tell(
            column,
            section,
            f"{kind} does not keep a key recognisable",
            "use pseudonymise, which gives equal values equal tokens",
        )
    if column.name in (*contract.history.tie_breaker, contract.history.first_valid_from):
        _tell(column, section, "this column orders or dates versions; tokens do neither")


def _tell(column: Column, section: Section, message: str, suggestion: str = "") -> None:
    """Report a problem of a column's protection; of a rule's, that the column can say its own."""
    if column.protected_by_rule is not None:
        message = f"by the rule for {column.protected_by_rule}: {message}"
        own = f"say the column's own protection: {suggestion}"
        suggestion = own if suggestion else "say the column's own protection"
    section.problem(_PROTECTION, message, suggestion)


def _check_derived(columns: tuple[SourceColumn, ...], source: Section) -> None:
    names = {column.name for column in columns}
    parts = made_of(columns)
    for position, column in enumerate(columns):
        key = f"columns[{position}].derived_from"
        for name in column.derived_from or ():
            if name not in names:
                source.problem(key, f"the source has no column {name}", did_you_mean(name, names))
            elif column.name in parts[name]:
                source.problem(key, f"{column.name} would be made of itself, by {name}")


def _check_dates(contract: Contract, source: Section, sensitive: set[str]) -> None:
    """Sequence and watermark are stored in the clear: in versions, and in the table's snapshots."""
    for key in ("sequence", "watermark"):
        for name in getattr(contract.source, key):
            if name in sensitive:
                source.problem(
                    key,
                    f"{name} is sensitive, and would be stored in the clear",
                    "classify it as INTERNAL if it may be, else use another column",
                )


def _check_bare(column: Column, section: Section, sensitive: set[str]) -> None:
    leaking = sorted(sensitive & set(column.sources))
    if column.classification in SENSITIVE:
        problem = f"the column is {column.classification} and not protected"
    elif leaking:
        problem = f"made of {', '.join(leaking)}, which the source classifies as sensitive"
    else:
        return
    section.problem(_PROTECTION, problem, "encrypt, pseudonymise, mask, generalise or redact it")


def _unfit(kind: str, how: Protection) -> Iterator[tuple[str, str]]:
    """Why the technique does not fit values of the Spark SQL type, with what would."""
    if how.deterministic and kind in _FLOATS:
        yield (f"equal {kind} values need not have equal tokens", "say DECIMAL(p,s)")
    if how.kind is not ProtectionKind.GENERALISE:
        return
    if not is_temporal(kind) and not is_numeric(kind):
        yield (
            f"generalise is for dates, timestamps and numbers, the column is {family(kind)}",
            "mask or redact it",
        )
    elif how.period is not None and not is_temporal(kind):
        yield (f"a number has no {how.period}", "say width: the width of its bands")
    elif how.width is not None:
        yield from _unfit_width(kind, how)


def _unfit_width(kind: str, how: Protection) -> Iterator[tuple[str, str]]:
    width, match = how.width, _DECIMAL.match(kind)
    if width is None:
        return
    if is_temporal(kind):
        yield (f"bands are of numbers, the column is a {kind}", "say to: month or to: year")
        return
    if kind in _FLOATS:
        return
    before, after = _INTEGER_DIGITS, 0
    if match is not None:
        precision, after = int(match[1]), int(match[2])
        before = precision - after
        after -= precision == _WIDEST and after > 0
    exponent = width.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > after:
        yield (f"the bound of a band must fit {kind}", f"at most {after} digits after the point")
    elif width.adjusted() >= before:
        yield (f"a band is wider than {kind} reaches", "say a smaller width")


def _check_comparable(contract: Contract, properties: tuple[Section, ...]) -> None:
    for column, section in zip(contract.columns, properties, strict=True):
        how = column.protection
        if how is None or column.name not in contract.history.tracked:
            continue
        if how.kind is ProtectionKind.ENCRYPT and not how.deterministic:
            reason = "equal values have different tokens"
        elif how.kind is ProtectionKind.REDACT:
            reason = "all values are stored alike"
        else:
            continue
        _tell(
            column,
            section,
            f"{reason}; tracking them needs a fingerprint",
            "add a column with the transformation fingerprint",
        )
