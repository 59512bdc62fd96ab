"""`strandline contracts`: write one from a table, check, list and show them, and as pandera."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.console import RenderableType
from rich.text import Text

from contracts.errors import ContractError, UsageError
from contracts.loader import (
    TABLES,
    contract_files,
    find_contract,
    find_contract_file,
    is_pattern,
    load_contracts,
    select_contracts,
)
from contracts.model import Contract
from contracts.project.project_settings import has_own_blocks
from contracts.yaml_reading.problem_report import Problem
from strandline.commands.contracts.check_contracts import SHIPPED, Checked, check_paths
from strandline.terminal.console_output import AsJson, CommandOutput, Selected, TableName
from strandline.terminal.number_format import NOTHING, many
from strandline.terminal.text_table import Heading, text_table

if TYPE_CHECKING:
    from contracts.schemas.data_dictionary import DictionaryColumn
    from contracts.schemas.roles_in_words import DictionaryRole

Folder = Annotated[
    Path | None,
    Parameter(
        help="A folder of contracts; by default those of the settings, where STRANDLINE_BLOCKS "
        "says where they are, else those that come along."
    ),
]
OfSettings = Annotated[
    str | None, Parameter(help="The name of run settings: the contracts that they say.")
]
Paths = Annotated[
    Path,
    Parameter(
        help="Contract files, folders of them, names of contracts, patterns of names, tag:NAME or "
        "source:BLOCK; by default the project's, or those that come along."
    ),
]

_CONTRACTS = (
    Heading("contract"),
    Heading("target"),
    Heading("key"),
    Heading("source", spare=True),
    Heading("load", spare=True),
    Heading("checks", number=True, spare=True),
    Heading("tags", spare=True),
)
_COLUMNS = (
    Heading("column"),
    Heading("type"),
    Heading("stored as"),
    Heading("protection"),
    Heading("said by", spare=True),
    Heading("undone by", spare=True),
    Heading("meaning", prose=True),
    Heading("null", spare=True),
    Heading("made of", spare=True),
)
_ROLES = (
    Heading("role"),
    Heading("as it is stored", prose=True),
    Heading("otherwise", prose=True),
    Heading("not at all", prose=True),
    Heading("rows", prose=True),
    Heading("may decrypt", prose=True),
)

app = App(name="contracts", help="The contracts: what each table promises.")


@app.command(name="new")
def new_contract(  # noqa: PLR0913 - one option each
    *,
    source: Annotated[str, Parameter(help="The block of the database, such as crm-db.")],
    table: Annotated[str, Parameter(help="The table or view, as SCHEMA.TABLE.")],
    target: Annotated[
        str | None, Parameter(help="The history table, as NAMESPACE.TABLE; named alike by default.")
    ] = None,
    name: Annotated[
        str | None, Parameter(help="The contract's name; that of the table by default.")
    ] = None,
    output: Annotated[
        Path | None,
        Parameter(help="The file to write, or its folder; the settings' contracts by default."),
    ] = None,
    force: Annotated[bool, Parameter(negative="", help="Replace a file that is there.")] = False,
    samples: Annotated[
        bool, Parameter(negative="--no-samples", help="Look at a sample of rows for suggestions.")
    ] = True,
    settings: Annotated[str, Parameter(help="The name of the run settings.")] = "default",
    json: AsJson = False,
) -> None:
    """Write the contract of a table from what its database says of it, without Spark."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting("Starting"):
        # Blocks need Prefect, which takes seconds to load.
        from strandline.commands.contracts.write_contract_command import (
            ContractOptions,
            write_contract,
        )
    options = ContractOptions(source, table, target, name, output, force, samples, settings)
    write_contract(screen, options)


@app.command
def check(
    *paths: Paths, select: Selected = (), settings: OfSettings = None, json: AsJson = False
) -> int:
    """Report every problem of the contracts."""
    screen = CommandOutput.of(as_json=json)
    typed = (*paths, *map(Path, select))
    named = [file for path in typed for file in _named(path, settings)]
    # Beside names, the settings say where the contracts of these names are.
    configured = () if settings is None or named != [*typed] else (_folder(None, settings),)
    chosen = {path.resolve(): path for path in (*named, *configured)}
    checked = check_paths([*chosen.values()] or _usual_folders())
    broken = [each for each in checked if each.problems]
    problems = sum(len(each.problems) for each in broken)
    notices = sum(len(each.notices) for each in checked)
    data = {
        "problems": problems,
        "notices": notices,
        "files": [_file_data(each) for each in checked],
    }
    parts = [line for each in broken for line in _problem_lines(each.path, each.problems)]
    with_notices = [each for each in checked if each.notices]
    parts += [line for each in with_notices for line in _problem_lines(each.path, each.notices)]
    total = many(len(checked), "contract")
    if problems:
        parts.append(Text(f"{many(problems, 'problem')} in {len(broken)} of {total}", "bold red"))
    else:
        summary = f"{total}, no problems"
        parts.append(
            Text(f"{summary}, {many(notices, 'notice')}" if notices else summary, style="green")
        )
    screen.answer(data, *parts)
    return ContractError.exit_code if problems else 0


@app.command(name="list")
def list_contracts(
    *,
    select: Selected = (),
    folder: Folder = None,
    settings: OfSettings = None,
    json: AsJson = False,
) -> None:
    """List the contracts: target, source, key, tags."""
    screen = CommandOutput.of(as_json=json)
    where = _folder(folder, settings)
    found = load_contracts(where)
    names = select_contracts(select, where) if select else found
    contracts = [found[name] for name in names]
    rows = [
        (
            Text(each.name, style="bold"),
            each.target,
            ", ".join(each.key),
            each.source.relation,
            str(each.source.load),
            str(len(each.checks)),
            ", ".join(each.tags),
        )
        for each in contracts
    ]
    data = [
        {
            "contract": each.name,
            "version": each.version,
            "target": each.target,
            "source": each.source.relation,
            "load": str(each.source.load),
            "key": each.key,
            "checks": len(each.checks),
            "tags": each.tags,
        }
        for each in contracts
    ]
    screen.answer(data, text_table(_CONTRACTS, rows, width=screen.out.width))


@app.command
def show(
    name: TableName,
    *,
    folder: Folder = None,
    settings: OfSettings = None,
    markdown: Annotated[
        bool, Parameter(negative="", help="Print Markdown, with all there is to say of a column.")
    ] = False,
    full: Annotated[
        bool, Parameter(negative="", help="Print the contract itself, with all that it leaves out.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Show a contract as a data dictionary: what is stored, who can undo it, what roles see."""
    if full:
        from strandline.commands.contracts.format_contracts import full_contract

        found = find_contract_file(name, _folder(folder, settings))
        CommandOutput.of().out.file.write(full_contract(found))
        return
    # Only column types need PySpark, which `check` and `list` do without.
    from contracts.schemas.data_dictionary import data_dictionary, dictionary_columns
    from contracts.schemas.roles_in_words import dictionary_roles

    screen = CommandOutput.of(as_json=json)
    contract = find_contract(name, _folder(folder, settings))
    if markdown and not json:
        screen.out.file.write(data_dictionary(contract))
        return
    columns, roles = dictionary_columns(contract), dictionary_roles(contract)
    data = {
        "contract": contract.name,
        "version": contract.version,
        "target": contract.target,
        "source": contract.source.relation,
        "key": contract.key,
        "columns": [asdict(each) for each in columns],
        "roles": [asdict(each) for each in roles],
    }
    width = screen.out.width
    parts = [*_dictionary(contract, columns, width=width), *_roles(roles, width=width)]
    screen.answer(data, *parts)


@app.command
def fmt(
    *paths: Paths,
    select: Selected = (),
    check: Annotated[
        bool, Parameter(negative="", help="Change nothing; exit with 1 if a file would be changed.")
    ] = False,
    settings: OfSettings = None,
    json: AsJson = False,
) -> int:
    """Leave out of contracts what follows from the rest; comments stay, and what is loaded too."""
    from strandline.commands.contracts.format_contracts import format_files

    screen = CommandOutput.of(as_json=json)
    typed = (*paths, *map(Path, select))
    named = [file for path in typed for file in _named(path, settings)]
    named = named or [_folder(None, settings or "default")]
    with screen.waiting("Comparing what is loaded"):
        formatted = format_files(named, write=not check)
    changed = [each for each in formatted if each.changed]
    verb = "would be" if check else "is"
    lines: list[RenderableType] = [
        Text(f"{each.path} {verb} {each.after} lines long, {each.before} before", no_wrap=True)
        for each in changed
    ]
    lines.append(Text(f"{many(len(changed), 'file')} of {len(formatted)} changed", style="green"))
    if check:
        lines[-1] = Text(f"{many(len(changed), 'file')} of {len(formatted)} can be shortened")
    screen.answer({"files": [each.data for each in formatted]}, *lines)
    return 1 if check and changed else 0


@app.command
def schema(
    *,
    blocks: Annotated[
        bool, Parameter(negative="", help="That of block files instead of that of contracts.")
    ] = False,
    output: Annotated[
        Path | None, Parameter(help="A folder to write both to; printed without one.")
    ] = None,
) -> None:
    """Write the JSON Schema of contracts or block files, by which editors complete and check."""
    from strandline.commands.contracts.write_schemas import schema_text, write_schemas

    screen = CommandOutput.of()
    if output is None:
        screen.out.file.write(schema_text(blocks=blocks))
        return
    for path in write_schemas(output):
        screen.out.print(Text(f"Wrote {path}", no_wrap=True))


@app.command
def pandera(
    name: TableName,
    *,
    output: Annotated[
        Path | None, Parameter(help="The Python file to write; printed without one.")
    ] = None,
    folder: Folder = None,
    settings: OfSettings = None,
) -> None:
    """Write a contract's source rows as an importable pandera schema for pandas."""
    from contracts.pandas_twin.pandera_module import pandera_module

    screen = CommandOutput.of()
    text = pandera_module(find_contract(name, _folder(folder, settings)))
    if output is None:
        screen.out.file.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            where=str(output),
            expected="a file that can be written",
            found=error.strerror or type(error).__name__,
            next_step="Name a file in a directory that exists and is yours.",
        ) from error
    screen.out.print(f"Wrote {output}")


def _usual_folders() -> Sequence[Path]:
    """Those of the project, else those that come along."""
    if has_own_blocks():
        return [_folder(None, None)]
    contract_files(TABLES)  # a wheel has none, and the error says what to do
    return SHIPPED


def _named(path: Path, settings: str | None) -> Sequence[Path]:
    """The path, or the files of the contracts that have this name, or that it selects."""
    if path.exists() or (path.suffix and not is_pattern(str(path))) or len(path.parts) != 1:
        return [path]
    folder = _folder(None, settings or "default")
    files = {file.stem: file for file in contract_files(folder)}
    if is_pattern(str(path)):
        return [files[name] for name in select_contracts([str(path)], folder)]
    return [files.get(str(path), folder / f"{path}.yaml")]


def _folder(folder: Path | None, settings: str | None) -> Path:
    if folder is not None:
        return folder
    if settings is None and not has_own_blocks():
        return TABLES
    # Blocks need Prefect, which takes seconds to load: only where there are settings.
    from blocks.lookup import block_lookup

    return block_lookup.settings(settings or "default").contracts_directory or TABLES


def _dictionary(
    contract: Contract, columns: Sequence[DictionaryColumn], *, width: int
) -> list[RenderableType]:
    title = Text.assemble((contract.target, "bold"), f"  version {contract.version}")
    origin = Text(
        f"from {contract.source.relation}, key {', '.join(contract.key)}, "
        f"owned by {contract.owner}",
        style="dim",
    )
    rows = [
        (
            Text(column.name, style="bold" if column.name in contract.key else ""),
            column.type,
            column.stored_as,
            column.protection,
            column.said_by,
            column.undone_by,
            " ".join(column.meaning.split()),
            "yes" if column.nullable else "no",
            ", ".join(column.made_of),
        )
        for column in columns
    ]
    about = Text(" ".join(contract.description.split()))
    return [title, origin, about, text_table(_COLUMNS, rows, width=width)]


def _roles(roles: Sequence[DictionaryRole], *, width: int) -> list[RenderableType]:
    if not roles:
        return [Text("the contract has no roles: no view shows anybody anything", "dim")]
    rows = [
        (
            Text(role.name, style="bold"),
            _stored(role),
            ", ".join(role.altered) or NOTHING,
            ", ".join(role.hidden) or NOTHING,
            role.rows,
            ", ".join(role.decrypt) or NOTHING,
        )
        for role in roles
    ]
    return [Text("what roles see", "bold"), text_table(_ROLES, rows, width=width)]


def _stored(role: DictionaryRole) -> str:
    """The columns by name where they are few; the other cells name the rest."""
    others = len(role.columns) - len(role.stored)
    if others < len(role.stored):
        return "all others" if others else "all"
    return ", ".join(role.stored) or NOTHING


def _file_data(checked: Checked) -> dict[str, object]:
    return {
        "file": str(checked.path),
        "problems": [_problem_data(each) for each in checked.problems],
        "notices": [_problem_data(each) for each in checked.notices],
    }


def _problem_data(problem: Problem) -> dict[str, str]:
    return {
        "path": problem.path,
        "message": problem.message,
        "suggestion": problem.suggestion,
    }


def _problem_lines(path: Path, problems: Sequence[Problem]) -> Sequence[RenderableType]:
    lines: list[RenderableType] = [Text(_short(path), "bold", no_wrap=True)]
    for problem in problems:
        line = Text("  ")
        if problem.path:
            line.append(f"{problem.path}: ", style="cyan")
        line.append(problem.message)
        if problem.suggestion:
            line.append(f" ({problem.suggestion})", style="dim")
        lines.append(line)
    return [*lines, Text()]


def _short(path: Path) -> str:
    """Relative to where the command runs, if that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)
