"""Each target column against its transformation: sources, arguments, types and nulls fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from contracts.model import Column, Contract, SourceColumn
from contracts.model.database_type_names import family, holds, is_numeric, is_text
from contracts.model.transformation_registry import TRANSFORMATIONS, Signature
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section, is_number

_FIXED = {
    "surrogate_key": ("bigint",),
    "is_current": ("boolean",),
    "recorded_at": ("timestamp",),
    "changed_at": ("timestamp",),
    "read_at": ("timestamp",),
    "fingerprint": ("string",),
    "batch_id": ("string",),
    "retention_date": ("date",),
}
_OF_SEQUENCE = ("sequence", "valid_from", "valid_to")
_OF_READ = ("valid_from", "valid_to")


def _is_code(kind: str) -> bool:
    return family(kind) in ("string", "integer")


_Test = Callable[[str], bool]
_DEMANDS: Mapping[str, tuple[_Test, str, _Test]] = {
    "trim": (is_text, "text", is_text),
    "upper_trim": (is_text, "text", is_text),
    "trim_or_default": (is_text, "text", is_text),
    "decode": (_is_code, "text or whole numbers", is_text),
    "round_within": (is_numeric, "a number", is_numeric),
}
_MAX_SCALE = 38
_NULL_SAFE = ("literal", "decode", "trim_or_default", "default_if_null")


def check_mapping(contract: Contract, properties: tuple[Section, ...]) -> None:
    """Report what does not fit. `properties` are the sections of `contract.columns`, in order."""
    sources = {column.name: column for column in contract.source.columns}
    for column, section in zip(contract.columns, properties, strict=True):
        signature = TRANSFORMATIONS.get(column.transformation.name)
        if signature is None:
            continue
        if signature.generated:
            _check_generated_type(contract, column, section)
        _check_sources(column, section, signature, sources)
        used = [sources[name] for name in column.sources if name in sources]
        if len(used) == signature.sources:
            if column.type and all(source.type for source in used):
                _check_types(column, section, used)
            if not column.nullable and not signature.generated:
                _check_nulls(contract, column, section, used)
        _check_arguments(column, section)


def _check_generated_type(contract: Contract, column: Column, section: Section) -> None:
    name = column.transformation.name
    wanted: tuple[str, ...] = _FIXED.get(name, ())
    if name in _OF_READ and contract.source.is_state:
        wanted = ("timestamp",)
    elif name in _OF_SEQUENCE:
        first = contract.source.sequence[:1]
        wanted = tuple(c.type for c in contract.source.columns if c.name in first and c.type)
        if not first and contract.source.is_state:
            wanted = ("timestamp",)
            if not column.nullable:
                section.problem("required", "null where the source has no sequence", "leave it out")
    if column.type and wanted and column.type not in wanted:
        section.problem("physicalType", f"{name} is {wanted[0]}", f"found {column.type}")
    if name == "row_score" and column.type and not is_numeric(column.type):
        section.problem("physicalType", "row_score is a number", f"found {column.type}")


def _check_sources(
    column: Column, section: Section, signature: Signature, sources: dict[str, SourceColumn]
) -> None:
    name = column.transformation.name
    if len(column.sources) != signature.sources:
        section.problem(
            "transformSourceObjects",
            f"{name} reads {signature.sources} source column(s); found {len(column.sources)}",
        )
    for position, source in enumerate(column.sources):
        if source not in sources:
            path = f"{section.at('transformSourceObjects')}[{position}]"
            hint = did_you_mean(source, sources)
            section.report.add(path, f"the source has no column {source}", hint)


def _check_types(column: Column, section: Section, used: list[SourceColumn]) -> None:
    name = column.transformation.name
    demand = _DEMANDS.get(name)
    if demand is not None:
        reads, word, gives = demand
        if not all(reads(source.type) for source in used):
            section.problem("transformSourceObjects", f"{name} reads {word}")
        if not gives(column.type):
            section.problem("physicalType", f"{column.type} is not what {name} gives")
        return
    for source in used:
        if not holds(column.type, source.type):
            section.problem(
                "physicalType", f"{column.type} can't hold every value of {source.type}"
            )


def _check_arguments(column: Column, section: Section) -> None:
    given = column.transformation.arguments
    path = "customProperties.strandline.transformation.arguments"
    for name in ("value", "default", "otherwise"):
        if name in given and column.type and not _fits(given[name], column.type):
            section.problem(f"{path}.{name}", f"does not fit a column of type {column.type}")
    codes = given.get("codes")
    if isinstance(codes, dict) and not all(isinstance(code, str) for code in codes.values()):
        section.problem(f"{path}.codes", "the codes have to be text", "quote them")
    low, high = given.get("low"), given.get("high")
    if is_number(low) and is_number(high) and low > high:
        section.problem(f"{path}.low", "lies above high")
    scale = given.get("scale", 0)
    if isinstance(scale, int) and not 0 <= scale <= _MAX_SCALE:
        section.problem(f"{path}.scale", f"must be between 0 and {_MAX_SCALE}")


def _fits(value: object, kind: str) -> bool:
    if is_numeric(kind):
        return is_number(value) and (
            kind in _WITH_FRACTION or "(" in kind or isinstance(value, int)
        )
    if kind == "boolean":
        return isinstance(value, bool)
    return isinstance(value, str)


_WITH_FRACTION = ("float", "double")


def _check_nulls(
    contract: Contract, column: Column, section: Section, used: list[SourceColumn]
) -> None:
    """A required column never gets a null, because checks refuse such rows."""
    name = column.transformation.name
    if name in _NULL_SAFE:
        return
    refusing = {
        (check.rule, check.columns[0])
        for check in contract.checks
        if check.refuses_rows and check.columns
    }
    present = [not c.nullable or ("required", c.name) in refusing for c in used]
    if name == "trim":
        present = [
            not_null and ("not_blank", c.name) in refusing
            for not_null, c in zip(present, used, strict=True)
        ]
    if name == "round_within" or not any(present):
        section.problem(
            "required",
            f"{name} may give null here",
            "make the column nullable, or refuse such rows with a required (and not_blank) check",
        )
