"""One data key destroyed: what it encrypted is read by nobody any more, wherever it lies.

Promise: without a yes nothing is destroyed, and the audit log has it first.
"""

from __future__ import annotations

from datetime import UTC, datetime

from rich.text import Text

from blocks.lookup import block_lookup
from contracts.errors import NotFoundError, SettingsError
from contracts.model.encryption_keys import KeyPurpose, KeyState, KeyStatus
from contracts.yaml_reading.problem_report import did_you_mean
from strandline.commands.keys.show_and_rewrap import status_data
from strandline.queries.open_lakehouse import open_lakehouse
from strandline.terminal.ask_user import NOT_AGREED, agreed
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import NOTHING, count
from strandline.terminal.text_table import facts
from tasks.observability.audit_log import AuditAction, AuditEntry, current_actor, record_audit


def destroy(screen: CommandOutput, key_id: str, reason: str, *, yes: bool, settings: str) -> int:
    """Destroy the key; the exit code is 0, or 65 without a yes."""
    run_settings = block_lookup.settings(settings)
    ring = run_settings.key_ring
    key = _key(ring.status(), key_id, ring.storage().name)
    if key.state is not KeyState.DESTROYED:
        question = f"Destroy key {key.id} of {key.table}? What it encrypted is lost."
        if not (yes or agreed(screen, question)):
            screen.log("nothing was destroyed; --yes destroys it")
            return NOT_AGREED
        lake = open_lakehouse(run_settings, shared=False)
        entry = AuditEntry(
            action=AuditAction.DESTROY_KEY,
            subject=key.table,
            actor=current_actor(),
            reason=reason,
            counts={"uses": key.uses or 0},
            key_ids=(key.id,),
        )
        record_audit(lake.spark, run_settings, [entry], at=datetime.now(UTC))
    gone = ring.destroy(key.id, reason=reason, at=datetime.now(UTC))
    pairs = [
        ("table", gone.table),
        ("values", NOTHING if key.uses is None else f"at most {count(key.uses)}"),
        ("reason", gone.reason or NOTHING),
    ]
    screen.answer(
        status_data(gone),
        Text.assemble((f"key {gone.id}", "bold"), "  is destroyed"),
        facts(pairs),
        Text("next: destroy copies of the list too, and what they are wrapped by", "bold"),
    )
    return 0


def _key(keys: tuple[KeyStatus, ...], key_id: str, place: str) -> KeyStatus:
    names = [each.id for each in keys]
    if key_id not in names:
        raise NotFoundError(
            where=place,
            expected="a key of the ring, by its id",
            found=f"none of that id; {did_you_mean(key_id, names)}",
            next_step="strandline keys status",
        )
    key = keys[names.index(key_id)]
    if key.purpose is not KeyPurpose.ENCRYPTION:
        raise SettingsError(
            where=f"{key.table}, key {key.id}",
            expected="a key that encrypts values with tokens of their own",
            found=f"one for {key.purpose}, without which the table can't be loaded",
            next_step="Rotate what can be rotated: strandline keys rotate --help",
        )
    return key
