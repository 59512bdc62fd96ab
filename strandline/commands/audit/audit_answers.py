"""What `strandline audit` does: reads, verifies and exports the log, and prints what it found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from prefect_aws import AwsCredentials
from rich.console import RenderableType
from rich.text import Text

from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from contracts.errors import ContractError, NotFoundError, UsageError
from contracts.yaml_reading.problem_report import did_you_mean
from strandline.queries.audit_records import AuditRecord, read_audit_records
from strandline.queries.open_lakehouse import Lakehouse, contract_of, open_lakehouse
from strandline.queries.parse_key_argument import moment_of
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import NOTHING, count, many, moment
from strandline.terminal.text_table import Heading, text_table
from tasks.auditing.export_audit_log import export_audit_log, verify_export
from tasks.auditing.export_destinations import (
    S3_SCHEME,
    ExportDestination,
    FolderDestination,
    LockedBucket,
)
from tasks.auditing.verify_audit_log import refuse_tampered, verify_audit_log
from tasks.observability.audit_log import AUDIT_LOG, AuditAction
from tasks.observability.audit_log.append_audit_records import read_head
from tasks.observability.audit_log.audit_chain import ChainHead
from tasks.run.run_context import ledger_table
from tasks.run.spark_error_mapping import map_spark_errors

_ANCHOR = re.compile(r"^([1-9][0-9]{0,17}):([0-9a-f]{64})$")
_TABLE = (
    Heading("number", number=True),
    Heading("recorded"),
    Heading("action"),
    Heading("subject"),
    Heading("actor"),
    Heading("reason", prose=True),
    Heading("batch", spare=True),
    Heading("counts", prose=True, spare=True),
)


@dataclass(frozen=True, slots=True)
class ShowOptions:
    """Which records are shown, and how many."""

    subject: str | None
    action: str | None
    since: str | None
    limit: int


@dataclass(frozen=True, slots=True)
class OutsideAnchors:
    """What was kept outside of the lakehouse: exports, and heads as they were printed."""

    exports: tuple[str, ...]
    anchors: tuple[str, ...]
    credentials: str | None


def show(screen: CommandOutput, options: ShowOptions, *, settings: str) -> None:
    """Print the newest records that fit the options."""
    since = None if options.since is None else moment_of(options.since)
    action = None if options.action is None else _action(options.action)
    run_settings = block_lookup.settings(settings)
    with screen.waiting("Opening the lakehouse"):
        lake = open_lakehouse(run_settings)
        with map_spark_errors(AUDIT_LOG, "show"):
            log = lake.ledger(AUDIT_LOG)
            records = (
                []
                if log is None
                else read_audit_records(
                    log,
                    subjects=_subjects(options.subject, run_settings),
                    action=action,
                    since=since,
                    limit=options.limit,
                )
            )
    screen.answer({"records": records}, *_page(records, width=screen.out.width))


def verify(screen: CommandOutput, outside: OutsideAnchors, *, settings: str) -> int:
    """Verify the log; a finding is an error, whose exit code is returned after the findings."""
    heads = [_head(text) for text in outside.anchors]
    for address in outside.exports:
        heads += verify_export(_destination(address, outside.credentials)).anchors
    lake = _opened(screen, settings)
    with screen.waiting("Verifying the audit log"):
        found = verify_audit_log(lake.spark, lake.settings, heads)
    if found.findings and not screen.as_json:
        for each in found.findings:
            screen.answer(None, Text(each.words, "red"))
    if not found.findings:
        head = f"{found.head.sequence}:{found.head.record_hash}"
        words = f"{many(found.records, 'record')}, from {found.first} to {found.head.sequence}"
        screen.answer(
            found,
            Text(f"verified: {words}", "bold"),
            Text(f"compared with {many(found.anchors, 'anchor')}"),
            Text(f"head {head}", no_wrap=True),
        )
        return 0
    if screen.as_json:
        screen.answer(found)
        return _TAMPERED
    refuse_tampered(found, ledger_table(lake.settings, AUDIT_LOG))
    return _TAMPERED


_TAMPERED = 65


def anchor(screen: CommandOutput, *, settings: str) -> None:
    """Print the head of the chain."""
    lake = _opened(screen, settings)
    with map_spark_errors(AUDIT_LOG, "anchor"):
        head = read_head(lake.spark, lake.settings)
    if not head.sequence:
        raise NotFoundError(
            where=ledger_table(lake.settings, AUDIT_LOG),
            expected="a record",
            found="none",
            next_step="strandline run CONTRACT: the first change of a table begins the log.",
        )
    screen.answer(head, Text(f"{head.sequence}:{head.record_hash}", no_wrap=True))


def export(
    screen: CommandOutput, destination: str, credentials: str | None, *, settings: str
) -> None:
    """Export what is new, and print how much it was."""
    target = _destination(destination, credentials)
    lake = _opened(screen, settings)
    with screen.waiting("Exporting the audit log"):
        done = export_audit_log(lake.spark, lake.settings, target, at=datetime.now(UTC))
    words = (
        f"exported {many(done.records, 'record')} in {many(done.files, 'file')}"
        if done.records
        else "nothing new to export"
    )
    screen.answer(
        done,
        Text(f"{words} to {done.destination}", "bold", no_wrap=True),
        Text(f"head {done.head.sequence}:{done.head.record_hash}", no_wrap=True),
    )


def verify_files(screen: CommandOutput, destination: str, credentials: str | None) -> None:
    """Verify exported files alone."""
    target = _destination(destination, credentials)
    chain = verify_export(target)
    words = (
        f"{many(chain.records, 'record')} from {chain.first} in {many(len(chain.anchors), 'file')}"
    )
    screen.answer(
        {
            "first": chain.first,
            "records": chain.records,
            "files": len(chain.anchors),
            "head": chain.head,
        },
        Text(f"verified: {words} of {target.where}", "bold", no_wrap=True),
        Text(f"head {chain.head.sequence}:{chain.head.record_hash}", no_wrap=True),
    )


def _opened(screen: CommandOutput, settings: str) -> Lakehouse:
    run_settings = block_lookup.settings(settings)
    with screen.waiting("Opening the lakehouse"):
        return open_lakehouse(run_settings)


def _destination(address: str, credentials: str | None) -> ExportDestination:
    if not address.startswith(S3_SCHEME):
        return FolderDestination(Path(address).expanduser())
    block = AwsCredentials() if credentials is None else block_lookup.aws_credentials(credentials)
    return LockedBucket.of(address, block)


def _subjects(text: str | None, settings: RunSettings) -> tuple[str, ...]:
    """The subject as it was typed, and the table of a contract of that name."""
    if text is None:
        return ()
    try:
        target = contract_of(text, settings).target
    except ContractError:
        return (text,)
    return (text, f"{settings.lakehouse.catalog}.{target}")


def _head(text: str) -> ChainHead:
    match = _ANCHOR.match(text.strip())
    if match is None:
        raise UsageError(
            where="--anchor",
            expected="NUMBER:HASH, as `strandline audit anchor` prints it",
            found="something else",
            next_step="strandline audit verify --help",
        )
    return ChainHead(int(match[1]), match[2])


def _action(text: str) -> str:
    known = [str(each) for each in AuditAction]
    if text not in known:
        hint = did_you_mean(text, known)
        raise UsageError(
            where="--action",
            expected="an action that is recorded",
            found=f"{text}; {hint}",
            next_step="strandline audit show --help",
        )
    return text


def _page(records: Sequence[AuditRecord], *, width: int) -> list[RenderableType]:
    if not records:
        return [Text("no records", "dim")]
    rows = [
        (
            count(each.sequence),
            moment(each.recorded_at),
            Text(each.action, "bold"),
            each.subject,
            each.actor,
            each.reason,
            each.batch_id or NOTHING,
            ", ".join(f"{name} {count(number)}" for name, number in each.counts.items() if number),
        )
        for each in records
    ]
    return [text_table(_TABLE, rows, width=width)]
