"""Erase persons from a table, or lift that: what somebody asked for, carried out.

Promise: no value that names a person is a parameter of the flow run, where others could read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from prefect import flow
from prefect.artifacts import create_table_artifact

from flows.flow_run import this_run
from tasks.erasure.erase_from_table import erase_from_table, lift_erasure
from tasks.erasure.erasure_certificate import ErasureCertificate, ErasureRequest
from tasks.run.unexpected_errors import without_unexpected_errors


def erase_subjects(
    contract: str,
    settings: str,
    subjects: Sequence[Mapping[str, str]],
    request: ErasureRequest,
) -> ErasureCertificate:
    """Erase persons from the table of a contract, in a flow run `erase-subjects`.

    Args:
        contract: The name of a contract, or of its target table.
        settings: The name of the run settings block.
        subjects: The text of each subject column, for each person.
        request: What is asked for.

    Raises:
        StrandlineError: See `tasks.erasure.erase_from_table.erase_from_table`.
    """

    @flow(name="erase-subjects", flow_run_name="erase-from-{contract}", persist_result=False)
    @without_unexpected_errors("erase-subjects")
    def erase(contract: str, settings: str) -> ErasureCertificate:
        certificate = erase_from_table(
            contract,
            settings,
            subjects,
            request,
            run_id=this_run(contract),
            at=datetime.now(UTC),
        )
        _show(certificate)
        return certificate

    return erase(contract, settings)


def lift_erasures(
    contract: str, settings: str, subjects: Sequence[Mapping[str, str]], reason: str
) -> int:
    """Let loads keep rows about erased persons again, in a flow run `lift-erasures`.

    Returns:
        How many of the persons were listed as erased.

    Raises:
        StrandlineError: See `tasks.erasure.erase_from_table.lift_erasure`.
    """

    @flow(name="lift-erasures", flow_run_name="lift-erasures-from-{contract}", persist_result=False)
    @without_unexpected_errors("lift-erasures")
    def lift(contract: str, settings: str) -> int:
        return lift_erasure(
            contract,
            settings,
            subjects,
            reason=reason,
            run_id=this_run(contract),
            at=datetime.now(UTC),
        )

    return lift(contract, settings)


def _show(certificate: ErasureCertificate) -> None:
    """The certificate on the page of the run: counts, and no person."""
    rows = {
        "persons": len(certificate.subjects),
        "versions": certificate.total("versions"),
        "kept events": certificate.total("kept_events"),
        "refused rows": certificate.total("quarantined"),
        "unusual rows": certificate.unusual_rows,
        "keys of persons": certificate.subject_keys,
        "staged batches dropped": certificate.stages,
        "older states": certificate.purged.snapshots,
        "files of them": certificate.purged.files,
    }
    create_table_artifact(
        table=[{"what": name, "count": number} for name, number in rows.items()],
        key="erasure",
        description="What would be erased" if certificate.dry_run else "What was erased",
    )
