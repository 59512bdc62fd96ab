"""Settings that a contract should have and may omit: a rule then decides."""

from __future__ import annotations

from contracts.model import Contract
from contracts.yaml_reading.problem_report import Problem


def notices(contract: Contract, file: str) -> tuple[Problem, ...]:
    """Settings that a contract should have and may omit: a rule then decides."""
    if contract.source.kind is not None:
        return ()
    problem = Problem(
        file,
        "customProperties.strandline.source.kind",
        "does not say what the rows of the source are",
        "state: a table with one row a key, as it is now; events: a log of changes",
    )
    return (problem,)
