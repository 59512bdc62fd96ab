"""A contract's `properties` as target columns, and source columns described in the same way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import cast

from contracts.loader.parse_protection import read_protection
from contracts.model import (
    Argument,
    Classification,
    Column,
    Protection,
    Scalar,
    SourceColumn,
    Transformation,
)
from contracts.model.database_type_names import LOGICAL_TYPES, family, known_types, spark_type
from contracts.model.sensitivity import effective_classifications, most_sensitive
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.yaml_reading.problem_report import Report, did_you_mean
from contracts.yaml_reading.yaml_section import NAMESPACE, Section, is_number, is_scalar

_SOURCE_KEYS = (
    "name", "physicalType", "required", "classification", "description", "derived_from",
)  # fmt: skip
_EXTENSION_KEYS = ("transformation", "protection", "lineage")
_EXTENSION = f"customProperties.{NAMESPACE}"
_DIRECT = "direct"
"""What is done with a column that says no transformation."""

_GIVES_NO_NULL = ("trim_or_default", "default_if_null", "decode", "first_present")
_OF_ONE_TYPE = (_DIRECT, "trim", "upper_trim", *_GIVES_NO_NULL)
"""Transformations whose source columns have the target's type."""


def target_columns(
    properties: Iterable[Section],
    relation: str,
    source: Iterable[SourceColumn],
    rules: Mapping[Classification, Protection],
) -> tuple[Column, ...]:
    """The target columns, in the file's order.

    A column that says no transformation is copied, from the source column of its own name unless
    it names another one. One without a description has that of its source column.

    A column that says nothing of its protection gets that of the rule for the highest
    classification among its own and those of the source columns that it is made of.

    Args:
        properties: The sections of the columns.
        relation: The source's `schema.table`.
        source: The source's columns.
        rules: The contract's technique by classification.
    """
    known = tuple(source)
    classified = effective_classifications(known)
    described = {column.name: column.description for column in known}
    return tuple(
        _target_column(section, relation, classified, rules, described) for section in properties
    )


def _target_column(
    section: Section,
    relation: str,
    classified: Mapping[str, Classification],
    rules: Mapping[Classification, Protection],
    described: Mapping[str, str],
) -> Column:
    extension = section.extension() or Section({}, section.at(_EXTENSION), section.report)
    extension.only(_EXTENSION_KEYS)
    transformation = _transformation(extension)
    protection = read_protection(extension)
    says_itself, by_rule = extension.has("protection"), None
    sources, classification = _sources(section, relation), _classification(section)
    if transformation.name == _DIRECT and not section.has("transformSourceObjects"):
        name = section.value.get("name")
        sources = (name,) if isinstance(name, str) else ()
    if sources and not says_itself:
        of_sources = (classified[name] for name in sources if name in classified)
        by_rule = most_sensitive((classification, *of_sources))
        protection = rules.get(by_rule)
    return Column(
        name=section.text("name"),
        type=column_type(section),
        nullable=not section.flag("required", default=False),
        transformation=transformation,
        physical_type=section.text("physicalType", default=""),
        sources=sources,
        classification=classification,
        protection=protection,
        protected_by_rule=None if protection is None else by_rule,
        lineage=extension.flag("lineage", default=False),
        critical=section.flag("criticalDataElement", default=False),
        description=_description(section, sources, transformation, relation, described),
        transform_logic=section.text("transformLogic", default=""),
    )


def _description(
    section: Section,
    sources: tuple[str, ...],
    transformation: Transformation,
    relation: str,
    described: Mapping[str, str],
) -> str:
    """What the contract says; else what it says of the one source column; else how it is made."""
    if section.value.get("description") is not None:
        return section.text("description")
    if len(sources) == 1 and described.get(sources[0]):
        return described[sources[0]]
    if transformation.name == _DIRECT and len(sources) == 1:
        return f"The value of {relation}.{sources[0]}."
    signature = TRANSFORMATIONS.get(transformation.name)
    return f"{signature.description}." if signature is not None else ""


def columns_read(properties: Iterable[Section], source: Section) -> tuple[SourceColumn, ...]:
    """The source columns that target columns are made of, as far as these say what they are.

    A column that is copied, trimmed or given a default has the type of its source column, and so
    has the sequence that is called like one. The classification is the highest of the columns that
    are made of it. What `columns` of the source says of one of them goes before.

    Args:
        properties: The sections of the target columns.
        source: The section of the source.
    """
    listed = _listed_names(source)
    relation = f"{source.value.get('schema')}.{source.value.get('table')}"
    stamps = source.value.get("sequence")
    found: dict[str, SourceColumn] = {}
    read = [
        (section, how, _names_read(section, how, relation, stamps))
        for section in properties
        for how in (_quiet_transformation(section),)
    ]
    by_other_names = [
        name for section, _, names in read for name in names if name != section.value.get("name")
    ]
    mistyped = _mistyped(by_other_names, listed)
    for section, how, names in read:
        for name in names:
            if name not in mistyped:
                column = _column_read(section, how, name)
                found[name] = _joined(found[name], column) if name in found else column
    return tuple(found.values())


def _names_read(section: Section, how: str, relation: str, stamps: object) -> tuple[str, ...]:
    """The source columns whose type is the column's own."""
    name = section.value.get("name")
    if how == "sequence" and isinstance(stamps, list) and isinstance(name, str):
        return (name,) if name in stamps else ()
    if how not in _OF_ONE_TYPE:
        return ()
    if how == _DIRECT and not section.has("transformSourceObjects"):
        return (section.text("name"),)
    quiet = Section(section.value, "", Report(section.report.file))
    return _sources(quiet, relation)


def _mistyped(read: Iterable[str], listed: Collection[str]) -> set[str]:
    """The one name that is not listed where all others are, and that looks like a listed one."""
    missing = {name for name in read if name not in listed}
    alone = len(missing) == 1 and bool(listed)
    return {name for name in missing if alone and did_you_mean(name, listed).startswith("did")}


def _listed_names(source: Section) -> list[str]:
    said = source.value.get("columns")
    entries = [each for each in said if isinstance(each, Mapping)] if isinstance(said, list) else []
    return [each["name"] for each in entries if isinstance(each.get("name"), str)]


def _column_read(section: Section, how: str, name: str) -> SourceColumn:
    says_null = how in _GIVES_NO_NULL
    return SourceColumn(
        name=name,
        type=column_type(section),
        nullable=says_null or not section.flag("required", default=False),
        classification=_classification(section),
        description=section.text("description", default="") if how == _DIRECT else "",
    )


def _joined(one: SourceColumn, other: SourceColumn) -> SourceColumn:
    """What two target columns say of one source column."""
    return replace(
        one,
        nullable=one.nullable and other.nullable,
        classification=most_sensitive((one.classification, other.classification)),
        description=one.description or other.description,
    )


def _quiet_transformation(section: Section) -> str:
    """The name of the column's transformation; empty where there is a mistake in what it says."""
    # What is wrong with it is reported where it is read for good.
    quiet = Section(section.value, "", Report(section.report.file))
    extension = quiet.extension()
    if quiet.report.problems:
        return ""
    if extension is None or "transformation" not in extension.value:
        return _DIRECT
    said = extension.child("transformation")
    name = said.value.get("name") if said is not None else None
    return name if isinstance(name, str) else ""


def source_column(section: Section) -> SourceColumn:
    """One column of the source."""
    section.only(_SOURCE_KEYS)
    return SourceColumn(
        name=section.text("name"),
        type=column_type(section),
        nullable=not section.flag("required", default=False),
        classification=_classification(section),
        description=section.text("description", default=""),
        derived_from=section.texts("derived_from") if section.has("derived_from") else None,
    )


def column_type(section: Section) -> str:
    """The Spark type of `physicalType`, or of `logicalType` alone; "" after a problem.

    Where both are said they have to agree.
    """
    if not section.has("physicalType") and section.has("logicalType"):
        return _logical_type(section)
    physical = section.text("physicalType")
    spark = spark_type(physical) if physical else ""
    if spark is None:
        section.problem("physicalType", f"unknown type {physical}", known_types(physical))
        return ""
    logical = section.text("logicalType", default="")
    expected = family(spark)
    fitting = (expected, *(("array", "object", "time") if expected == "string" else ()))
    if logical and spark and logical not in fitting and expected != "binary":
        section.problem("logicalType", f"does not fit {physical}", f"use {expected}")
    return spark


def _logical_type(section: Section) -> str:
    logical = section.text("logicalType")
    spark = LOGICAL_TYPES.get(logical)
    if spark is None and logical:
        hint = (
            known_types("number") if logical == "number" else did_you_mean(logical, LOGICAL_TYPES)
        )
        section.problem("physicalType", f"is missing, and {logical} does not say it", hint)
    return spark or ""


def _classification(section: Section) -> Classification:
    default = Classification.INTERNAL
    return section.choice("classification", Classification, default=default) or default


def _sources(section: Section, relation: str) -> tuple[str, ...]:
    """Source columns; the file may prefix them with the source's table."""
    schema, _, table = relation.partition(".")
    prefixes = (f"{schema}.{table}.", f"{table}.")
    names = []
    for name in section.texts("transformSourceObjects", default=()):
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
        names.append(name[len(prefix) :])
    return tuple(names)


def _transformation(extension: Section) -> Transformation:
    if "transformation" not in extension.value:
        return Transformation(_DIRECT)
    section = extension.child("transformation", required=True)
    if section is None:
        return Transformation("")
    section.only(("name", "arguments"))
    name = section.text("name")
    given = section.child("arguments")
    signature = TRANSFORMATIONS.get(name)
    if signature is None:
        if name:
            hint = did_you_mean(name, TRANSFORMATIONS)
            section.problem("name", f"unknown transformation {name}", hint)
        return Transformation("")
    return Transformation(name, arguments(section, given, signature.arguments, signature.optional))


def arguments(
    owner: Section, given: Section | None, wanted: Mapping[str, str], optional: Iterable[str]
) -> dict[str, Argument]:
    """The arguments of a registry entry, each of the kind in its signature."""
    result: dict[str, Argument] = {}
    values: Mapping[str, object] = given.value if given is not None else {}
    section = given or Section({}, owner.at("arguments"), owner.report)
    section.only(wanted)
    for name, kind in wanted.items():
        if name not in values:
            if name not in set(optional):
                section.problem(name, f"is missing; must be {_article(kind)}")
            continue
        value = values[name]
        if not _is(kind, value):
            section.problem(name, f"must be {_article(kind)}")
            continue
        result[name] = _frozen(value)
    return result


def _is(kind: str, value: object) -> bool:
    if kind == "text":
        return isinstance(value, str)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return is_number(value)
    if kind == "list":
        return isinstance(value, list) and bool(value) and all(is_scalar(item) for item in value)
    if kind == "mapping":
        return (
            isinstance(value, dict)
            and bool(value)
            and all(isinstance(key, str) and is_scalar(item) for key, item in value.items())
        )
    return is_scalar(value)


def _frozen(value: object) -> Argument:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return dict(value)
    return cast("Scalar", value)


_ARTICLES = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "list": "a list of single values",
    "mapping": "a mapping from text to single values",
    "scalar": "a single value",
}


def _article(kind: str) -> str:
    return _ARTICLES.get(kind, kind)
