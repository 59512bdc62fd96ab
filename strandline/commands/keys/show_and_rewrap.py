"""The data keys shown, and wrapped by another key-encryption key.

Promise: to show them needs no Spark; an answer names keys by their ids, and never shows one.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

from pydantic import SecretStr
from rich.console import RenderableType
from rich.text import Text

from blocks.key_rings.key_ring import KeyRing
from blocks.key_rings.wrapped_key import RewrapReport
from blocks.lookup import block_lookup
from contracts.errors import SettingsError, UsageError
from contracts.model.encryption_keys import KeyState, KeyStatus
from strandline.queries.open_lakehouse import contract_of, open_lakehouse
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import NOTHING, count, many, minute
from strandline.terminal.text_table import Cell, Heading, text_table
from tasks.observability.audit_log import AuditAction, AuditEntry, current_actor, record_audit

_KEYS = (
    Heading("table"),
    Heading("key"),
    Heading("purpose"),
    Heading("state"),
    Heading("made"),
    Heading("period", spare=True),
    Heading("uses", number=True),
    Heading("limit", number=True, spare=True),
    Heading("wrapped by", spare=True),
)
_STYLES = {KeyState.ACTIVE: "green", KeyState.RETIRED: "", KeyState.DESTROYED: "dim"}


def show(screen: CommandOutput, table: str | None, *, settings: str) -> None:
    """Print the data keys of a table, or of all."""
    run_settings = block_lookup.settings(settings)
    keys = run_settings.key_ring.status()
    if table is not None:
        target = contract_of(table, run_settings).target
        keys = tuple(each for each in keys if each.table == target)
    place = run_settings.key_ring.storage().name
    data = {"place": place, "keys": [status_data(each) for each in keys]}
    screen.answer(data, Text(place, "bold"), *status_page(keys, width=screen.out.width))


def rewrap(
    screen: CommandOutput, block: str | None, variable: str | None, *, settings: str
) -> None:
    """Wrap all data keys by the key-encryption key of a block or variable, or the ring's own."""
    run_settings = block_lookup.settings(settings)
    ring = run_settings.key_ring
    target = _target(ring, block, variable)
    lake = open_lakehouse(run_settings, shared=False)
    report = ring.rewrap(target)
    record_audit(lake.spark, run_settings, [_entry(ring, report)], at=datetime.now(UTC))
    place = ring.storage().name
    data = {
        "place": place,
        "rewrapped": report.rewrapped,
        "unchanged": report.unchanged,
        "wrapped_by": report.wrapped_by,
    }
    lines = [
        Text.assemble((place, "bold"), f"  wrapped by {report.wrapped_by}"),
        Text(f"{many(report.rewrapped, 'key')} rewrapped, {count(report.unchanged)} were so"),
    ]
    if report.wrapped_by != ring.wrapping_key_id:
        lines.append(Text("next: give the run settings' key ring that key-encryption key", "bold"))
    screen.answer(data, *lines)


def _entry(ring: KeyRing, report: RewrapReport) -> AuditEntry:
    return AuditEntry(
        action=AuditAction.REWRAP_KEYS,
        subject=f"key ring {ring.storage().name}",
        actor=current_actor(),
        reason=f"wrapped by {report.wrapped_by} from now on",
        counts={"rewrapped": report.rewrapped, "unchanged": report.unchanged},
    )


def status_data(key: KeyStatus) -> dict[str, object]:
    """One key in plain values, for `--json`."""
    return {
        "id": key.id,
        "table": key.table,
        "purpose": str(key.purpose),
        "state": str(key.state),
        "made_at": key.made_at,
        "period": key.period,
        "uses": key.uses,
        "limit": key.limit,
        "wrapped_by": key.wrapped_by,
        "rewrite_pending": key.rewrite_pending,
        "ended_at": key.ended_at,
        "reason": key.reason,
    }


def status_page(keys: tuple[KeyStatus, ...], *, width: int) -> list[RenderableType]:
    """One line per key, and what to do about those that ask for something."""
    parts: list[RenderableType] = [text_table(_KEYS, [_row(each) for each in keys], width=width)]
    pending = sorted({each.table for each in keys if each.rewrite_pending})
    parts += [
        Text.assemble(
            ("next: ", "dim"), (f"strandline keys rotate {table} --rewrite", "bold"), " goes on"
        )
        for table in pending
    ]
    return parts


def _row(key: KeyStatus) -> tuple[Cell, ...]:
    state = str(key.state) + (", rewrite pending" if key.rewrite_pending else "")
    uncounted = "unknown" if key.limit is not None else NOTHING
    return (
        key.table,
        key.id,
        str(key.purpose),
        Text(state, _STYLES[key.state]),
        NOTHING if key.made_at is None else minute(key.made_at),
        key.period or NOTHING,
        uncounted if key.uses is None else count(key.uses),
        NOTHING if key.limit is None else count(key.limit),
        key.wrapped_by or NOTHING,
    )


def _target(ring: KeyRing, block: str | None, variable: str | None) -> KeyRing | None:
    if block is not None and variable is not None:
        raise UsageError(
            where="strandline keys rewrap",
            expected="--to-block or --to-env, or neither",
            found="both",
            next_step="strandline keys rewrap --help",
        )
    if block is not None:
        return block_lookup.key_ring(block)
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise SettingsError(
            where="strandline keys rewrap",
            expected=f"the environment variable {variable}",
            found="none",
            next_step=f"export {variable}=... Nothing was changed.",
        )
    return ring.with_key_encryption_key(SecretStr(os.environ[variable]))
