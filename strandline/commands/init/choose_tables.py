"""Which tables of a database a project begins with: by names and patterns, or asked for."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from rich.console import RenderableType
from rich.text import Text

from contracts.errors import ContractError, NotFoundError, SourceAccessError
from strandline.terminal.number_format import NOTHING, count, many
from strandline.terminal.text_table import Heading, text_table
from tasks.introspection.list_tables import ListedTable

__all__ = ["chosen_tables", "table_data", "table_page"]

_GLOB = frozenset("*?[")
_TABLES = (
    Heading("table"),
    Heading("kind"),
    Heading("rows", number=True),
    Heading("key"),
    Heading("may be read"),
)


def table_page(tables: Sequence[ListedTable], *, width: int) -> list[RenderableType]:
    """The tables, one a line."""
    rows = [
        (
            Text(each.qualified, style="bold"),
            each.kind,
            count(each.rows),
            "yes" if each.keyed else NOTHING,
            "yes" if each.readable else Text("no", style="yellow"),
        )
        for each in tables
    ]
    return [
        text_table(_TABLES, rows, width=width),
        Text(f"{many(len(tables), 'table')}; rows by the database's statistics", style="dim"),
    ]


def table_data(tables: Sequence[ListedTable]) -> list[dict[str, object]]:
    """The tables in plain values, for `--json`."""
    return [
        {
            "table": each.qualified,
            "kind": each.kind,
            "rows": each.rows,
            "keyed": each.keyed,
            "readable": each.readable,
        }
        for each in tables
    ]


def chosen_tables(words: Sequence[str], tables: Sequence[ListedTable]) -> tuple[ListedTable, ...]:
    """The tables that names or patterns choose, each once, in the order of the words.

    A name is `SCHEMA.TABLE`, or `TABLE` where one schema alone has it. A pattern chooses tables
    that may be read and have a key, no views: what it passes over has to be named.

    Raises:
        NotFoundError: A name or a pattern chooses nothing.
        SourceAccessError: A named table may not be read.
        ContractError: Nothing identifies the rows of a named table.
    """
    chosen: dict[ListedTable, None] = {}
    for word in words:
        chosen.update(dict.fromkeys(_of_word(word, tables)))
    return tuple(chosen)


def _of_word(word: str, tables: Sequence[ListedTable]) -> Sequence[ListedTable]:
    if _GLOB & {*word}:
        found = [
            each
            for each in tables
            if each.readable
            and each.keyed
            and each.kind == "table"
            and (fnmatchcase(each.qualified, word) or fnmatchcase(each.name, word))
        ]
        return found or _refuse(word, tables)
    found = [each for each in tables if each.qualified == word]
    found = found or [each for each in tables if each.name == word]
    if len(found) != 1:
        return _refuse(word, tables, found)
    _check(found[0])
    return found


def _check(table: ListedTable) -> None:
    if not table.readable:
        raise SourceAccessError(
            where=f"table {table.qualified}",
            expected="permission to read it",
            found="none",
            next_step=f"Grant the user USAGE on the schema {table.schema} and SELECT on the "
            "table, or leave it out. Nothing was made.",
        )
    if not table.keyed and table.kind == "table":
        raise ContractError(
            where=f"table {table.qualified}",
            expected="a primary key or a unique index, which identifies a row",
            found="none",
            next_step="Leave it out; once the project is there, strandline contracts new "
            f"--source NAME --table {table.qualified} proposes a key to decide about. Nothing was "
            "made.",
        )


def _refuse(
    word: str, tables: Sequence[ListedTable], found: Sequence[ListedTable] = ()
) -> Sequence[ListedTable]:
    names = [each.qualified for each in tables]
    if found:
        said = f"several: {', '.join(each.qualified for each in found)}"
    else:
        near = get_close_matches(word, [*names, *(each.name for each in tables)], n=3, cutoff=0.5)
        said = f"none that may be read and has a key among {many(len(names), 'table')}"
        if not _GLOB & {*word}:
            said = f"none of this name; near it: {', '.join(near) or 'nothing'}"
    raise NotFoundError(
        where=f"strandline init --tables {word}",
        expected="a table of the database" if not found else "one table",
        found=said,
        next_step="Correct it; strandline init --list shows all tables. Nothing was made.",
    )
