"""What a contract need not say, filled in: key, tracked columns, columns we fill, the source.

A short contract says what only a person knows. The rest follows from it: the columns with
`primaryKey` are the business key and never null, all others are tracked, and the columns of a
history appear by themselves. What a contract says itself always goes before.

Promise: a contract that says all of it is not changed, and a document of any form is no error here:
what is wrong with it is left to the readers, which report it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from contracts.model.sensitivity import SENSITIVE
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.yaml_reading.yaml_section import NAMESPACE

__all__ = ["NEEDED", "SYSTEM_NAMES", "Completion", "complete", "ours", "with_ours"]

Values = dict[str, object]

NEEDED = ("sequence", "valid_from", "valid_to", "is_current")
"""Generated columns without which there is no history."""

SYSTEM_NAMES: Mapping[str, str] = {
    "sequence": "source_sequence",
    "valid_from": "valid_from",
    "valid_to": "valid_to",
    "is_current": "is_current",
    "fingerprint": "checksum",
}
"""What the columns are called that appear by themselves, by their transformation."""

_TYPES: Mapping[str, str] = {
    "surrogate_key": "BIGINT",
    "is_current": "BOOLEAN",
    "recorded_at": "TIMESTAMP",
    "changed_at": "TIMESTAMP",
    "read_at": "TIMESTAMP",
    "fingerprint": "VARCHAR(64)",
    "batch_id": "VARCHAR(100)",
    "row_score": "DECIMAL(5,2)",
    "retention_date": "DATE",
}
_OF_SEQUENCE = ("sequence", "valid_from", "valid_to")
_STAMP = "TIMESTAMP"
_PROMISES = ("logicalTypeOptions", "enum", "quality", "relationships", "transformSourceObjects")
"""What only a column can say that is made of the source's: it is not taken for the sequence."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A contract's document with what it leaves out.

    Attributes:
        document: The document; positions of what the file says are those of the file.
        clashes: By position of a column, the transformation of the column that would have appeared
            under its name.
    """

    document: Mapping[str, object]
    clashes: Mapping[int, str]


def complete(document: Mapping[str, object]) -> Completion:
    """The document with what follows from it.

    Args:
        document: A contract of a table as YAML gives it.
    """
    relations, extension = document.get("schema"), ours(document)
    if not (isinstance(relations, list) and relations and isinstance(relations[0], dict)):
        return Completion(document, {})
    properties = relations[0].get("properties")
    if extension is None or not isinstance(properties, list):
        return Completion(document, {})
    parts = _Parts(document, relations[0], properties, extension)
    parts.complete()
    relation = {**relations[0], "properties": parts.properties}
    return Completion(
        {
            **document,
            "schema": [relation, *relations[1:]],
            "customProperties": with_ours(document, parts.ours),
        },
        parts.clashes,
    )


class _Parts:
    """The parts of one document while they are completed; none of the document's is changed."""

    def __init__(
        self,
        document: Mapping[str, object],
        relation: Mapping[str, object],
        properties: Sequence[object],
        extension: Mapping[str, object],
    ) -> None:
        self.document = document
        self.relation = relation
        self.properties = [
            _spelled(each) if isinstance(each, dict) else each for each in properties
        ]
        self.ours: Values = {**extension}
        self.clashes: dict[int, str] = {}
        _spell_rules(self.ours)
        source, history = extension.get("source"), extension.get("history")
        self.source: Values | None = {**source} if isinstance(source, dict) else None
        self.history: Values | None = {**history} if isinstance(history, dict) else None

    def complete(self) -> None:
        if self.source is not None:
            self._complete_source(self.source)
        by_flags = self._complete_key()
        if self.source is not None and self.history is not None:
            self._adopt_sequence(self.source, self.history)
            self._complete_types(self.source)
            self._add_system_columns(self.source, self.history, by_flags=by_flags)
            self._complete_tracked(self.source, self.history)
        for name, part in (("source", self.source), ("history", self.history)):
            if part is not None:
                self.ours[name] = part

    @property
    def columns(self) -> Iterator[Values]:
        return (each for each in self.properties if isinstance(each, dict))

    def filled(self, transformation: str) -> bool:
        """Whether a column says that it is filled so."""
        return any(_made_by(column) == transformation for column in self.columns)

    def _read_by(self, column: Mapping[str, object]) -> set[str]:
        """The source columns that a column is made of, without the table's name."""
        said, name = column.get("transformSourceObjects"), column.get("name")
        if said is None:
            return {name} if _made_by(column) == "direct" and isinstance(name, str) else set()
        source = self.source or {}
        schema, table = source.get("schema"), source.get("table")
        return {
            each.removeprefix(f"{schema}.{table}.").removeprefix(f"{table}.")
            for each in _texts(said)
        }

    def _complete_source(self, source: Values) -> None:
        """Where rows come from, as the standard's servers and the table's name say it."""
        servers = self.document.get("servers")
        server = servers[0] if isinstance(servers, list) and len(servers) == 1 else None
        if isinstance(server, dict):
            _default(source, "connection", server.get("server"))
        table = source.get("table")
        if table is None:
            table = self.relation.get("name")
            _default(source, "table", table)
        if source.get("schema") is None and isinstance(table, str) and table.count(".") == 1:
            source["schema"], source["table"] = table.split(".")
        if isinstance(server, dict):
            _default(source, "schema", server.get("schema"))
        if source.get("load") is None:
            source["load"] = "incremental" if source.get("watermark") else "full"
        if source["load"] == "incremental":
            _default(source, "watermark", source.get("sequence"))

    def _complete_key(self) -> bool:
        """Whether it is the columns' `primaryKey` that says the business key."""
        if self.history is not None and self.history.get("key") is not None:
            return False
        flagged = [each for each in self.columns if each.get("primaryKey") is True]
        key = [each for each in flagged if not _is_generated(each)]
        if not key or not all(isinstance(each.get("name"), str) for each in key):
            return False
        key.sort(key=_place)
        for each in key:
            _default(each, "required", True)
        self.history = {"key": [each["name"] for each in key], **(self.history or {})}
        self.history["key"] = [each["name"] for each in key]
        return True

    def _adopt_sequence(self, source: Values, history: Values) -> None:
        """A column that is only copied from the source's sequence is the history's sequence."""
        names = _texts(source.get("sequence"))
        if self.filled("sequence") or len(names) != 1:
            return
        used = {*_texts(history.get("key")), *_texts(history.get("tie_breaker"))}
        used |= {*_texts(history.get("tracked")), str(history.get("first_valid_from"))}
        for column in self.columns:
            if column.get("name") != names[0] or names[0] in used or _made_by(column) != "direct":
                continue
            extension = ours(column)
            said = extension is not None and bool(extension)
            if said or any(column.get(key) is not None for key in _PROMISES):
                continue
            if str(column.get("classification")) not in SENSITIVE:
                column["customProperties"] = with_ours(column, _filled("sequence"))

    def _complete_types(self, source: Values) -> None:
        for column in self.columns:
            made = _made_by(column)
            if made is not None and _is_generated(column) and column.get("logicalType") is None:
                _default(column, "physicalType", self._type(made, source))

    def _type(self, transformation: str, source: Values) -> str | None:
        if transformation not in _OF_SEQUENCE:
            return _TYPES.get(transformation)
        if transformation != "sequence" and source.get("kind") == "state":
            return _STAMP
        name = next(iter(_texts(source.get("sequence"))), None)
        said = source.get("columns")
        listed = [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []
        for column in (*listed, *self.columns):
            kind = column.get("physicalType")
            if name is not None and name in (column.get("name"), *self._read_by(column)):
                return kind if isinstance(kind, str) else _STAMP
        return _STAMP

    def _add_system_columns(self, source: Values, history: Values, *, by_flags: bool) -> None:
        missing = [each for each in NEEDED if not self.filled(each)]
        if missing and not self.filled("fingerprint"):
            missing.append("fingerprint")
        taken = {
            str(each.get("name")).lower(): position
            for position, each in enumerate(self.properties)
            if isinstance(each, dict)
        }
        flagged = any(each.get("partitioned") is True for each in self.columns)
        partitioned_by = _texts(history.get("partitioning")) or [SYSTEM_NAMES["is_current"]]
        for transformation in missing:
            name = SYSTEM_NAMES[transformation]
            if name in taken:
                self.clashes[taken[name]] = transformation
                continue
            column: Values = {"name": name, "physicalType": self._type(transformation, source)}
            if _is_never_null(transformation, history):
                column["required"] = True
            if flagged and name in partitioned_by:
                column["partitioned"] = True
            column["customProperties"] = with_ours({}, _filled(transformation))
            self.properties.append(column)
        for each in self.columns if by_flags else ():
            # With the start of its version a business key is unique in the table.
            if _made_by(each) == "valid_from":
                _default(each, "primaryKey", True)

    def _complete_tracked(self, source: Values, history: Values) -> None:
        """All columns that are made of the source's, but those that identify, order or date."""
        if history.get("tracked") is not None or history.get("key") is None:
            return
        others = {*_texts(history.get("key")), *_texts(history.get("tie_breaker"))}
        others.add(str(history.get("first_valid_from")))
        stamps = {*_texts(source.get("sequence")), *_texts(source.get("watermark"))}
        tracked = [
            column["name"]
            for column in self.columns
            if isinstance(column.get("name"), str)
            and column["name"] not in others
            and not _is_generated(column)
            and not stamps.issuperset(self._read_by(column))
        ]
        if tracked:
            history["tracked"] = tracked


def _is_never_null(transformation: str, history: Values) -> bool:
    ends = transformation == "valid_to" and history.get("open_end") is not None
    return ends or transformation in ("valid_from", "is_current")


def _spelled(column: Mapping[str, object]) -> Values:
    """The column with the words for its transformation and protection as mappings."""
    spelled, extension = {**column}, ours(column)
    if extension is None:
        return spelled
    full = {**extension}
    for key, name in (("transformation", "name"), ("protection", "kind")):
        if isinstance(full.get(key), str):
            full[key] = {name: full[key]}
    if full != extension:
        spelled["customProperties"] = with_ours(column, full)
    return spelled


def _spell_rules(extension: Values) -> None:
    rules = extension.get("protection")
    if isinstance(rules, dict):
        extension["protection"] = {
            name: {"kind": rule} if isinstance(rule, str) else rule for name, rule in rules.items()
        }


def _made_by(column: Mapping[str, object]) -> str | None:
    """The name of the column's transformation; None where what it says is no name."""
    extension = ours(column) or {}
    if "transformation" not in extension:
        return "direct"
    said = extension["transformation"]
    name = said.get("name") if isinstance(said, dict) else said
    return name if isinstance(name, str) else None


def _is_generated(column: Mapping[str, object]) -> bool:
    signature = TRANSFORMATIONS.get(_made_by(column) or "")
    return signature is not None and signature.generated


def _filled(transformation: str) -> Values:
    return {"transformation": {"name": transformation}}


def _default(values: Values, key: str, value: object) -> None:
    if values.get(key) is None and value is not None:
        values[key] = value


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _place(column: Mapping[str, object]) -> int:
    """The column's place in the primary key; all alike that say none."""
    place = column.get("primaryKeyPosition")
    return place if isinstance(place, int) else 0


def ours(section: Mapping[str, object]) -> Mapping[str, object] | None:
    """The value of our own custom property; None where there is none, or no mapping."""
    entries = section.get("customProperties")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("property") == NAMESPACE:
            value = entry.get("value")
            return value if isinstance(value, dict) else None
    return None


def with_ours(section: Mapping[str, object], value: Mapping[str, object]) -> list[object]:
    """The section's custom properties with this value of our own."""
    said = section.get("customProperties")
    entries: list[object] = [*said] if isinstance(said, list) else []
    for position, entry in enumerate(entries):
        if isinstance(entry, dict) and entry.get("property") == NAMESPACE:
            entries[position] = {**entry, "value": value}
            return entries
    return [*entries, {"property": NAMESPACE, "value": value}]
