"""Keys of the standard that promise something that Strandline would not do.

Promise: a contract that says one of them is refused, with what to say instead, or has a notice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from contracts.validation.standard_keys import BY_SECTION, NOTICE
from contracts.yaml_reading.problem_report import Problem, Report
from contracts.yaml_reading.yaml_section import NAMESPACE, Section

_TIMES = ("latency", "loadTime", "runTime", "retention")
"""What a contract can promise about time, and Strandline acts on."""


def check_standard_keys(root: Section) -> None:
    """Report the keys of a table's contract that are refused, and properties of ours out of place.

    What has no effect and harms nothing is left to `effect_notices`.
    """
    for relation in root.children("schema"):
        kind = relation.value.get("physicalType")
        if isinstance(kind, str) and kind.lower() != "table":
            _refuse(relation, "schema", "physicalType")
        for column in relation.children("properties"):
            _check_column(column)
        _check_ours(relation)
    for key in ("description", "team"):
        section = root.value.get(key)
        if isinstance(section, Mapping):
            _check_ours(Section(section, root.at(key), root.report))
    for key in ("servers", "slaProperties", "support"):
        for entry in _entries(root, key):
            _check_ours(entry)


def _check_column(column: Section) -> None:
    name = column.value.get("physicalName")
    if name is not None and name != column.value.get("name"):
        _refuse(column, "schema.properties", "physicalName")
    for key in ("encryptedName", "map"):
        if column.has(key):
            _refuse(column, "schema.properties", key)
    for key in ("properties", "items"):
        if column.has(key):
            column.problem(key, "the columns of a history are flat", "say each value as a column")
    for entry in _entries(column, "quality"):
        _check_ours(entry)


def _refuse(section: Section, kind: str, key: str) -> None:
    section.problem(key, "is not done here", BY_SECTION[kind][key].instead)


def _check_ours(section: Section) -> None:
    """A property of ours where nothing reads it."""
    for entry in _entries(section, "customProperties"):
        if entry.value.get("property") == NAMESPACE:
            entry.problem(
                "property", "is not read here", "it belongs to the contract, a column or a role"
            )


def _entries(section: Section, key: str) -> Iterator[Section]:
    """The mappings in a list; what is no list or mapping, the standard's own model reports."""
    value = section.value.get(key)
    for position, entry in enumerate(value if isinstance(value, list) else ()):
        if isinstance(entry, Mapping):
            yield Section(entry, f"{section.at(key)}[{position}]", section.report)


def effect_notices(document: Mapping[str, object], file: str) -> Iterator[Problem]:
    """What a contract says that has no effect, though a reader might expect one."""
    root = Section(document, "", Report(file))
    connection = _connection(document)
    servers = [entry.value.get("server") for entry in _entries(root, "servers")]
    if connection and servers and connection not in servers:
        yield Problem(
            file, "servers", "none is the source's connection, which is read", f"name {connection}"
        )
    status = root.value.get("status")
    if status != "active":
        yield Problem(
            file, "status", f"is {status}, and loads go on", "remove the contract to end them"
        )
    for entry in _entries(root, "slaProperties"):
        if entry.value.get("property") not in _TIMES:
            path = entry.at("property")
            yield Problem(file, path, "has no effect", f"what has one: {', '.join(_TIMES)}")
        else:
            yield from _without_effect(entry, file)


def _without_effect(section: Section, file: str) -> Iterator[Problem]:
    for key in BY_SECTION["slaProperties"].values():
        if key.effect == NOTICE and section.has(key.name):
            yield Problem(file, section.at(key.name), "has no effect", key.instead)


def _connection(document: Mapping[str, object]) -> str:
    extension = Section(document, "", Report("")).extension()
    source = extension.child("source") if extension is not None else None
    return source.text("connection", default="") if source is not None else ""
