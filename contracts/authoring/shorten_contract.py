"""A contract without what follows from the rest: `strandline contracts fmt`.

A part of the file is left out, or said in fewer words, if the contract that is loaded without it is
the same. Parts with comments stay as they are written, and so does everything that a person wrote
for people.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from contracts.authoring.yaml_layout import WIDTH, flow, item_lines, mapping_lines
from contracts.authoring.yaml_spans import Part, Path, YamlText
from contracts.loader import contract_of_document
from contracts.loader.complete_contract import SYSTEM_NAMES
from contracts.model import Contract
from contracts.yaml_reading.problem_report import Report
from contracts.yaml_reading.yaml_parser import parse
from contracts.yaml_reading.yaml_section import NAMESPACE

__all__ = ["shortened"]

Document = Mapping[str, object]
_GONE = object()
_PROPERTIES: Path = ("schema", 0, "properties")
_OUR_NOTES = (
    "# Filled by Strandline.",
    "# Those of which the columns above do not say all.",
)
"""Comments of `strandline contracts new`, which go with what they are about."""
_FOLLOWING = {
    "history": ("tracked", "partitioning"),
    "source": ("connection", "watermark"),
}
"""What follows from other parts. A setting that somebody wrote stays, also if it is the default."""
_SYSTEM_KEYS = frozenset(
    {
        *("name", "description", "logicalType", "physicalType", "required", "classification"),
        *("customProperties", "primaryKey"),
    }
)
"""What a column may say that appears by itself: nothing is written for people there."""


@dataclass(frozen=True, slots=True)
class _Change:
    """Parts that are left out (`_GONE`) or said otherwise, all of them or none."""

    parts: tuple[tuple[Path, object], ...]


def shortened(text: str, stem: str) -> str:
    """The text of a contract without problems in its short form.

    Args:
        text: The file.
        stem: Its name, without the suffix.
    """
    longer = ""
    while longer != text:
        # One part may follow from another only once a third is gone.
        longer, text = text, _applied_where_equal(text, stem, _omissions)
    text = _applied_where_equal(text, stem, _shorthands)
    return _applied_where_equal(text, stem, _one_liners)


def _applied_where_equal(
    text: str, stem: str, changes_of: Callable[[YamlText, Document, str], Iterator[_Change]]
) -> str:
    """The text with those of the changes that leave the loaded contract as it is."""
    document = parse(text, Report(stem))
    before = None if document is None else contract_of_document(document, stem)
    if document is None or before is None:
        return text
    yaml_text = YamlText(text)
    changes = [each for each in changes_of(yaml_text, document, stem) if each.parts]
    accepted = _accepted(document, stem, before, changes)
    if not accepted:
        return text
    written = _written(yaml_text, document, [part for each in accepted for part in each.parts])
    after = parse(written, Report(stem))
    same = after is not None and _same(contract_of_document(after, stem), before)
    return written if same else text


def _accepted(
    document: Document, stem: str, before: Contract, changes: Sequence[_Change]
) -> list[_Change]:
    """The changes after which the document is read as the same contract, tried many at once."""
    taken: list[_Change] = []

    def try_all(group: Sequence[_Change]) -> None:
        if not group:
            return
        changed = _changed(document, [part for each in (*taken, *group) for part in each.parts])
        if _same(contract_of_document(changed, stem), before):
            taken.extend(group)
        elif len(group) > 1:
            half = len(group) // 2
            try_all(group[:half])
            try_all(group[half:])

    try_all(changes)
    return taken


def _same(one: Contract | None, other: Contract) -> bool:
    """Whether the contracts are equal; the order in which source columns are read means nothing."""
    return one is not None and _ordered(one) == _ordered(other)


def _ordered(contract: Contract) -> Contract:
    columns = sorted(contract.source.columns, key=lambda column: column.name)
    return replace(contract, source=replace(contract.source, columns=tuple(columns)))


def _changed(document: Document, parts: Iterable[tuple[Path, object]]) -> dict[str, object]:
    changed = copy.deepcopy(dict(document))
    for path, value in parts:
        owner: object = changed
        for step in path[:-1]:
            owner = _below(owner, step)
        if isinstance(owner, dict | list) and owner is not _GONE:
            owner[path[-1]] = value  # type: ignore[index]
    pruned = _pruned(changed)
    return pruned if isinstance(pruned, dict) else {}


def _below(owner: object, step: str | int) -> object:
    if isinstance(owner, dict):
        return owner.get(step)
    if isinstance(owner, list) and isinstance(step, int):
        return owner[step]
    return None


def _pruned(value: object) -> object:
    """The value without what is gone, and without what that leaves empty."""
    if isinstance(value, dict):
        kept = {key: _pruned(each) for key, each in value.items() if each is not _GONE}
        pruned = {
            key: each for key, each in kept.items() if each or not _is_emptied(value[key], each)
        }
        is_ours = value.get("property") == NAMESPACE and "value" in value
        return {} if is_ours and "value" not in pruned else pruned
    if isinstance(value, list):
        items = [(each, _pruned(each)) for each in value if each is not _GONE]
        return [each for old, each in items if each or not _is_emptied(old, each)]
    return value


def _is_emptied(old: object, new: object) -> bool:
    return isinstance(old, dict | list) and bool(old) and new in ({}, [])


# What may be left out.


def _omissions(text: YamlText, document: Document, stem: str) -> Iterator[_Change]:
    if document.get("name") == stem:
        yield from _removal(text, ("name",))
    properties = _items(document, _PROPERTIES)
    yield from _system_columns(text, properties)
    for position, column in enumerate(properties):
        yield from _of_column(text, (*_PROPERTIES, position), column)
    for position in range(len(_items(document, ("schema", 0, "quality")))):
        yield from _removal(text, ("schema", 0, "quality", position, "dimension"))
    ours = _ours_path(document)
    if ours is not None:
        yield from _of_ours(text, document, ours)


def _of_column(text: YamlText, path: Path, column: Document) -> Iterator[_Change]:
    if text.has_comment(path) and not text.parts[path].is_flow:
        return
    for key in ("required", "classification", "description"):
        yield from _removal(text, (*path, key))
    sources = column.get("transformSourceObjects")
    if isinstance(sources, list) and str(sources[-1:]).endswith(f"{column.get('name')}']"):
        yield from _removal(text, (*path, "transformSourceObjects"))
    if "logicalTypeOptions" not in column:
        yield from _removal(text, (*path, "logicalType"))
    own = _own_value(column)
    if own is None:
        return
    place, value = own
    if "transformation" in value:
        yield from _removal(text, (*path, "physicalType"))
    for key in value:
        yield from _removal(text, (*path, *place, key))


def _own_value(column: Document) -> tuple[Path, Document] | None:
    """Where a column says what only Strandline reads, and that."""
    entries = column.get("customProperties")
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict) and entry.get("property") == NAMESPACE:
            value = entry.get("value")
            if isinstance(value, dict):
                return ("customProperties", number, "value"), value
    return None


def _system_columns(text: YamlText, properties: Sequence[Document]) -> Iterator[_Change]:
    """The columns at the end that would appear by themselves."""
    last = len(properties)
    while last and _appears_by_itself(properties[last - 1]):
        last -= 1
    paths: list[Path] = [(*_PROPERTIES, each) for each in range(last, len(properties))]
    if paths and all(_is_free(text, path) for path in paths):
        yield _Change(tuple((path, _GONE) for path in paths))


def _appears_by_itself(column: Document) -> bool:
    own = _own_value(column)
    if own is None or not _SYSTEM_KEYS.issuperset(column) or set(own[1]) != {"transformation"}:
        return False
    said = own[1]["transformation"]
    name = said.get("name") if isinstance(said, dict) else said
    return isinstance(name, str) and column.get("name") in (SYSTEM_NAMES.get(name), "read_at")


def _of_ours(text: YamlText, document: Document, ours: Path) -> Iterator[_Change]:
    value = _at(document, ours)
    if not isinstance(value, dict):
        return
    for name, keys in _FOLLOWING.items():
        for key in keys:
            yield from _removal(text, (*ours, name, key))
    columns = _items(document, (*ours, "source", "columns"))
    for position in range(len(columns)):
        path: Path = (*ours, "source", "columns", position)
        yield from _removal(text, path)
        if not text.has_comment(path) or text.parts[path].is_flow:
            for key in ("required", "classification", "description"):
                yield from _removal(text, (*path, key))
    yield from _key_by_flags(text, document, ours)


def _key_by_flags(text: YamlText, document: Document, ours: Path) -> Iterator[_Change]:
    """The business key by the columns' own `primaryKey`."""
    key = _at(document, (*ours, "history", "key"))
    properties = _items(document, _PROPERTIES)
    positions = {column.get("name"): place for place, column in enumerate(properties)}
    names = key if isinstance(key, list) else []
    places = [positions[name] for name in names if name in positions]
    if not names or len(places) != len(names):
        return
    parts: list[tuple[Path, object]] = [((*ours, "history", "key"), _GONE)]
    for number, place in enumerate(places, 1):
        path: Path = (*_PROPERTIES, place)
        if text.has_comment(path) and not text.parts[path].is_flow:
            return
        parts.append(((*path, "primaryKey"), True))
        if places != sorted(places):
            parts.append(((*path, "primaryKeyPosition"), number))
        if "required" in properties[place]:
            parts.append(((*path, "required"), _GONE))
    if _is_free(text, (*ours, "history", "key")):
        yield _Change(tuple(parts))


def _removal(text: YamlText, path: Path) -> Iterator[_Change]:
    if path in text.parts and _is_free(text, path):
        yield _Change(((path, _GONE),))


def _is_free(text: YamlText, path: Path) -> bool:
    """Whether no comment is about it."""
    part = text.parts[path]
    if part.in_flow:
        return True
    return not text.has_comment(path) and not text.is_under_comment(path, _OUR_NOTES)


# What may be said in fewer words.


def _shorthands(text: YamlText, document: Document, _stem: str) -> Iterator[_Change]:
    for position, column in enumerate(_items(document, _PROPERTIES)):
        path: Path = (*_PROPERTIES, position)
        own = _own_value(column)
        if own is None or (text.has_comment(path) and not text.parts[path].is_flow):
            continue
        place, value = own
        yield from _word(value, (*path, *place), "transformation", "name")
        yield from _word(value, (*path, *place), "protection", "kind")
    ours = _ours_path(document)
    if ours is not None:
        yield from _words_for_rules(text, document, ours)
        yield from _table_in_one_word(text, document, ours)


def _words_for_rules(text: YamlText, document: Document, ours: Path) -> Iterator[_Change]:
    rules = _at(document, (*ours, "protection"))
    if isinstance(rules, dict):
        for name in rules:
            if _is_free(text, (*ours, "protection", name)):
                yield from _word(rules, (*ours, "protection"), name, "kind")


def _table_in_one_word(text: YamlText, document: Document, ours: Path) -> Iterator[_Change]:
    source = _at(document, (*ours, "source"))
    if isinstance(source, dict) and {"schema", "table"} <= source.keys():
        schema, table = (*ours, "source", "schema"), (*ours, "source", "table")
        if _is_free(text, schema) and _is_free(text, table):
            yield _Change(((schema, _GONE), (table, f"{source['schema']}.{source['table']}")))


def _word(owner: Document, path: Path, key: str, name: str) -> Iterator[_Change]:
    value = owner.get(key)
    if isinstance(value, dict) and [*value] == [name] and isinstance(value[name], str):
        yield _Change((((*path, key), value[name]),))


def _one_liners(text: YamlText, document: Document, _stem: str) -> Iterator[_Change]:
    """Entries that are written over several lines and fit in one."""
    ours = _ours_path(document) or ()
    lists: tuple[Path, ...] = (
        ("servers",), ("roles",), ("slaProperties",), ("schema", 0, "properties"),
        ("schema", 0, "quality"), (*ours, "source", "columns"),
    )  # fmt: skip
    for where in lists:
        for position, value in enumerate(_items(document, where)):
            path = (*where, position)
            part = text.parts[path]
            short = len([*item_lines(value, " " * part.column)])
            if short < part.last - part.first + 1 and not text.has_comment(path):
                yield _Change(((path, value),))
    for key in ("description", "team"):
        said = document.get(key)
        if not isinstance(said, dict) or text.has_comment((key,)):
            continue
        part = text.parts[(key,)]
        if part.last > part.first and len(f"{key}: {flow(said)}") <= WIDTH:
            yield _Change((((key,), said),))


# The text.


def _written(text: YamlText, document: Document, parts: Sequence[tuple[Path, object]]) -> str:
    """The text with the changed parts; all that is not changed stays as it is written."""
    changed = copy.deepcopy(dict(document))
    for path, value in parts:
        owner: object = changed
        for step in path[:-1]:
            owner = _below(owner, step)
        if isinstance(owner, dict | list):
            owner[path[-1]] = value  # type: ignore[index]
    lines = [*text.lines]
    units = {_not_emptied(text, changed, _unit(text, path)) for path, _ in parts}
    outer = [
        unit for unit in units if not any(unit[:size] in units for size in range(1, len(unit)))
    ]
    for unit in sorted(outer, key=lambda path: text.parts[path].first, reverse=True):
        part, value = text.parts[unit], _pruned_at(changed, unit)
        new = [] if value is _GONE else [*_rendered(part, unit, value, text)]
        lines[part.first : part.last + 1] = new
        above = part.first - 1
        if value is _GONE and lines[above].strip() in _OUR_NOTES:
            del lines[above]
    return "\n".join(lines) + "\n"


def _unit(text: YamlText, path: Path) -> Path:
    """The smallest part around it that has lines of its own and is not emptied by the change."""
    size = len(path)
    while size > 1 and (path[:size] not in text.parts or not _has_lines(text, path[:size])):
        size -= 1
    unit = path[:size]
    if size > 1 and isinstance(unit[-1], str) and isinstance(unit[-2], int):
        # An entry of a list's item is written anew with its item.
        return unit[:-1]
    for place in range(size - 1, 1, -1):
        if isinstance(unit[place - 1], int) and unit[place - 2] in ("properties", "quality"):
            return unit[:place]
    return unit


def _not_emptied(text: YamlText, changed: Document, unit: Path) -> Path:
    """The unit, or what is left empty without it."""
    while len(unit) > 1 and _pruned_at(changed, unit[:-1]) is _GONE and unit[:-1] in text.parts:
        unit = unit[:-1]
    return unit


def _has_lines(text: YamlText, path: Path) -> bool:
    part = text.parts[path]
    return not part.in_flow


def _pruned_at(changed: Document, unit: Path) -> object:
    owner: object = changed
    for step in unit[:-1]:
        owner = _below(owner, step)
    value = _below(owner, unit[-1])
    if value is _GONE:
        return _GONE
    pruned = _pruned(value)
    return _GONE if _is_emptied(value, pruned) else pruned


def _rendered(part: Part, unit: Path, value: object, text: YamlText) -> Iterator[str]:
    indent = " " * part.column
    lines = (
        [*item_lines(value, indent)]
        if isinstance(unit[-1], int)
        else [*mapping_lines({str(unit[-1]): value}, indent)]
    )
    note = _note(part, text)
    if note and len(lines) == 1 and len(lines[0]) + len(note) + 2 <= WIDTH:
        lines[0] += f"  {note}"
    elif note:
        lines.insert(0, f"{indent}{note}")
    yield from lines


def _note(part: Part, text: YamlText) -> str:
    """The comment behind an entry of one line."""
    if part.first != part.last:
        return ""
    line = text.lines[part.first]
    end = part.value.end_mark.column
    rest = line[end:].strip()
    return rest if rest.startswith("#") else ""


def _items(document: Document, path: Path) -> list[Document]:
    value = _at(document, path)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _at(document: Document, path: Path) -> object:
    found: object = document
    for step in path:
        found = _below(found, step)
    return found


def _ours_path(document: Document) -> Path | None:
    own = _own_value(document)
    return None if own is None else own[0]
