"""What a contract should say and may omit, or says without effect."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.model import Contract
from contracts.yaml_reading.problem_report import Problem


def notices(contract: Contract, file: str) -> tuple[Problem, ...]:
    """Settings that a rule decides where they are omitted, and weights that nothing weighs."""
    return (*_unsaid_kind(contract, file), *_unused_weights(contract, file))


def _unsaid_kind(contract: Contract, file: str) -> Iterator[Problem]:
    if contract.source.kind is None:
        yield Problem(
            file,
            "customProperties.strandline.source.kind",
            "does not say what the rows of the source are",
            "state: a table with one row a key, as it is now; events: a log of changes",
        )


def _unused_weights(contract: Contract, file: str) -> Iterator[Problem]:
    for check in contract.checks:
        if check.refuses_rows and check.weight != 1.0:
            yield Problem(
                file,
                f"schema[0].quality, {check.id}",
                "has a weight without effect: a row that it refuses counts in full",
                "leave the weight out, or warn",
            )
