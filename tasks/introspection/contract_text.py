"""A proposed contract as the text of its file: short, with comments, and a line for each decision.

Promise: the text is YAML that the loader takes, whatever names and comments the source has.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from contracts.authoring.yaml_layout import flow, item_lines, mapping_lines
from contracts.loader.complete_contract import SYSTEM_NAMES
from contracts.model import Classification
from contracts.model.database_type_names import family, spark_type
from tasks.introspection.contract_proposal import Proposal, ProposedColumn

__all__ = ["DECIDE", "Decision", "contract_text", "decisions_in"]

DECIDE = "# DECIDE: "
"""What each line with a decision begins with."""

_WIDTH = 100
_PROPERTY = " " * 6
_ENTRY = " " * 8
_ENCRYPT = "encrypt"
_OVERLAP = "1 hour"
_TWO = 2


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision and the number of its line in the file."""

    line: int
    text: str


def decisions_in(text: str) -> tuple[Decision, ...]:
    """The decisions that a contract's text asks for."""
    return tuple(
        Decision(number, line.strip().removeprefix(DECIDE))
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip().startswith(DECIDE)
    )


def contract_text(proposal: Proposal) -> str:
    """The text of the contract's file."""
    lines = [
        *_head(proposal),
        "schema:",
        f"  - name: {_word(proposal.names.table)}",
        f"    physicalName: {proposal.names.namespace}.{proposal.names.table}",
        "    properties:",
        *_properties(proposal),
        *_quality(proposal),
        "customProperties:",
        "  - property: strandline",
        "    value:",
        *_protection(proposal),
        *_privacy(proposal),
        *_history(proposal),
        *_source(proposal),
    ]
    return "\n".join(lines) + "\n"


def _head(proposal: Proposal) -> Iterator[str]:
    names, details = proposal.names, proposal.details
    table = f"{details.relation.schema}.{details.relation.name}"
    rows = "" if proposal.rows is None else f", about {proposal.rows:,} rows"
    by = "`strandline contracts new`: docs/contracts.md"
    if proposal.history is not None:
        by = f"`strandline import` from {proposal.history.origin}: docs/migrating.md"
    yield from _comment(
        f"{table} of {names.connection} ({details.kind}{rows}), by {by}. What it leaves out:"
        f" `strandline contracts show --full {names.contract}`.",
        "",
    )
    if details.untold:
        yield from _comment(f"Its catalog does not tell: {', '.join(details.untold)}.", "")
    listed = any(column.promise and column.promise.values for column in proposal.columns)
    # The standard has enum since 3.2.0.
    yield f"apiVersion: {'v3.2.0' if listed else 'v3.1.0'}"
    yield "kind: DataContract"
    yield f"id: {_word(names.contract)}"
    yield "version: 1.0.0"
    yield "status: active"
    purpose = " ".join(details.comment.split()) or f"The history of {table}."
    yield from _entry("description", {"purpose": purpose}, "")
    owner, of = details.owner, "the table's owner in the database"
    if not owner:
        owner, of = names.connection, "the block: name who owns the table"
    yield f"team: {flow({'name': owner})}  # {of}"


def _properties(proposal: Proposal) -> Iterator[str]:
    first = next(each.source for each in proposal.columns if each.source in proposal.key.columns)
    for column in proposal.columns:
        notes, decisions = [*column.notes], [*column.decisions]
        if column.source in proposal.key.columns:
            notes.insert(0, proposal.key.why)
        if column.source == first:
            notes += [f"also unique: {each}" for each in proposal.key.others]
            decisions += [text for about, text in proposal.decisions.items() if about == "key"]
        yield from _item(_property(proposal, column), notes, decisions, column.later)
    yield from _added(proposal)


def _property(proposal: Proposal, column: ProposedColumn) -> dict[str, object]:
    entry: dict[str, object] = {"name": column.target, "physicalType": column.type}
    entry.update(_required(proposal, column))
    if column.sensitive is not None:
        entry["classification"] = str(column.sensitive)
    if column.description:
        entry["description"] = column.description
    if column.target != column.source:
        relation = proposal.details.relation
        # The loader takes the table's name off, where a name begins with it.
        table = f"{relation.schema}.{relation.name}." if "." in column.source else ""
        entry["transformSourceObjects"] = [f"{table}{column.source}"]
    entry.update(_promised(column))
    if column.reference:
        # A tenth: the other history may be loaded later than this one.
        light = [{"property": "strandline", "value": {"weight": 0.1}}]
        entry["relationships"] = [{"to": column.reference, "customProperties": light}]
    if column.sensitive is not None and column.source in proposal.key.columns:
        entry["customProperties"] = _ours({"protection": "pseudonymise"})
    if column.source == proposal.copied_stamp != column.target:
        entry.pop("transformSourceObjects")
        entry["customProperties"] = _filled("sequence")
    return entry


def _required(proposal: Proposal, column: ProposedColumn) -> Mapping[str, object]:
    """Whether the column is in the key, or never null.

    A place is said where the key's columns are in another order than those of the table.
    """
    key = proposal.key.columns
    if column.source not in key:
        return {"required": True} if column.required else {}
    in_order = [each.source for each in proposal.columns if each.source in key]
    place = {} if in_order == [*key] else {"primaryKeyPosition": key.index(column.source) + 1}
    return {"primaryKey": True, **place}


def _promised(column: ProposedColumn) -> Mapping[str, object]:
    promise = column.promise
    if promise is None:
        return {}
    options = {
        "minLength": promise.min_length,
        "maxLength": promise.max_length,
        "minimum": promise.minimum,
        "maximum": promise.maximum,
    }
    given = {name: bound for name, bound in options.items() if bound is not None}
    found: dict[str, object] = {}
    if given:
        # By the standard, the options depend on the logical type.
        logical = family(spark_type(column.type) or "")
        found = {"logicalType": logical, "logicalTypeOptions": given}
    if promise.values:
        found["enum"] = [{"value": value} for value in promise.values]
    return found


def _added(proposal: Proposal) -> Iterator[str]:
    """The columns of ours that do not appear by themselves, or not under their usual names."""
    taken = {column.target.lower() for column in proposal.columns}
    for transformation, name in SYSTEM_NAMES.items():
        if name in taken and not (transformation == "sequence" and _is_adopted(proposal)):
            entry: dict[str, object] = {"name": proposal.generated_name(name)}
            if transformation in ("valid_from", "is_current"):
                entry |= {"required": True}
            entry |= {"customProperties": _filled(transformation)}
            yield from _item(entry, (f"the table has a {name} of its own",), ())
    if not proposal.tracked:
        yield f"{_PROPERTY}# There is nothing to track but the key itself."
        entry = {"name": proposal.generated_name("present"), "physicalType": "BOOLEAN"}
        literal = {"name": "literal", "arguments": {"value": True}}
        entry["customProperties"] = _ours({"transformation": literal})
        yield from _item(entry, (), ())


def _is_adopted(proposal: Proposal) -> bool:
    """Whether the column that is copied from the stamp is the history's sequence by itself."""
    return any(
        column.source == proposal.copied_stamp == column.target for column in proposal.columns
    )


def _quality(proposal: Proposal) -> Iterator[str]:
    if proposal.conditions:
        yield "    quality:"
    for name, condition in proposal.conditions.items():
        rule = {"rule": "condition", "arguments": {"then": condition}}
        check = {"id": name, "type": "custom", "engine": "strandline", "severity": "error"}
        yield from item_lines({**check, "implementation": rule}, _PROPERTY)
    if proposal.untranslated:
        yield from _comment(
            f"Not translated exactly, so left out: {', '.join(proposal.untranslated)}.", "    "
        )


def _protection(proposal: Proposal) -> Iterator[str]:
    found = {column.sensitive for column in proposal.columns}
    used = [each for each in Classification if each in found]
    if used:
        yield f"{_PROPERTY}# How columns are stored that say no protection: docs/protection.md."
        yield f"{_PROPERTY}protection:"
    for each in used:
        yield f"{_ENTRY}{each}: {flow(_ENCRYPT)}"


def _privacy(proposal: Proposal) -> Iterator[str]:
    if proposal.subject:
        yield f"{_PROPERTY}privacy:"
        yield from _decide(proposal, "subject")
        yield from _entry("subject", list(proposal.subject), _ENTRY)


def _history(proposal: Proposal) -> Iterator[str]:
    known = proposal.history
    if proposal.incremental and proposal.tracked and known is None:
        return
    yield f"{_PROPERTY}history:"
    if not proposal.tracked:
        yield from _entry("tracked", [proposal.generated_name("present")], _ENTRY)
    elif known is not None:
        for note in known.notes:
            yield from _comment(note, _ENTRY)
        yield from mapping_lines({"tracked": [*proposal.tracked]}, _ENTRY)
    if known is not None and not known.closes_absent:
        yield f"{_ENTRY}absent: keep  # as {known.origin} does"
    elif not proposal.incremental:
        yield f"{_ENTRY}absent: close  # a key that is no longer in the source has ended"


def _source(proposal: Proposal) -> Iterator[str]:
    relation, stamps = proposal.details.relation, proposal.stamps
    yield f"{_PROPERTY}source:"
    yield f"{_ENTRY}connection: {_word(proposal.names.connection)}"
    yield from _decide(proposal, "table")
    if "." in f"{relation.schema}{relation.name}":
        yield f"{_ENTRY}schema: {_word(relation.schema)}"
        yield f"{_ENTRY}table: {_word(relation.name)}"
    else:
        yield f"{_ENTRY}table: {_word(f'{relation.schema}.{relation.name}')}"
    yield from _decide(proposal, "kind")
    yield f"{_ENTRY}kind: {'events' if proposal.events else 'state'}"
    yield from _decide(proposal, "load")
    yield from _entry(
        "load", "incremental" if proposal.incremental else "full", _ENTRY, _why(proposal)
    )
    if stamps.columns:
        yield from _entry("sequence", list(stamps.columns), _ENTRY)
    if proposal.incremental or stamps.marks_changes:
        index = "an index supports it" if stamps.indexed else "no index supports it"
        yield from _entry("watermark", list(stamps.columns), _ENTRY, index)
    if proposal.incremental:
        longest = "" if proposal.slices else "longer than any transaction that writes"
        yield from _entry("overlap", _OVERLAP, _ENTRY, longest)
    yield from _partitions(proposal)
    said = [column for column in proposal.columns if _needs_saying(proposal, column)]
    if said:
        yield from _comment("Those of which the columns above do not say all.", _ENTRY)
        yield f"{_ENTRY}columns:"
    for column in said:
        yield f"{_ENTRY}  - {flow(_source_column(column))}"
    for left in proposal.left_out:
        yield from _comment(f"Left out: {left.name} ({left.declared}): {left.why}.", _ENTRY)


def _partitions(proposal: Proposal) -> Iterator[str]:
    partitioned_by = proposal.details.partitioned_by
    if proposal.partition_column is not None:
        is_key = proposal.partition_column in partitioned_by
        why = "the table's partition key" if is_key else "splits the read"
        yield from _entry("partition_column", proposal.partition_column, _ENTRY, why)
    elif partitioned_by and not proposal.slices:
        by = ", ".join(partitioned_by)
        yield from _comment(f"Partitioned by {by}, and read by one statement.", _ENTRY)


def _needs_saying(proposal: Proposal, column: ProposedColumn) -> bool:
    """Whether the source's column is more than what the target's is copied from."""
    renamed = column.source != column.target and column.source == proposal.copied_stamp
    return renamed or (bool(column.suggestion.made_of) and column.sensitive is not None)


def _why(proposal: Proposal) -> str:
    if proposal.incremental:
        return "reads the rows after the watermark"
    if proposal.stamps.marks_changes:
        return "finds each change and deletion; incremental reads less, and sees no deletions"
    if proposal.stamps.columns:
        stamp = proposal.stamps.columns[0]
        return f"{stamp} may be null, or does not move with each change: all rows are read"
    return "no column marks each change: all rows are read"


def _source_column(column: ProposedColumn) -> dict[str, object]:
    entry: dict[str, object] = {"name": column.source, "physicalType": column.type}
    if column.required:
        entry["required"] = True
    if column.suggestion.classification is not None:
        entry["classification"] = str(column.suggestion.classification)
    if column.suggestion.made_of and column.sensitive is not None:
        entry["derived_from"] = list(column.suggestion.made_of)
    return entry


def _decide(proposal: Proposal, about: str) -> Iterator[str]:
    if (text := proposal.decisions.get(about)) is not None:
        yield f"{_ENTRY}{DECIDE}{_plain(text)}"


def _item(
    entry: Mapping[str, object], notes: Sequence[str], decisions: Sequence[str], later: str = ""
) -> Iterator[str]:
    """An entry of a list: decisions above it, then in one line if it fits, else key by key.

    `later` is what it may refer to one day.
    """
    for text in decisions:
        yield f"{_PROPERTY}{DECIDE}{_plain(text)}"
    note = _plain("; ".join(notes))
    lines = [*item_lines(entry, _PROPERTY)]
    if not later and len(lines) == 1:
        yield from _with_note(lines[0], note, _PROPERTY)
        return
    if not later and len(lines) == _TWO:
        yield from _comment(note, _PROPERTY)
        yield from lines
        return
    for number, (name, value) in enumerate(entry.items()):
        lead = f"{_PROPERTY}- " if number == 0 else _ENTRY
        text = f"{lead}{name}: {flow(value)}"
        yield from _with_note(text, note, _PROPERTY) if number == 0 else (text,)
    if later:
        reference = _plain(flow([{"to": later}]))
        yield f"{_ENTRY}# relationships: {reference}  # once that table has a contract"


def _with_note(line: str, note: str, indent: str) -> Iterator[str]:
    if not note:
        yield line
    elif len(line) + len(note) + 4 <= _WIDTH:
        yield f"{line}  # {note}"
    else:
        yield from _comment(note, indent)
        yield line


def _entry(name: str, value: object, indent: str, note: str = "") -> Iterator[str]:
    yield from _with_note(f"{indent}{name}: {flow(value)}", _plain(note), indent)


def _comment(text: str, indent: str) -> Iterable[str]:
    lead = f"{indent}# "
    wrapped = textwrap.wrap(
        _plain(text), _WIDTH - len(lead), break_long_words=False, break_on_hyphens=False
    )
    return [lead + line for line in wrapped]


def _plain(text: str) -> str:
    """One line of printable characters: a name of the source may have any."""
    return re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text)).strip()


def _filled(transformation: str) -> list[dict[str, object]]:
    return _ours({"transformation": transformation})


def _ours(value: Mapping[str, object]) -> list[dict[str, object]]:
    return [{"property": "strandline", "value": dict(value)}]


def _word(text: str) -> str:
    return flow(text)
