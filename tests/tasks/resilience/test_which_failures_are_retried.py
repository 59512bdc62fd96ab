"""Which answers of a PostgreSQL are tried again, and which of them count for its circuit."""

from __future__ import annotations

import math

import pytest
from prefect import flow, task

from blocks.coordination.circuit_breaker import Circuit
from blocks.coordination.shared_documents import shared_documents
from blocks.postgres.sqlstate_errors import meaning_of_state
from blocks.source_database import SourceDatabase
from contracts.errors import (
    SourceBusyError,
    SourceCircuitOpenError,
    SourceUnavailableError,
    StrandlineError,
)
from tasks.resilience.source_circuit import SourceCircuit, circuit_document
from tasks.run.retries import with_retries

COUNTED = (
    *("08000", "08001", "08003", "08004", "08006", "08007", "08P01"),
    *("25P03", "25P04", "53000", "53100", "53200", "53300", "53400"),
    *("57014", "57P01", "57P02", "57P03", "57P05", "58000", "58030", "72000", "XX000"),
)
RETRIED_ONLY = ("40001", "40P01", "55P03")
FINAL = (
    *("0A000", "21000", "22003", "22012", "22023", "22P02", "25006", "28000", "28P01", "3D000"),
    *("3F000", "42501", "42601", "42703", "42P01", "54001", "55000", "57P04", "58P01", "P0001"),
    *("XX001", "XX002"),
)


@pytest.fixture(scope="module")
def attempts(prefect_server):
    """How often a step is tried that fails with each of the SQLSTATEs, with two retries."""
    tried = []

    @task
    def step(state):
        tried.append(state)
        raise meaning_of_state(state).error("shop")

    @flow
    def every():
        # Without the pauses: how long they are is another test.
        again = with_retries(step, 2, seconds=math.inf).with_options(retry_delay_seconds=0)
        for state in (*COUNTED, *RETRIED_ONLY, *FINAL):
            again(state, return_state=True)

    every(return_state=True)
    return {state: tried.count(state) for state in (*COUNTED, *RETRIED_ONLY, *FINAL)}


def test_only_what_may_pass_is_tried_again(attempts):
    assert {state for state, count in attempts.items() if count == 3} == {*COUNTED, *RETRIED_ONLY}
    assert {state for state, count in attempts.items() if count == 1} == {*FINAL}


def failed_read(circuit, error):
    with pytest.raises(StrandlineError), circuit.guarding():
        raise error


@pytest.mark.parametrize("state", [*COUNTED, *RETRIED_ONLY, *FINAL])
def test_only_a_missing_answer_counts_for_the_circuit(tmp_path, state):
    documents = shared_documents(tmp_path, on_server=False)
    circuit = SourceCircuit("shop_db", SourceDatabase(user="reader"), documents, "run", "orders")

    failed_read(circuit, meaning_of_state(state).error("shop"))

    document, _ = documents.read(circuit_document("shop_db"))
    assert Circuit.read(document).failures == (1 if state in COUNTED else 0)


@pytest.mark.parametrize("kind", [SourceCircuitOpenError, SourceBusyError])
def test_what_ends_at_once_is_not_tried_again(prefect_server, kind):
    tried = []

    @task
    def step():
        tried.append(1)
        raise kind(where="w", expected="e", found="f", next_step="n")

    @flow
    def once():
        with_retries(step, 3, seconds=math.inf)(return_state=True)

    once(return_state=True)
    assert tried == [1]


def test_a_failure_of_another_source_is_not_counted_twice(tmp_path):
    documents = shared_documents(tmp_path, on_server=False)
    own, other = (
        SourceCircuit(name, SourceDatabase(user="reader"), documents, "run", "orders")
        for name in ("own_db", "other_db")
    )
    with pytest.raises(SourceUnavailableError), own.guarding(), other.guarding():
        raise meaning_of_state("08006").error("elsewhere")

    counts = [
        Circuit.read(documents.read(circuit_document(n))[0]).failures
        for n in ("own_db", "other_db")
    ]
    assert counts == [0, 1]
