from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.coordination.circuit_breaker import (
    Admission,
    Circuit,
    CircuitLimits,
    CircuitState,
    Transition,
)

LIMITS = CircuitLimits(failures=3, open_seconds=60, probe_seconds=20)
WHY = "a connection that broke"


def after_failures(count, *, at=100.0, run="a"):
    circuit, transitions = Circuit(), []
    for _ in range(count):
        circuit, transition = circuit.failed(run, at, LIMITS, WHY)
        transitions.append(transition)
    return circuit, transitions


def test_it_opens_at_the_last_of_so_many_failures_in_a_row():
    circuit, transitions = after_failures(3)

    assert transitions == [None, None, Transition.OPENED]
    assert circuit == Circuit(CircuitState.OPEN, 3, 100.0, 160.0, "", WHY)


def test_a_completed_read_begins_the_count_anew():
    circuit, _ = after_failures(2)

    circuit, transition = circuit.answered()

    assert (circuit, transition) == (Circuit(), None)


def test_while_it_is_open_everybody_is_refused_and_then_one_run_tries():
    circuit, _ = after_failures(3)

    assert circuit.ask("a", 159.9, LIMITS) == (circuit, Admission.REFUSED)
    half, admission = circuit.ask("a", 160.0, LIMITS)
    assert admission is Admission.PROBE
    assert (half.state, half.prober, half.next_probe) == (CircuitState.HALF_OPEN, "a", 180.0)
    assert half.ask("b", 179.9, LIMITS) == (half, Admission.REFUSED)


def test_a_prober_that_died_is_replaced_when_its_lease_is_over():
    circuit, _ = after_failures(3)
    half, _ = circuit.ask("a", 160.0, LIMITS)

    replaced, admission = half.ask("b", 180.0, LIMITS)

    assert admission is Admission.PROBE
    assert replaced.prober == "b"
    # The first one says nothing any more, should it still live.
    assert replaced.failed("a", 181.0, LIMITS, WHY) == (replaced, None)


def test_a_failed_probe_opens_it_again_and_keeps_since_when_it_was_open():
    circuit, _ = after_failures(3)
    half, _ = circuit.ask("b", 160.0, LIMITS)

    again, transition = half.failed("b", 161.0, LIMITS, WHY)

    assert transition is Transition.OPENED
    assert (again.since, again.next_probe, again.failures) == (100.0, 221.0, 4)


@pytest.mark.parametrize("asked", [False, True])
def test_an_answer_closes_it_whoever_got_it(asked):
    circuit, _ = after_failures(3)
    if asked:
        circuit, _ = circuit.ask("b", 160.0, LIMITS)

    assert circuit.answered() == (Circuit(), Transition.CLOSED)


def test_a_failure_that_began_before_it_opened_does_not_prolong_it():
    circuit, _ = after_failures(3)

    assert circuit.failed("late", 150.0, LIMITS, WHY) == (circuit, None)


def test_a_clock_that_was_set_back_keeps_nobody_waiting():
    circuit, _ = after_failures(3, at=1_000_000.0)

    assert circuit.ask("a", 100.0, LIMITS)[1] is Admission.PROBE


def test_a_document_has_all_of_it_and_another_one_is_refused():
    circuit, _ = after_failures(3)

    assert Circuit.read(circuit.document()) == circuit
    assert Circuit.read(None) == Circuit()
    for other in ({}, {**circuit.document(), "state": "ajar"}):
        with pytest.raises(ValueError, match=r"circuit|ajar"):
            Circuit.read(other)


RUNS = st.sampled_from("abcd")
STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "failed", "answered"]), RUNS, st.floats(0, 50)), max_size=40
)


@given(STEPS)
def test_at_no_time_have_two_runs_the_right_to_try(steps):
    circuit, now, leases = Circuit(), 0.0, {}
    for step, run, pause in steps:
        now += pause
        if step == "ask":
            circuit, admission = circuit.ask(run, now, LIMITS)
            if admission is Admission.PROBE:
                assert [each for each, until in leases.items() if until > now] == []
                leases[run] = now + LIMITS.probe_seconds
        elif step == "failed":
            circuit, transition = circuit.failed(run, now, LIMITS, WHY)
            if transition:
                leases.clear()
        else:
            circuit, _ = circuit.answered()
            leases.clear()
        assert (circuit.state is CircuitState.CLOSED) == (circuit.next_probe == 0)
        assert circuit.state is not CircuitState.CLOSED or circuit.failures < LIMITS.failures
