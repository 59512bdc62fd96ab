"""What each key of the standard does here: a module acts on it, it is prose, or it is refused.

Promise: every key of the standard's model is listed once, so a key that a newer version of the
standard has is not taken for one that has an effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

PROSE = "prose"
"""For people and catalogues; nothing that Strandline does depends on it."""

REFUSED = "refused"
"""A contract that says it is not loaded, and the problem says what to write instead."""

NOTICE = "notice"
"""`strandline contracts check` says that it has no effect here."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section of the standard.

    Attributes:
        section: The standard's name of the section.
        name: The key.
        effect: The module that acts on it, `PROSE`, `REFUSED` or `NOTICE`.
        instead: What to say where it is refused, or has no effect.
    """

    section: str
    name: str
    effect: str
    instead: str = ""


_COMMON = ("id", "description", "tags", "authoritativeDefinitions", "customProperties")
_TABLE, _COLUMNS = "contracts.loader.parse_table_contract", "contracts.loader.parse_columns"
_STANDARD = "contracts.validation.odcs_json_schema"
_CHECKS, _METRICS = (
    "contracts.loader.checks.parse_quality_checks",
    "contracts.loader.checks.parse_metric_checks",
)
_LIMITS, _WORDS = "contracts.model.quality_gate", "contracts.loader.checks.checked_table"
_PROMISES = "contracts.loader.checks.parse_column_constraints"
_CONTRACT = "contracts.validation.validate_contract"
_LEDGER = "contracts.loader.parse_ledger_contract"
_RELATIONS = "contracts.loader.checks.parse_relationships"
_NOTICES = "contracts.validation.validate_standard_keys"
_ROLES = "contracts.loader.parse_roles"
_SECTION = "contracts.yaml_reading.yaml_section"
_TIMETABLE = "a load runs every check; when it runs is in prefect.yaml"


def _keys(section: str, effect: str, names: Iterable[str], instead: str = "") -> list[Key]:
    return [Key(section, name, effect, instead) for name in names]


def _prose(section: str, *names: str) -> list[Key]:
    return _keys(section, PROSE, names)


_ROOT, _OBJECT, _COLUMN = "contract", "schema", "schema.properties"
_QUALITY, _TIMES = "quality", "slaProperties"
KEYS: tuple[Key, ...] = (
    *_keys(_ROOT, _TABLE, ("version", "name", "description", "schema", "team")),
    *_keys(_ROOT, _TABLE, ("slaProperties", "tags")),
    *_keys(_ROOT, _ROLES, ("roles",)),
    *_keys(_ROOT, _STANDARD, ("kind", "apiVersion")),
    *_keys(_ROOT, _SECTION, ("customProperties",)),
    *_keys(_ROOT, _NOTICES, ("servers", "status")),
    *_prose(_ROOT, "id", "tenant", "dataProduct", "domain", "support", "price"),
    *_prose(_ROOT, "slaDefaultElement", "authoritativeDefinitions", "context", "contractCreatedTs"),
    *_keys("description", _TABLE, ("purpose",)),
    *_prose("description", "usage", "limitations", "authoritativeDefinitions", "customProperties"),
    *_keys("team", _TABLE, ("name",)),
    *_prose("team", "members", *_COMMON),
    *_keys("roles", _ROLES, ("role", "access", "description")),
    *_keys("roles", _SECTION, ("customProperties",)),
    *_prose("roles", "id", "firstLevelApprovers", "secondLevelApprovers"),
    *_keys(_OBJECT, _TABLE, ("physicalName", "properties", "tags")),
    *_keys(_OBJECT, _CHECKS, ("quality",)),
    *_keys(_OBJECT, _RELATIONS, ("relationships",)),
    *_keys(_OBJECT, _WORDS, ("name",)),
    *_keys(_OBJECT, REFUSED, ("physicalType",), "a history is a table: say table or leave it out"),
    *_prose(_OBJECT, "logicalType", "dataGranularityDescription", "businessName", "deprecated"),
    *_prose(_OBJECT, "synonyms", "context", *(each for each in _COMMON if each != "tags")),
    *_keys(_COLUMN, _COLUMNS, ("name", "description", "physicalType", "logicalType", "required")),
    *_keys(_COLUMN, _COLUMNS, ("classification", "transformSourceObjects", "criticalDataElement")),
    *_keys(_COLUMN, _SECTION, ("customProperties",)),
    *_keys(_COLUMN, _CONTRACT, ("primaryKey", "partitioned", "partitionKeyPosition")),
    *_keys(_COLUMN, _CHECKS, ("quality",)),
    *_keys(_COLUMN, _RELATIONS, ("relationships",)),
    *_keys(_COLUMN, _PROMISES, ("logicalTypeOptions", "enum", "unique")),
    *_keys(_COLUMN, REFUSED, ("physicalName",), "a column is stored by its name"),
    *_keys(
        _COLUMN, REFUSED, ("encryptedName",), "say protection: {kind: encrypt} of the column itself"
    ),
    *_keys(_COLUMN, REFUSED, ("map",), "say each value as a column"),
    *_keys(_COLUMN, _LEDGER, ("properties", "items")),
    *_prose(_COLUMN, "primaryKeyPosition", "businessName", "deprecated", "synonyms", "examples"),
    *_keys(_COLUMN, _COLUMNS, ("transformLogic",)),
    *_prose(_COLUMN, "semanticType", "transformDescription"),
    *_prose(_COLUMN, "id", "tags", "authoritativeDefinitions"),
    *_keys(_QUALITY, _CHECKS, ("type", "engine", "implementation")),
    *_keys(_QUALITY, _WORDS, ("id", "severity", "dimension")),
    *_keys(_QUALITY, _METRICS, ("metric", "rule", "arguments", "query")),
    *_keys(_QUALITY, "contracts.loader.checks.parse_thresholds", ("unit",)),
    *_keys(_QUALITY, _LIMITS, ("mustBe", "mustNotBe", "mustBeBetween", "mustNotBeBetween")),
    *_keys(_QUALITY, _LIMITS, ("mustBeGreaterThan", "mustBeGreaterOrEqualTo")),
    *_keys(_QUALITY, _LIMITS, ("mustBeLessThan", "mustBeLessOrEqualTo")),
    *_keys(_QUALITY, REFUSED, ("schedule", "scheduler"), _TIMETABLE),
    *_prose(_QUALITY, "name", "description", "businessImpact", "method", "tags"),
    *_prose(_QUALITY, "authoritativeDefinitions", "customProperties"),
    *_keys(_TIMES, _TABLE, ("property", "value", "unit")),
    *_keys(_TIMES, NOTICE, ("valueExt",), "say one value"),
    *_keys(_TIMES, NOTICE, ("schedule", "scheduler"), "when a load runs is in prefect.yaml"),
    *_prose(_TIMES, "id", "element", "driver", "description"),
    *_prose(_TIMES, "customProperties", "authoritativeDefinitions"),
)
"""By the section that has them."""

BY_SECTION: Mapping[str, Mapping[str, Key]] = MappingProxyType(
    {
        section: MappingProxyType({key.name: key for key in KEYS if key.section == section})
        for section in dict.fromkeys(key.section for key in KEYS)
    }
)
