"""From a database's address to a project with histories, step by step.

Promise: each step can fail only before the next; until the files are written, at once, nothing is
left of a failed one. A load that fails leaves the project, and says how to run it again.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect.settings import PREFECT_API_URL
from rich.console import Console, RenderableType
from rich.text import Text

from blocks.lookup import block_lookup
from blocks.source_database import SourceDatabase
from blocks.spark.java_installation import FETCH, find_java
from contracts.errors import (
    EnvironmentUnfitError,
    SourceAccessError,
    UsageError,
)
from contracts.project.project_settings import SETTINGS, choose_project, find_setting
from strandline.commands.init.choose_tables import chosen_tables, table_data, table_page
from strandline.commands.init.database_address import (
    EXAMPLE,
    DatabaseAddress,
    database_address,
)
from strandline.commands.init.introspected_contracts import (
    IntrospectedContract,
    introspected_contracts,
)
from strandline.commands.init.project_files import ProjectPlan, check_folder, write_project
from strandline.terminal.ask_user import agreed, answer, is_asked
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import many
from strandline.terminal.text_table import Heading, text_table
from tasks.introspection.list_tables import ListedTable, list_tables

__all__ = ["InitOptions", "make_project"]

_COMMAND = "strandline init"
_SCHEMAS = ".schema.json"
_FEW_ROWS = 1_000_000
_JAVA_OPTIONS = "JDK_JAVA_OPTIONS"
_QUICK_START = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseParallelGC"
"""For a first load of few rows: an optimising compiler takes more time than it saves."""
_CONTRACTS = (
    Heading("contract"),
    Heading("table"),
    Heading("history"),
    Heading("key"),
    Heading("load"),
    Heading("columns", number=True),
    Heading("protected", prose=True, spare=True),
    Heading("to decide", number=True),
)


@dataclass(frozen=True, slots=True)
class InitOptions:
    """What was typed; None and empty: to be asked for, or the default."""

    folder: Path
    database: str | None = None
    password_variable: str | None = None
    password_file: Path | None = None
    tables: tuple[str, ...] = ()
    source: str | None = None
    list_only: bool = False
    load: bool | None = None
    fetch_java: bool = False
    samples: bool = True


def make_project(screen: CommandOutput, options: InitOptions) -> int:
    """Make the project and load its tables; the exit code is 0, or that of the first failed load.

    Raises:
        UsageError: An option is missing or wrong, or the folder is not empty.
        StrandlineError: The database does not answer, refuses, or has no such table; or no Java.
    """
    if not options.list_only:
        check_folder(options.folder)
    address = _address(screen, options)
    source = address.block()
    with screen.waiting(f"Asking {source.location} for its tables"):
        tables = _tables(source, address)
    if options.list_only:
        screen.answer({"tables": table_data(tables)}, *table_page(tables, width=screen.out.width))
        return 0
    chosen = chosen_tables(_words(screen, options, tables), tables)
    fetch = _java(screen, options)
    contracts = introspected_contracts(screen, address, source, chosen, samples=options.samples)
    plan = ProjectPlan(
        folder=options.folder,
        address=address,
        contracts={each.names.contract: each.made.text for each in contracts},
        incremental=frozenset(
            each.names.contract for each in contracts if each.made.proposal.incremental
        ),
        fetch_java=fetch,
    )
    files = [str(each) for each in write_project(plan) if not each.name.endswith(_SCHEMAS)]
    if not screen.as_json:
        screen.answer(None, *_project_page(options, contracts, files, width=screen.out.width))
    ready = [each.names.contract for each in contracts if each.is_ready]
    code: int = 0
    loads: Sequence[object] = ()
    if ready and _is_wanted(screen, options, ready):
        if sum(each.rows or 0 for each in chosen) <= _FEW_ROWS:
            os.environ.setdefault(_JAVA_OPTIONS, _QUICK_START)
        code, loads = _loaded(screen, options.folder, ready)
    data = {
        "folder": str(options.folder.absolute()),
        "files": files,
        "contracts": [_contract_data(each) for each in contracts],
        "loads": loads,
        "next": _next(options, contracts),
    }
    screen.answer(data, *_next_page(options, contracts))
    return code


def _address(screen: CommandOutput, options: InitOptions) -> DatabaseAddress:
    url = options.database
    if url is None:
        url = answer(screen, f"The database, such as {EXAMPLE} or sqlite:FILE: ")
    if not url:
        raise UsageError(
            where=_COMMAND,
            expected="the address of a database",
            found="none, and no terminal to ask on",
            next_step=f"{_COMMAND} --database {EXAMPLE} --list",
        )
    address = database_address(
        url,
        name=options.source,
        password_variable=options.password_variable,
        password_file=options.password_file,
    )
    unsaid = address.password is None and not address.variable and address.dialect != "sqlite"
    if unsaid and is_asked(screen):
        user = address.fields["user"]
        typed = answer(screen, f"The password of {user} (empty for none): ", hidden=True)
        address = address.with_password(typed)
    return address


def _tables(source: SourceDatabase, address: DatabaseAddress) -> tuple[ListedTable, ...]:
    try:
        with source.reading() as reading:
            return list_tables(reading, address.dialect)
    except SourceAccessError as error:
        raise SourceAccessError(
            where=error.where,
            expected="access with the user and the password that were given",
            found=error.found,
            next_step="Correct --database (the name of the database, or the user) or the password: "
            "--password-env NAME, or --password-file FILE. Nothing was made.",
        ) from None


def _words(
    screen: CommandOutput, options: InitOptions, tables: Sequence[ListedTable]
) -> tuple[str, ...]:
    """The names and patterns of tables, which are asked for where somebody is there."""
    if options.tables:
        return options.tables
    if is_asked(screen):
        for part in table_page(tables, width=screen.err.width):
            screen.err.print(part)
        typed = answer(screen, "Which tables? Names or patterns, with blanks between; * for all: ")
        if typed.split():
            return tuple(typed.split())
    raise UsageError(
        where=_COMMAND,
        expected="tables to begin with",
        found=f"none of {many(len(tables), 'table')} chosen",
        next_step=f"{_COMMAND} FOLDER --database ... --tables SCHEMA.TABLE; --list shows them, "
        "--tables '*' takes all that have a key. Nothing was made.",
    )


def _java(screen: CommandOutput, options: InitOptions) -> bool:
    """Whether fetching a Java is agreed to, in this project.

    Raises:
        EnvironmentUnfitError: There is none, tables are to be loaded, and nobody agrees.
    """
    fetches = options.fetch_java or find_setting("java").value == FETCH
    if not fetches:
        try:
            find_java(may_fetch=False)
        except EnvironmentUnfitError as error:
            question = "No Java 17 or 21 is installed, which Spark needs. Fetch one, of 45 MB?"
            fetches = agreed(screen, question)
            if not fetches and options.load is not False:
                raise EnvironmentUnfitError(
                    where=error.where,
                    expected=error.expected,
                    found=error.found,
                    next_step=f"{_COMMAND} ... --fetch-java agrees that one is fetched; --no-load "
                    "makes the project without loading. Or install one: openjdk-17-jre-headless. "
                    "Nothing was made.",
                ) from None
    if fetches:
        os.environ[SETTINGS["java"].variable] = FETCH
    return fetches


def _is_wanted(screen: CommandOutput, options: InitOptions, ready: Sequence[str]) -> bool:
    if options.load is not None or not is_asked(screen):
        return options.load is not False
    return agreed(screen, f"Load {', '.join(ready)} now?", default=True)


def _loaded(
    screen: CommandOutput, folder: Path, names: Sequence[str]
) -> tuple[int, Sequence[object]]:
    """Load the contracts in the project; the exit code, and each load in plain values."""
    choose_project(folder)
    # This project's own, also where a Prefect server is configured.
    os.environ[block_lookup.VARIABLE] = find_setting("blocks").value
    from strandline.commands.run_command import load

    if not screen.as_json:
        return load(screen, names, settings="default", verbose=False), ()
    written = io.StringIO()
    within = CommandOutput(Console(file=written), screen.err, as_json=True)
    code = load(within, names, settings="default", verbose=False)
    return code, json.loads(written.getvalue())["loads"]


def _project_page(
    options: InitOptions,
    contracts: Sequence[IntrospectedContract],
    files: Sequence[str],
    *,
    width: int,
) -> list[RenderableType]:
    parts: list[RenderableType] = [
        Text.assemble("Made ", (str(options.folder), "bold"), f": {', '.join(files)}"),
        text_table(_CONTRACTS, [_row(each) for each in contracts], width=width),
    ]
    for each in contracts:
        path = options.folder / "tables" / f"{each.names.contract}.yaml"
        parts += [
            Text.assemble((f"{path}:{decision.line}", "cyan"), f"  {decision.text}")
            for decision in each.decisions
        ]
    return parts


def _row(contract: IntrospectedContract) -> tuple[str | Text, ...]:
    proposal, names = contract.made.proposal, contract.names
    protected = [each.target for each in proposal.columns if each.sensitive is not None]
    return (
        Text(names.contract, style="bold"),
        contract.table.qualified,
        f"{names.namespace}.{names.table}",
        ", ".join(proposal.key.columns),
        "incremental" if proposal.incremental else "full",
        str(len(proposal.columns)),
        ", ".join(protected),
        str(len(contract.decisions)),
    )


def _contract_data(contract: IntrospectedContract) -> dict[str, object]:
    proposal, names = contract.made.proposal, contract.names
    return {
        "contract": names.contract,
        "table": contract.table.qualified,
        "target": f"{names.namespace}.{names.table}",
        "key": proposal.key.columns,
        "load": "incremental" if proposal.incremental else "full",
        "decisions": contract.decisions,
        "ready": contract.is_ready,
    }


def _next(options: InitOptions, contracts: Sequence[IntrospectedContract]) -> list[str]:
    """Three commands, of which the first goes to the project if one is not there."""
    waiting = [each.names.contract for each in contracts if not each.is_ready]
    first = contracts[0].names.contract
    commands = ["strandline plan", f"strandline run {' '.join(waiting) or first}"]
    commands.append("strandline status" if waiting else "strandline up")
    if options.folder.absolute() != Path.cwd():
        commands[0] = f"cd {options.folder} && {commands[0]}"
    return commands


def _next_page(
    options: InitOptions, contracts: Sequence[IntrospectedContract]
) -> list[RenderableType]:
    parts: list[RenderableType] = []
    waiting = [each.names.contract for each in contracts if not each.is_ready]
    if waiting:
        parts.append(
            Text(f"not loaded, as there is something to decide: {', '.join(waiting)}", "yellow")
        )
    if PREFECT_API_URL.name in os.environ:
        parts.append(
            Text(
                f"{PREFECT_API_URL.name} is set: commands look for blocks on that server, where "
                "strandline deploy saves them"
            )
        )
    parts.append(Text("Type next", "bold"))
    return [*parts, *(Text(f"  {each}", no_wrap=True) for each in _next(options, contracts))]
