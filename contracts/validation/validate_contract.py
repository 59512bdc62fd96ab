"""What has to agree between the parts of a contract, beyond each part being well formed.

Promise: a contract that passes can be compiled and run; everything it names exists and has a type
that fits, and nothing sensitive reaches the table unprotected.
"""

from __future__ import annotations

from collections import Counter

from contracts.model import Absence, Column, Contract, LoadKind, SourceKind
from contracts.model.database_type_names import is_temporal
from contracts.model.reserved_column_names import OURS, reserved_among
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.validation.validate_anomalies import check_anomalies
from contracts.validation.validate_mappings import check_mapping
from contracts.validation.validate_partitioning import check_partitioning
from contracts.validation.validate_protection import check_protection
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section


def check_consistency(
    contract: Contract, extension: Section, properties: tuple[Section, ...]
) -> None:
    """Report every contradiction. `properties` are the sections of `contract.columns`, in order."""
    source, history = extension.child("source"), extension.child("history")
    if source is None or history is None:
        return
    _check_names(contract, source, properties)
    _check_source(contract, source)
    _check_kind(contract, source, history)
    _check_load(contract, source, history)
    _check_key_and_tracked(contract, history)
    _check_generated(contract, extension)
    _check_dating(contract, history)
    _check_primary_key(contract, history, properties)
    check_mapping(contract, properties)
    check_protection(contract, source, properties)
    check_anomalies(contract, extension)
    _check_partitioned(contract, history, properties)


def _check_names(contract: Contract, source: Section, properties: tuple[Section, ...]) -> None:
    names: set[str] = set()
    reserved = reserved_among((column.name for column in contract.columns), stored=True)
    for column, section in zip(contract.columns, properties, strict=True):
        name = column.name.lower()
        if name and name in names:
            section.problem("name", f"{column.name} occurs twice")
        if (by := reserved.get(column.name)) is not None:
            section.problem("name", f"{column.name} is reserved by {by}", "give it another name")
        names.add(name)
    counts = Counter(column.name.lower() for column in contract.source.columns if column.name)
    for name in sorted(name for name, count in counts.items() if count > 1):
        source.problem("columns", f"{name} occurs twice")
    for name in reserved_among(counts, stored=False):
        source.problem(
            "columns",
            f"{name}: names that start with {OURS} are reserved",
            "read a view that names it otherwise",
        )


def _check_source(contract: Contract, section: Section) -> None:
    """The settings of the source name columns that the source has."""
    origin = contract.source
    kinds = {column.name: column.type for column in origin.columns}
    for key, names in (
        ("sequence", origin.sequence),
        ("watermark", origin.watermark),
        ("partition_column", (origin.partition_column,) if origin.partition_column else ()),
    ):
        for name in names:
            _check_known(section, key, name, kinds, "the source")
    for key, conditions in (("membership", origin.membership), ("ignore", origin.ignore)):
        for position, condition in enumerate(conditions):
            if condition.column:
                _check_known(
                    section, f"{key}[{position}].column", condition.column, kinds, "the source"
                )
    _check_sequence(contract, section, kinds)


def _check_sequence(contract: Contract, section: Section, kinds: dict[str, str]) -> None:
    origin = contract.source
    types = [kinds[name] for name in origin.sequence if kinds.get(name)]
    unknown = section.report.knows(section.at("sequence"))
    if not origin.sequence and not origin.is_state and not unknown:
        section.problem(
            "sequence",
            "needs at least one column",
            "leave it out only with kind: state; then each change holds since its read",
        )
    if len(set(types)) > 1:
        section.problem("sequence", f"columns of one type; found {', '.join(sorted(set(types)))}")
    if any(kind in ("string", "boolean", "binary") for kind in types):
        section.problem("sequence", "must be points in time or numbers")


def _check_kind(contract: Contract, source: Section, history: Section) -> None:
    """The other settings of the contract agree with the kind of the source's rows."""
    kind = contract.source.kind
    if source.report.knows(source.at("kind")):
        return
    if kind is SourceKind.STATE and contract.history.tie_breaker:
        history.problem(
            "tie_breaker", "a state has one row a key: nothing to decide", "leave it out"
        )
    if kind is SourceKind.EVENTS and contract.history.absent is Absence.CLOSE:
        history.problem(
            "absent",
            "a log does not say what is gone by leaving it out",
            "use keep, or say kind: state of a table with one row a key",
        )
    if kind is not SourceKind.STATE and contract.generated("read_at") is not None:
        source.problem("kind", "only a source of kind state has a read_at", "say kind: state")


def _check_load(contract: Contract, source: Section, history: Section) -> None:
    """The kind of load agrees with its watermark, its overlap and what absence means."""
    origin = contract.source
    kinds = {column.name: column.type for column in origin.columns}
    marks = [kinds[name] for name in origin.watermark if kinds.get(name)]
    if any(not is_temporal(kind) for kind in marks):
        source.problem("watermark", "must be made of dates or timestamps")
    if source.report.knows(source.at("load")):
        return
    if origin.load is LoadKind.FULL:
        if origin.overlap:
            source.problem("overlap", "a full load reads everything", "leave it out")
        return
    if contract.history.absent is Absence.CLOSE:
        history.problem(
            "absent",
            "an incremental load does not see what is absent",
            "use keep, or load: full",
        )
    if not origin.watermark:
        source.problem("watermark", "an incremental load needs a watermark")


def _check_known(section: Section, key: str, name: str, known: dict[str, str], owner: str) -> None:
    if name not in known:
        section.problem(key, f"{owner} has no column {name}", did_you_mean(name, known))


def _check_key_and_tracked(contract: Contract, section: Section) -> None:
    columns = {column.name: column for column in contract.columns}
    kinds = {name: column.type for name, column in columns.items()}
    history = contract.history
    single = (history.first_valid_from,) if history.first_valid_from else ()
    for key, names in (
        ("key", contract.key),
        ("tracked", history.tracked),
        ("tie_breaker", history.tie_breaker),
        ("first_valid_from", single),
    ):
        for name in names:
            _check_known(section, key, name, kinds, "the target")
            if name in columns and _generated(columns[name]):
                section.problem(key, f"{name} is generated, not read from the source")
    for key, names in (("key", contract.key), ("tracked", history.tracked)):
        if not names and not section.report.knows(section.at(key)):
            section.problem(key, "needs at least one column")
    untrackable = {*contract.key, *history.tie_breaker, *single}
    for name in sorted(untrackable & set(history.tracked)):
        section.problem("tracked", f"{name} identifies, orders or dates; it can't be tracked too")
    _check_key(contract, section)


def _check_key(contract: Contract, section: Section) -> None:
    columns = {column.name: column for column in contract.columns}
    kinds = {name: column.type for name, column in columns.items()}
    for name in contract.key:
        if name in columns and columns[name].nullable:
            section.problem("key", f"{name} may be null", "mark it required")
        if kinds.get(name) in ("float", "double"):
            section.problem("key", f"{name} is {kinds[name]}, which does not identify")


def _check_generated(contract: Contract, extension: Section) -> None:
    counts = Counter(c.transformation.name for c in contract.columns if _generated(c))
    path = "schema[0].properties"
    for name in sorted(name for name, count in counts.items() if count > 1):
        extension.report.add(path, f"more than one column with the transformation {name}")
    if counts["retention_date"] and contract.retention_days is None:
        extension.report.add(
            "slaProperties", "a column with a retention date needs the property retention"
        )


def _check_dating(contract: Contract, section: Section) -> None:
    """The dating columns have the type of a version's start: for a log, that of the sequence."""
    by = "valid_from" if contract.source.is_state else "sequence"
    dating = contract.generated(by)
    if dating is None or not dating.type:
        return
    name = contract.history.first_valid_from
    for column in contract.columns:
        if column.name == name and column.type and column.type != dating.type:
            section.problem("first_valid_from", f"{name} is {column.type}, the {by} {dating.type}")
    if contract.history.open_end is not None and dating.type != "timestamp":
        section.problem("open_end", f"the {by} is {dating.type}, not a timestamp")


def _check_primary_key(
    contract: Contract, history: Section, properties: tuple[Section, ...]
) -> None:
    """The standard's primaryKey marks unique columns; a business key is not unique in a history."""
    flagged = {
        column.name
        for column, section in zip(contract.columns, properties, strict=True)
        if section.flag("primaryKey", default=False)
    }
    unique = [contract.generated("surrogate_key"), contract.generated("valid_from")]
    surrogate, start = (column.name if column else None for column in unique)
    if flagged and flagged not in ({surrogate}, {*contract.key, start}):
        history.report.add(
            "schema[0].properties",
            "primaryKey marks what is unique in the table: the surrogate key, or the business key "
            "with the start of the version",
            "say the business key in history.key",
        )


def _check_partitioned(
    contract: Contract, history: Section, properties: tuple[Section, ...]
) -> None:
    kinds = {column.name: column.type for column in contract.columns}
    named = check_partitioning(history, contract.history.partitioning, kinds)
    flagged = False
    for column, section in zip(contract.columns, properties, strict=True):
        if column.protection is not None and column.name in named:
            history.problem("partitioning", f"{column.name} is protected; tokens do not partition")
        flagged = flagged or section.flag("partitioned", default=False)
    if not flagged:
        return
    for column, section in zip(contract.columns, properties, strict=True):
        if section.flag("partitioned", default=False) != (column.name in named):
            section.problem("partitioned", "disagrees with history.partitioning")
        position = section.integer("partitionKeyPosition", default=-1, low=-1)
        if position >= 0 and column.name not in named[position - 1 : position]:
            section.problem("partitionKeyPosition", "disagrees with history.partitioning")


def _generated(column: Column) -> bool:
    signature = TRANSFORMATIONS.get(column.transformation.name)
    return signature is not None and signature.generated
