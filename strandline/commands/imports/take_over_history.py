"""`strandline import`: the contract of a history, its load, and what came of them.

Promise: the contract's file is written last, so that nothing is there of an import that failed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from blocks.lookup import block_lookup
from blocks.source_database import SourceDatabase
from contracts.errors import NotFoundError, SchemaDriftError, StrandlineError
from contracts.loader import load_contract
from contracts.model import Contract
from contracts.model.source_relation import Relation
from flows.import_history import HistoryImport, ImportSummary, import_history
from strandline.commands.contracts.write_contract_command import (
    ContractOptions,
    contract_names,
    contract_path,
    for_editors,
    next_commands,
    other_contracts,
    refuse_clash,
    schema_and_table,
    short_path,
    start_driver,
    write_text,
)
from strandline.commands.temporary_prefect_server import temporary_server
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.ctrl_c import end_on_interrupt
from strandline.terminal.number_format import count
from strandline.terminal.text_table import facts
from tasks.imports.dbt_snapshot_config import dbt_history
from tasks.imports.dlt_schema_config import dlt_history
from tasks.imports.peer_history import PeerHistory, open_end_of
from tasks.imports.peer_table import PeerTable, peer_table
from tasks.imports.sqlmesh_model_config import sqlmesh_history
from tasks.introspection.contract_of_table import contract_of_table
from tasks.introspection.contract_proposal import KnownHistory
from tasks.introspection.contract_text import Decision, decisions_in
from tasks.run.progress_listeners import Progress, listening
from tasks.run.unexpected_errors import map_unexpected_errors
from tasks.source.dialect_of_source import sql_dialect_of

if TYPE_CHECKING:
    from strandline.commands.imports.import_command import Options

__all__ = ["take_over"]

_READERS: Mapping[str, Callable[[Path, str | None], PeerHistory]] = {
    "dbt": dbt_history,
    "sqlmesh": sqlmesh_history,
    "dlt": dlt_history,
}


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The contract and where it goes, the history, and what there is to decide."""

    what: HistoryImport
    path: Path
    text: str
    decisions: tuple[Decision, ...]
    commands: tuple[str, ...]


def take_over(
    screen: CommandOutput, tool: str, file: Path, name: str | None, options: Options
) -> int:
    """Write the contract of a history of another tool, and load the history by it.

    Raises:
        StrandlineError: The configuration, the tables or the contract are not as they have to be,
            or the load failed. Nothing is published then, and no file is written.
    """
    peer = _peer(tool, file, name, options)
    with screen.waiting(f"Reading {peer.where}"):
        prepared = _prepared(tool, peer, options)
    if options.contract_only:
        _write(prepared, options)
        screen.answer(_data(prepared, None), *_page(prepared, None))
        return 0
    waiting = f"Taking over {prepared.what.table.rows:,} rows of {peer.where}"
    with screen.waiting(waiting), listening(_stop_if_interrupted):
        try:
            with temporary_server(), map_unexpected_errors(prepared.what.contract.name):
                summary = import_history(prepared.what, options.settings)
        except StrandlineError:
            end_on_interrupt()
            raise
    _write(prepared, options)
    screen.answer(_data(prepared, summary), *_page(prepared, summary))
    return 0


def _peer(tool: str, file: Path, name: str | None, options: Options) -> PeerHistory:
    command = f"strandline import {tool}"
    peer = _READERS[tool](file, name).with_options(
        history=_relation(options.history, options, command),
        source=_relation(options.table, options, command),
        key=options.key,
        open_end=open_end_of(options.open_end, f"{command} --open-end"),
    )
    peer.refuse_gaps()
    return peer


def _relation(typed: str | None, options: Options, command: str) -> tuple[str, str] | None:
    if typed is None:
        return None
    return schema_and_table(ContractOptions(options.source, typed, command=command))


def _prepared(tool: str, peer: PeerHistory, options: Options) -> _Prepared:
    relation = peer.source or ("", "")
    naming = ContractOptions(
        options.source,
        ".".join(relation),
        options.target,
        options.name,
        options.output,
        force=options.as_written,
        settings=options.settings,
        command=f"strandline import {tool}",
    )
    path = contract_path(naming, relation)
    others = other_contracts(path)
    names = contract_names(naming, relation, path)
    source = block_lookup.source(options.source)
    history_block = options.history_source or options.source
    history = block_lookup.source(history_block)
    for each in (source, history):
        start_driver(each, options.settings)
    described = _source_relation(source, relation)
    with history.reading() as reading:
        table = peer_table(
            reading,
            peer,
            [column.name for column in described.columns],
            dialect=sql_dialect_of(history),
            without=options.without,
        )
    if options.as_written:
        text, contract = "", load_contract(path)
        _refuse_other_columns(contract, table)
    else:
        refuse_clash(names, path, others)
        with source.reading() as reading:
            made = contract_of_table(
                reading,
                relation,
                names,
                dialect=sql_dialect_of(source),
                samples=options.samples,
                others=[*others.values()],
                history=_known(table, described, source),
            )
        text = for_editors(path) + made.text
        contract = _contract_of(text, path)
    what = HistoryImport(contract, table, history_block.strip().replace("-", "_"))
    commands = next_commands(naming, path, names)
    return _Prepared(what, path, text, decisions_in(text), commands)


def _source_relation(source: SourceDatabase, relation: tuple[str, str]) -> Relation:
    with source.reading() as reading:
        try:
            return reading.relation(*relation)
        except SchemaDriftError as error:
            raise NotFoundError(
                where=error.where,
                expected=error.expected,
                found=error.found,
                next_step="Name with --table the table that later loads read. Nothing was written.",
            ) from None


def _known(table: PeerTable, described: Relation, source: SourceDatabase) -> KnownHistory:
    peer, stamp = table.peer, table.stamp
    kinds = {column.name: column for column in described.columns}
    if stamp is not None and sql_dialect_of(source).natural_type(kinds[stamp]) != "timestamp":
        stamp = None
    notes = []
    if peer.compared:
        notes.append(
            f"{peer.tool} opened a version where {', '.join(peer.compared)} changed; here each"
            " column does, since every version has all of its values."
        )
    elif stamp is not None:
        notes.append(f"{stamp} too: {peer.tool} opened a version also where it alone moved.")
    return KnownHistory(
        origin=peer.where,
        columns=frozenset(table.columns),
        key=table.key,
        stamp=stamp,
        nullable=table.nullable,
        closes_absent=peer.closes_absent,
        notes=tuple(notes),
    )


def _refuse_other_columns(contract: Contract, table: PeerTable) -> None:
    """Refuse a contract that was written of other columns than the history has.

    Raises:
        SchemaDriftError: It reads one that the history lacks, or has another key.
    """
    missing = [each.name for each in contract.source.columns if each.name not in table.columns]
    read = {name for column in contract.columns for name in column.sources}
    unread = [name for name in table.columns if name not in read]
    if missing or unread:
        raise SchemaDriftError(
            where=f"{contract.name}, {table.peer.where}",
            expected="a contract with the columns of the history, and no others",
            found=f"no {', '.join(missing)} in the history; no {', '.join(unread)} in the contract",
            next_step="Leave columns out with --without, or add them to the contract after the"
            " import. Nothing was changed.",
        )


def _contract_of(text: str, path: Path) -> Contract:
    """The contract of a text that is in no file yet; it has the name of its file to be."""
    with tempfile.TemporaryDirectory(prefix="strandline-") as folder:
        there = Path(folder) / path.name
        there.write_text(text, encoding="utf-8")
        return load_contract(there)


def _write(prepared: _Prepared, options: Options) -> None:
    if options.as_written:
        return
    if options.output is None:
        prepared.path.parent.mkdir(parents=True, exist_ok=True)
    write_text(prepared.path, prepared.text, force=False)


def _data(prepared: _Prepared, summary: ImportSummary | None) -> dict[str, object]:
    contract, table = prepared.what.contract, prepared.what.table
    data: dict[str, object] = {
        "contract": contract.name,
        "file": str(prepared.path),
        "target": contract.target,
        "tool": table.peer.tool,
        "history": f"{table.relation.schema}.{table.relation.name}",
        "rows": table.rows,
        "key": contract.key,
        "columns": dict(table.columns),
        "decisions": prepared.decisions,
        "next": prepared.commands,
    }
    if summary is None:
        return data
    load = summary.load
    return {
        **data,
        "batch": load.batch_id,
        "versions": summary.compared.versions,
        "open": summary.compared.open,
        "joined": summary.compared.joined,
        "repeated": summary.compared.repeated,
        "ends": load.report.deleted,
        "refused": load.staged.refused,
        "equal": True,
        "seconds": round(load.elapsed_seconds, 1),
    }


def _page(prepared: _Prepared, summary: ImportSummary | None) -> list[RenderableType]:
    contract, table, short = (
        prepared.what.contract,
        prepared.what.table,
        short_path(prepared.path),
    )
    parts: list[RenderableType] = []
    if summary is None:
        parts.append(Text.assemble("Wrote ", (short, "bold"), "; nothing was loaded", no_wrap=True))
    else:
        load, compared = summary.load, summary.compared
        pairs = [
            ("contract", short),
            ("taken over from", f"{table.peer.where}, {table.rows:,} rows"),
            ("versions", f"{count(compared.versions)}, compared one by one: equal"),
            ("of them open", count(compared.open)),
            ("ends without a successor", count(load.report.deleted)),
        ]
        if compared.joined:
            pairs.append(("joined", f"{compared.joined:,} rows that say what the one before said"))
        if compared.repeated:
            pairs.append(("repeated", f"{compared.repeated:,} rows equal to another one"))
        if load.staged.refused:
            pairs.append(("refused", f"{load.staged.refused:,} rows, to the quarantine"))
        parts += [Text.assemble((contract.target, "bold"), "  ", ("published", "green"))]
        parts.append(facts(pairs))
    parts += [
        Text.assemble((f"{short}:{each.line}", "cyan"), f"  {each.text}")
        for each in prepared.decisions
    ]
    parts.append(Text(f"next: {prepared.commands[-1 if summary else 0]}", no_wrap=True))
    if summary is not None and summary.load.staged.refused:
        parts.append(Text(f"      strandline quarantine {contract.name}", no_wrap=True))
    return parts


def _stop_if_interrupted(_progress: Progress) -> None:
    """Spark reports an interruption as its own failure, after which a step would retry."""
    end_on_interrupt()
