"""`strandline erase`: persons leave a table, with a certificate; or they may come back.

Promise: without a yes nothing is erased. Persons may be read from a file or from standard input,
which keeps them off the command line; the answer names them by digests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from rich.console import RenderableType
from rich.text import Text

from blocks.lookup import block_lookup
from contracts.errors import UsageError
from flows.erase_subjects import erase_subjects, lift_erasures
from strandline.commands.temporary_prefect_server import temporary_server
from strandline.queries.open_lakehouse import contract_of
from strandline.queries.read_subjects import read_subjects
from strandline.terminal.ask_user import NOT_AGREED, agreed
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.ctrl_c import end_on_interrupt
from strandline.terminal.number_format import NOTHING, count, duration, many
from strandline.terminal.text_table import facts
from strandline.terminal.watched_steps import watched_steps
from tasks.erasure.erase_from_table import STEPS
from tasks.erasure.erasure_certificate import ErasureCertificate, ErasureRequest
from tasks.run.progress_listeners import Progress, listening
from tasks.run.unexpected_errors import map_unexpected_errors

_SHOWN = 10
"""So many persons are named by their digests; --json has all."""


@dataclass(frozen=True, slots=True)
class EraseOptions:
    """Who is meant, and how it is done."""

    subjects: tuple[str, ...]
    file: str | None
    lift: bool
    yes: bool


def erase(
    screen: CommandOutput,
    table: str,
    options: EraseOptions,
    request: ErasureRequest,
    *,
    settings: str,
) -> int:
    """Erase persons from the table, or lift that; the exit code is 0, or 65 without a yes."""
    run_settings = block_lookup.settings(settings)
    contract = contract_of(table, run_settings)
    persons = read_subjects(options.subjects, options.file, contract)
    target = f"{run_settings.lakehouse.catalog}.{contract.target}"
    if options.lift:
        if request.dry_run or request.drop_tags or request.skip_missing:
            raise UsageError(
                where="strandline erase --lift",
                expected="persons and a reason alone",
                found="options of an erasure",
                next_step="strandline erase --help",
            )
        with screen.waiting("Lifting the erasure"), _prepared(contract.name):
            lifted = lift_erasures(contract.name, settings, persons, request.reason)
        text = f"the next load may keep rows about {many(lifted, 'person')} again"
        data = {"contract": contract.name, "table": target, "lifted": lifted}
        screen.answer(data, Text.assemble((target, "bold"), f"  {text}"))
        return 0
    question = f"Erase {many(len(persons), 'person')} from {target}, with all older states?"
    if not (request.dry_run or options.yes or agreed(screen, question)):
        screen.log("nothing was erased; --dry-run shows what would be, --yes erases it")
        return NOT_AGREED
    with (
        watched_steps(screen, (contract.name,), STEPS),
        listening(_stop_if_interrupted),
        _prepared(contract.name),
    ):
        certificate = erase_subjects(contract.name, settings, persons, request)
    screen.answer(certificate_data(certificate), *certificate_page(certificate))
    return 0


def certificate_data(certificate: ErasureCertificate) -> Mapping[str, object]:
    """The certificate in plain values, for `--json`."""
    return {
        **asdict(certificate),
        "totals": {
            name: certificate.total(name) for name in ("versions", "kept_events", "quarantined")
        },
    }


def certificate_page(certificate: ErasureCertificate) -> list[RenderableType]:
    """What was erased, where, and what was looked at afterwards."""
    persons = many(len(certificate.subjects), "person")
    done = "would be erased" if certificate.dry_run else "erased"
    pairs = [
        ("named by", ", ".join(certificate.columns)),
        ("versions", count(certificate.total("versions"))),
        ("kept events", count(certificate.total("kept_events"))),
        ("refused rows", count(certificate.total("quarantined"))),
    ]
    if certificate.missing:
        pairs.append(("no row about", many(certificate.missing, "person")))
    if certificate.foreign_refs and certificate.dry_run:
        pairs.append(("kept by others", ", ".join(certificate.foreign_refs)))
    proof, purged = certificate.proof, certificate.purged
    if proof is not None:
        pairs += [
            ("unusual rows", count(certificate.unusual_rows)),
            ("staged batches", f"{count(certificate.stages)} dropped, the next load reads again"),
            ("older states", f"{count(purged.snapshots)} gone, with {many(purged.files, 'file')}"),
            ("kept by others", ", ".join(certificate.foreign_refs) or NOTHING),
            ("left", f"{count(proof.rows_left)} rows in any file, looked for in each of them"),
            ("took", duration((certificate.ended - certificate.began).total_seconds())),
            ("erasure", certificate.erasure_id),
        ]
    if certificate.subject_keys:
        pairs.append(("keys of persons", f"{count(certificate.subject_keys)} destroyed"))
    title = Text.assemble((certificate.table, "bold"), f"  {persons} {done}")
    digests = [Text(each.digest, "dim") for each in certificate.subjects[:_SHOWN]]
    more = len(certificate.subjects) - len(digests)
    if more > 0:
        digests.append(Text(f"and {count(more)} more: --json", "dim"))
    last = [] if certificate.dry_run else [Text("next: strandline audit verify", "bold")]
    return [title, facts(pairs), *digests, *last]


@contextmanager
def _prepared(contract: str) -> Iterator[None]:
    with temporary_server(), map_unexpected_errors(contract):
        yield


def _stop_if_interrupted(_progress: Progress) -> None:
    end_on_interrupt()
