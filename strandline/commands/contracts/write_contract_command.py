"""`strandline contracts new`: a contract written from what a source says of its table."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from blocks.lookup import block_lookup
from blocks.source_database import SourceDatabase
from contracts.authoring.contract_json_schema import CONTRACT_SCHEMA
from contracts.errors import ContractError, SettingsError, UsageError
from contracts.loader import SUFFIXES, contract_files, load_contract
from contracts.model import Contract
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import NOTHING, many
from strandline.terminal.text_table import Heading, text_table
from tasks.introspection.contract_of_table import ContractOfTable, contract_of_table
from tasks.introspection.contract_proposal import ContractNames, Proposal
from tasks.introspection.contract_text import Decision, decisions_in
from tasks.introspection.target_names import identifier, usual_namespace
from tasks.lifecycle.open_run import session
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.source.dialect_of_source import sql_dialect_of

__all__ = [
    "ContractOptions",
    "contract_names",
    "contract_path",
    "for_editors",
    "next_commands",
    "other_contracts",
    "refuse_clash",
    "schema_and_table",
    "short_path",
    "start_driver",
    "write_contract",
    "write_text",
]

_COLUMNS = (
    Heading("column"),
    Heading("source type"),
    Heading("target type"),
    Heading("classification"),
    Heading("note", prose=True, spare=True),
)
_QUOTED = re.compile(r'^(?:"((?:[^"]|"")+)"|([^".]+))\.(?:"((?:[^"]|"")+)"|([^"]+))$')
_TARGET = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", re.ASCII)
_NAME = re.compile(r"^[A-Za-z_][\w-]*$", re.ASCII)


@dataclass(frozen=True, slots=True)
class ContractOptions:
    """What was typed: names, the file, whether rows are looked at; and the command itself."""

    source: str
    table: str
    target: str | None = None
    name: str | None = None
    output: Path | None = None
    force: bool = False
    samples: bool = True
    settings: str = "default"
    command: str = "strandline contracts new"


def write_contract(screen: CommandOutput, options: ContractOptions) -> None:
    """Write the contract of a table, and say what was found and what there is to decide.

    Raises:
        UsageError: A name is none, or there is a file already.
        SettingsError: There is no such block, or no folder for contracts.
        ContractError: Another contract has the target.
        NotFoundError: There is no such table.
        SourceAccessError: The source refuses the user, or the table.
        SourceUnavailableError: It does not answer.
    """
    table = schema_and_table(options)
    path = contract_path(options, table)
    others = other_contracts(path)
    names = contract_names(options, table, path)
    refuse_clash(names, path, others)
    source = block_lookup.source(options.source)
    with screen.waiting(f"Reading {'.'.join(table)}"):
        start_driver(source, options.settings)
        with source.reading() as reading:
            made = contract_of_table(
                reading,
                table,
                names,
                dialect=sql_dialect_of(source),
                samples=options.samples,
                others=[*others.values()],
            )
    if options.output is None:
        path.parent.mkdir(parents=True, exist_ok=True)
    text = for_editors(path) + made.text
    write_text(path, text, force=options.force)
    decisions = decisions_in(text)
    commands = next_commands(options, path, names)
    data = _data(made.proposal, path, decisions, commands)
    screen.answer(data, *_page(made, path, decisions, commands, width=screen.out.width))


def for_editors(path: Path) -> str:
    """The line by which editors find the schema of contracts, if it lies beside them."""
    if not (path.parent / CONTRACT_SCHEMA).is_file():
        return ""
    return f"# yaml-language-server: $schema={CONTRACT_SCHEMA}\n"


def start_driver(source: SourceDatabase, settings: str) -> None:
    """Start Spark, if it is by Spark's JVM that the database is asked."""
    if source.dialect == "jdbc":
        block = block_lookup.settings(settings)
        with map_spark_errors(block.lakehouse.catalog, "open"):
            session(block, source)


def schema_and_table(options: ContractOptions) -> tuple[str, str]:
    """Schema and table: as the catalog has them, or in the quotes of SQL."""
    typed = options.table
    match = _QUOTED.match(typed)
    if match is None:
        next_step = "Correct it."
        if "." not in typed:
            next_step = f"{options.command} --table {_usual_schema(options.source)}.{typed}"
        raise UsageError(
            where=f"{options.command} --table",
            expected="SCHEMA.TABLE; a name with a dot in it is quoted: '\"my.schema\".customers'",
            found=typed,
            next_step=next_step,
        )
    schema, table = (
        quoted.replace('""', '"') if quoted is not None else plain
        for quoted, plain in (match.group(1, 2), match.group(3, 4))
    )
    return schema, table


def _usual_schema(name: str) -> str:
    """Where the tables of a source mostly are."""
    source = block_lookup.source(name)
    if source.dialect == "mariadb":
        return source.database
    return {"postgresql": "public", "sqlite": "main"}.get(source.dialect, "SCHEMA")


def contract_path(options: ContractOptions, table: tuple[str, str]) -> Path:
    """The file to write; its name is the contract's."""
    name = options.name or identifier(table[1], "table").lower()
    if not _NAME.match(name):
        raise UsageError(
            where=f"{options.command} --name",
            expected="a name of letters, digits, _ and -",
            found=name,
            next_step="Give it another name.",
        )
    output = options.output
    if output is None:
        output = _contracts_folder(options.settings)
    path = output if output.suffix in SUFFIXES else output / f"{name}.yaml"
    if options.name is not None and path.stem != options.name:
        raise UsageError(
            where=f"{options.command} --output",
            expected=f"a file named {options.name}.yaml: a contract has the name of its file",
            found=path.name,
            next_step="Leave --name or the file's name out.",
        )
    others = [path.with_suffix(each) for each in SUFFIXES if each != path.suffix]
    there = [each for each in ((path,) if not options.force else ()) if each.exists()]
    there += [each for each in others if each.exists()]
    if there:
        raise UsageError(
            where=str(there[0]),
            expected="no such file",
            found="one, which is kept as it is",
            next_step="Choose another --name or --output, or replace it with --force.",
        )
    return path


def _contracts_folder(settings: str) -> Path:
    folder = block_lookup.settings(settings).contracts_directory
    if folder is None:
        raise SettingsError(
            where=f"run settings {settings}",
            expected="a contracts_directory, where your contracts are",
            found="none",
            next_step="Add contracts_directory to the run settings, or name a file with --output.",
        )
    return folder


def other_contracts(path: Path) -> dict[Path, Contract]:
    """The other contracts of the folder, as far as they can be read."""
    found = {}
    for other in contract_files(path.parent) if path.parent.is_dir() else ():
        try:
            if other.resolve() != path.resolve():
                found[other] = load_contract(other)
        except ContractError:
            continue
    return found


def contract_names(options: ContractOptions, table: tuple[str, str], path: Path) -> ContractNames:
    """What the contract, its block and its target are called."""
    connection = options.source.strip().replace("-", "_")
    target = options.target
    if target is None:
        namespace = usual_namespace(connection, table[0])
        target = f"{namespace}.{identifier(table[1], 'table').lower()}"
    if not _TARGET.match(target):
        raise UsageError(
            where=f"{options.command} --target",
            expected="NAMESPACE.TABLE, of letters, digits and _",
            found=target,
            next_step=f"{options.command} --target crm.customers",
        )
    namespace, _, name = target.rpartition(".")
    return ContractNames(path.stem, connection, namespace, name)


def refuse_clash(names: ContractNames, path: Path, others: dict[Path, Contract]) -> None:
    """Refuse a target that another contract of the folder has."""
    target = f"{names.namespace}.{names.table}"
    for other, contract in others.items():
        if contract.target.lower() == target.lower():
            raise ContractError(
                where=str(path),
                expected="one contract per target table",
                found=f"{other.name} for {contract.target}",
                next_step="Choose another --target, or remove that contract.",
            )


def write_text(path: Path, text: str, *, force: bool) -> None:
    """Write the contract's file; one that is there is only replaced by force."""
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(
            where=str(path),
            expected="a file that can be written",
            found=error.strerror or type(error).__name__,
            next_step="Name a file in a directory that exists and is yours.",
        ) from error


def next_commands(options: ContractOptions, path: Path, names: ContractNames) -> tuple[str, ...]:
    """What to type next; a contract that lies elsewhere is checked by its path."""
    check = f"strandline contracts check {short_path(path)}"
    if options.output is not None:
        return (check,)
    chosen = "" if options.settings == "default" else f" --settings {options.settings}"
    return (
        f"strandline contracts check {names.contract}{chosen}",
        f"strandline run {names.contract}{chosen}",
    )


def _data(
    proposal: Proposal, path: Path, decisions: Sequence[Decision], commands: Sequence[str]
) -> dict[str, object]:
    details, names = proposal.details, proposal.names
    return {
        "contract": names.contract,
        "file": str(path),
        "target": f"{names.namespace}.{names.table}",
        "source": f"{details.relation.schema}.{details.relation.name}",
        "source_kind": details.kind,
        "rows": proposal.rows,
        "key": proposal.key.columns,
        "kind": "events" if proposal.events else "state",
        "load": "incremental" if proposal.incremental else "full",
        "columns": [
            {
                "column": column.target,
                "source_column": column.source,
                "source_type": column.declared,
                "target_type": column.type,
                "classification": column.sensitive,
                "notes": column.notes,
            }
            for column in proposal.columns
        ],
        "left_out": [
            {"source_column": each.name, "source_type": each.declared, "why": each.why}
            for each in proposal.left_out
        ],
        "decisions": decisions,
        "notes": proposal.notes,
        "next": commands,
    }


def _page(
    made: ContractOfTable,
    path: Path,
    decisions: Sequence[Decision],
    commands: Sequence[str],
    *,
    width: int,
) -> list[RenderableType]:
    proposal, short = made.proposal, short_path(path)
    details, names = proposal.details, proposal.names
    rows = "an unknown number of" if proposal.rows is None else f"about {proposal.rows:,}"
    load = "incremental" if proposal.incremental else "full"
    parts: list[RenderableType] = [
        Text.assemble("Wrote ", (short, "bold"), no_wrap=True),
        Text(
            f"{details.relation.schema}.{details.relation.name}, a {details.kind} of {rows} rows,"
            f" to {names.namespace}.{names.table}: key {', '.join(proposal.key.columns)},"
            f" {load} loads",
            style="dim",
        ),
        text_table(_COLUMNS, _rows(proposal), width=width),
    ]
    parts += [
        Text(f"left out: {each.name} ({each.declared}): {each.why}") for each in proposal.left_out
    ]
    parts += [Text(note) for note in proposal.notes]
    if decisions:
        parts.append(Text(f"{many(len(decisions), 'decision')}:", style="bold yellow"))
        parts += [
            Text.assemble((f"{short}:{each.line}", "cyan"), f"  {each.text}") for each in decisions
        ]
    else:
        parts.append(Text("nothing to decide", style="green"))
    parts.append(Text(f"next: {commands[0]}", no_wrap=True))
    parts += [Text(f"      {command}", no_wrap=True) for command in commands[1:]]
    return parts


def _rows(proposal: Proposal) -> list[tuple[str | Text, ...]]:
    return [
        (
            Text(column.target, style="bold" if column.source in proposal.key.columns else ""),
            column.declared,
            column.type,
            NOTHING if column.sensitive is None else str(column.sensitive),
            "; ".join(column.notes),
        )
        for column in proposal.columns
    ]


def short_path(path: Path) -> str:
    """Relative to where the command runs, if that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)
