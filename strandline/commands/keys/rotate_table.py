"""The key of one table rotated, in a flow run `rotate-keys`."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from blocks.key_rings.key_limits import refuse_rotation
from blocks.lookup import block_lookup
from contracts.errors import StrandlineError, UsageError
from contracts.model.encryption_keys import KeyPurpose
from contracts.yaml_reading.problem_report import did_you_mean
from flows.rotate_keys import rotate_keys
from strandline.commands.keys.show_and_rewrap import status_data
from strandline.commands.temporary_prefect_server import temporary_server
from strandline.queries.open_lakehouse import contract_of
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.ctrl_c import end_on_interrupt
from strandline.terminal.number_format import count, duration
from strandline.terminal.text_table import facts
from tasks.key_rotation.rotate_table_key import RotationOutcome
from tasks.run.progress_listeners import Progress, listening
from tasks.run.unexpected_errors import map_unexpected_errors


def rotate(
    screen: CommandOutput, table: str, purpose: str, *, rewrite: bool, settings: str
) -> None:
    """Rotate the key and print which one encrypts from now on."""
    run_settings = block_lookup.settings(settings)
    contract = contract_of(table, run_settings)
    if purpose not in tuple(KeyPurpose):
        raise UsageError(
            where="--purpose",
            expected=f"one of {', '.join(KeyPurpose)}",
            found=f"another; {did_you_mean(purpose, tuple(KeyPurpose))}",
            next_step="strandline keys rotate --help",
        )
    refuse_rotation(contract.target, KeyPurpose(purpose))
    with screen.waiting("Rotating the key"), listening(_stop_if_interrupted):
        try:
            with temporary_server(), map_unexpected_errors(contract.name):
                outcome = rotate_keys(contract.name, settings, rewrite)
        except StrandlineError:
            end_on_interrupt()
            raise
    screen.answer(rotation_data(outcome), *rotation_page(outcome))


def rotation_data(outcome: RotationOutcome) -> dict[str, object]:
    """The rotation in plain values, for `--json`."""
    return {
        "contract": outcome.contract,
        "table": outcome.target,
        "key": status_data(outcome.key),
        "rewritten": outcome.rewritten,
        "versions": outcome.versions,
        "kept_events": outcome.kept_events,
        "quarantined": outcome.quarantined,
        "subject_keys": outcome.subject_keys,
        "seconds": round(outcome.seconds, 3),
    }


def rotation_page(outcome: RotationOutcome) -> list[RenderableType]:
    """Which key encrypts from now on, and what was encrypted again."""
    title = Text.assemble((outcome.target, "bold"), f"  key {outcome.key.id} encrypts from now on")
    if not outcome.rewritten:
        rest = "older values stay readable by their keys; --rewrite encrypts them again"
        return [title, Text(rest, "dim")]
    pairs = [
        ("values of versions", count(outcome.versions)),
        ("values of kept events", count(outcome.kept_events)),
        ("refused rows", count(outcome.quarantined)),
        ("took", duration(outcome.seconds)),
    ]
    if outcome.subject_keys:
        pairs.append(("keys of persons", f"{count(outcome.subject_keys)} wrapped anew"))
    return [title, facts(pairs)]


def _stop_if_interrupted(_progress: Progress) -> None:
    end_on_interrupt()
