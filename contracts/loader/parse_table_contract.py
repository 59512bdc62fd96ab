"""A document of the standard as a `Contract`, each part read from its place in the standard."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from contracts.loader.checks.checked_table import CheckedTable
from contracts.loader.checks.parse_quality_checks import read_checks
from contracts.loader.checks.parse_quality_gate import read_quality_gate
from contracts.loader.complete_contract import SYSTEM_NAMES, Completion, complete
from contracts.loader.parse_columns import columns_read, target_columns
from contracts.loader.parse_durations import moment, seconds_of
from contracts.loader.parse_privacy import read_retention, read_subject, read_subject_keys
from contracts.loader.parse_protection import read_rules
from contracts.loader.parse_roles import read_roles, row_classification
from contracts.loader.parse_source import read_source
from contracts.model import Absence, Column, Contract, History, ServiceLevel
from contracts.model.source_kind import with_read_at
from contracts.validation.validate_contract import check_consistency
from contracts.validation.validate_privacy import check_privacy
from contracts.validation.validate_roles import check_roles
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section

_TARGET = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", re.ASCII)
_HISTORY_KEYS = (
    "key", "tracked", "tie_breaker", "first_valid_from", "remember_unchanged", "absent", "open_end",
    "partitioning", "format_version",
)  # fmt: skip
_TIMES = ("loadTime", "runTime", "latency", "retention")
_DAY, _HOUR = 86_400, 3_600


@dataclass(frozen=True, slots=True)
class Header:
    """The head of every contract: name, owner, and the one table it is about."""

    name: str
    version: str
    description: str
    owner: str
    namespace: str
    table: str
    relation: Section
    properties: tuple[Section, ...]


def read_header(root: Section, stem: str) -> Header | None:
    """The header; None when there is no schema to read. `stem` is the file's name."""
    name = root.text("name", default=stem)
    if name and name != stem:
        root.problem("name", f"must be the file's name, {stem}")
    root.text("id")
    root.text("status")
    relations = root.children("schema", required=True)
    description = root.child("description", required=True)
    team = root.child("team", required=True)
    header = None
    if len(relations) > 1:
        root.problem("schema", "a contract is about one table", "one file per table")
    if relations:
        target = relations[0].text("physicalName")
        if target and not _TARGET.match(target):
            relations[0].problem(
                "physicalName", "must be namespace.table, of letters, digits and _"
            )
        namespace, _, table = target.rpartition(".")
        properties = relations[0].children("properties", required=True)
        header = (namespace, table, relations[0], properties)
    version = root.text("version")
    purpose = description.text("purpose") if description else ""
    owner = team.text("name") if team else ""
    return Header(name or stem, version, purpose, owner, *header) if header else None


def read_contract(root: Section, stem: str) -> Contract | None:
    """The contract; problems are in the report, and the result may then be None."""
    completion = complete(root.value)
    root = Section(completion.document, root.path, root.report)
    _check_clashes(completion, root)
    header = read_header(root, stem)
    extension = root.extension(required=True)
    if header is None or extension is None:
        return None
    extension.only(("source", "history", "quality", "access", "protection", "privacy"))
    section = extension.child("source", required=True)
    source = read_source(section, columns_read(header.properties, section)) if section else None
    rules = read_rules(extension)
    columns = target_columns(
        header.properties,
        source.relation if source else ".",
        source.columns if source else (),
        rules,
    )
    history_section = _history_section(extension)
    key = history_section.texts("key", default=()) if history_section else ()
    history = _history(history_section, columns) if history_section else None
    checks = read_checks(
        CheckedTable(
            relation=header.relation,
            properties=header.properties,
            columns=columns,
            source={column.name: column for column in source.columns} if source else None,
            namespace=header.namespace,
            table=header.table,
        )
    )
    quality = read_quality_gate(extension)
    service_level, retention_days = read_times(root)
    if source is None or history is None:
        return None
    contract = Contract(
        name=header.name,
        version=header.version,
        description=header.description,
        owner=header.owner,
        namespace=header.namespace,
        table=header.table,
        source=source,
        columns=columns,
        key=key,
        history=history,
        checks=checks,
        quality=quality,
        service_level=service_level,
        retention_days=retention_days,
        roles=read_roles(root),
        row_classification=row_classification(extension),
        protection=rules,
        subject=read_subject(extension),
        subject_keys=read_subject_keys(extension),
        retention=read_retention(extension),
        tags=_tags(root, header.relation),
    )
    check_consistency(contract, extension, header.properties)
    check_roles(contract, root, extension, header.properties)
    check_privacy(contract, extension)
    return with_read_at(contract) if contract.source.is_state else contract


def _tags(*sections: Section) -> tuple[str, ...]:
    """The tags of the contract and of its table, each once."""
    return tuple(dict.fromkeys(tag for each in sections for tag in each.texts("tags", default=())))


def _check_clashes(completion: Completion, root: Section) -> None:
    for position, transformation in completion.clashes.items():
        root.report.add(
            f"schema[0].properties[{position}].name",
            f"a column of this name appears by itself, with the transformation {transformation}",
            "add that one under another name: {name: "
            f"version_{SYSTEM_NAMES[transformation]}, customProperties: [{{property: strandline, "
            f"value: {{transformation: {transformation}}}}}]}}",
        )


def _history_section(extension: Section) -> Section | None:
    """The section of the history, with its key; without one it says how a key is told."""
    section = extension.child("history")
    where = section or extension
    if section is None and extension.has("history"):
        return None
    if section is None or not section.has("key"):
        where.problem(
            "history" if section is None else "key",
            "is missing; what identifies a row is not said",
            "say primaryKey: true of the columns that do, or history: {key: [...]}",
        )
    return section


def _history(section: Section, columns: Iterable[Column]) -> History:
    section.only(_HISTORY_KEYS)
    flag = next((c.name for c in columns if c.transformation.name == "is_current"), "is_current")
    open_end = section.text("open_end", default="")
    if open_end and moment(open_end) is None:
        section.problem("open_end", "must be a date and time in UTC", "9999-12-31T23:59:59")
    return History(
        tracked=section.texts("tracked"),
        tie_breaker=section.texts("tie_breaker", default=()),
        first_valid_from=section.text("first_valid_from", default="") or None,
        remember_unchanged=section.flag("remember_unchanged", default=True),
        absent=section.choice("absent", Absence, default=Absence.KEEP) or Absence.KEEP,
        open_end=moment(open_end) if open_end else None,
        partitioning=section.texts("partitioning", default=(flag,)),
        format_version=section.integer("format_version", default=3, low=2, high=3),
    )


def read_times(root: Section) -> tuple[ServiceLevel, int | None]:
    """The promises about time among `slaProperties`, and the retention in days."""
    seconds: dict[str, float] = {}
    for entry in root.children("slaProperties"):
        name = entry.text("property")
        if name not in _TIMES:
            hint = did_you_mean(name, _TIMES)
            if hint.startswith("did"):
                entry.problem("property", f"unknown property {name}", hint)
            continue
        word = entry.text("unit")
        unit = seconds_of(word)
        if unit is None:
            if word:
                entry.problem("unit", f"unknown unit of time {word}", "h or d")
            continue
        if name in seconds:
            entry.problem("property", f"{name} occurs twice")
        seconds[name] = entry.number("value", high=1_000_000) * unit
    default = ServiceLevel()
    level = ServiceLevel(
        load_hours=seconds.get("loadTime", default.load_hours * _HOUR) / _HOUR,
        run_hours=seconds.get("runTime", default.run_hours * _HOUR) / _HOUR,
        freshness_hours=seconds["latency"] / _HOUR if "latency" in seconds else None,
    )
    return level, round(seconds["retention"] / _DAY) if "retention" in seconds else None
