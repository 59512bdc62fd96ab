"""A document of the standard as a `Ledger`: a table that Strandline itself appends to."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.loader.parse_columns import column_type
from contracts.loader.parse_table_contract import read_header, read_times
from contracts.model import Ledger, LedgerColumn
from contracts.validation.validate_partitioning import check_partitioning
from contracts.yaml_reading.yaml_section import Section


def is_ledger(root: Section) -> bool:
    """Whether the document declares a ledger."""
    quiet = Section(root.value, root.path, type(root.report)(root.report.file))
    extension = quiet.extension()
    return extension is not None and "ledger" in extension.value


def read_ledger(root: Section, stem: str) -> Ledger | None:
    """The ledger; problems are in the report, and the result may then be None."""
    header = read_header(root, stem)
    extension = root.extension(required=True)
    if header is None or extension is None:
        return None
    extension.only(("ledger",))
    section = extension.child("ledger", required=True)
    if section is None:
        return None
    section.only(("partitioning", "dated_by"))
    _, retention_days = read_times(root)
    for part in (header.relation, *header.properties):
        for key in ("quality", "relationships"):
            if part.has(key):
                part.problem(key, "a ledger has no checks", "leave it out")
    ledger = Ledger(
        name=header.name,
        version=header.version,
        description=header.description,
        owner=header.owner,
        columns=tuple(_column(item) for item in header.properties),
        partitioning=section.texts("partitioning", default=()),
        retention_days=retention_days,
        dated_by=section.text("dated_by", default="") or None,
    )
    names: set[str] = set()
    for column, item in zip(ledger.columns, header.properties, strict=True):
        if column.name.lower() in names:
            item.problem("name", f"{column.name} occurs twice")
        names.add(column.name.lower())
    kinds = {column.name: column.type for column in ledger.columns}
    check_partitioning(section, ledger.partitioning, kinds)
    _check_retention(section, ledger, kinds)
    return ledger


def _check_retention(section: Section, ledger: Ledger, kinds: Mapping[str, str]) -> None:
    """A retention needs a column that dates the rows, and such a column a retention."""
    if (ledger.retention_days is None) != (ledger.dated_by is None):
        given = "dated_by" if ledger.retention_days is None else "slaProperties: retention"
        section.problem(
            "dated_by",
            f"{given} without the other",
            "a retention and the timestamp column that it is counted from go together",
        )
    elif ledger.dated_by is not None and kinds.get(ledger.dated_by) != "timestamp":
        section.problem("dated_by", f"{ledger.dated_by} is no timestamp column of the ledger")


_MAPS = ("map<string,string>", "map<string,bigint>")


def _column(section: Section) -> LedgerColumn:
    return LedgerColumn(
        name=section.text("name"),
        type=nested_type(section),
        nullable=not section.flag("required", default=False),
        description=section.text("description"),
    )


def nested_type(section: Section) -> str:
    """The Spark type of a property, through the standard's `items` and `properties`."""
    logical = section.value.get("logicalType")
    physical = str(section.value.get("physicalType", "")).lower()
    if physical in _MAPS:
        # The standard has no logical type for a map.
        return physical
    if logical == "array":
        items = section.child("items", required=True)
        return f"array<{nested_type(items)}>" if items else ""
    if logical == "object":
        fields = [
            f"{field.text('name')}:{nested_type(field)}"
            for field in section.children("properties", required=True)
        ]
        return f"struct<{','.join(fields)}>"
    return column_type(section)
