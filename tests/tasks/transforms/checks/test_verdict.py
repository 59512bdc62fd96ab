from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.model import QualityGate
from tasks.transforms.checks.figure_text import percent_text, share_text, threshold_text
from tasks.transforms.checks.quality_score import Finding, Judged, Outcome
from tasks.transforms.checks.verdict import judge

GATE = QualityGate()
LIMIT = Finding("nulls", ("a",), "refuse", 6, 100, metric=6.0, limit="at most 5%",
                outcome=Outcome.FAILED)  # fmt: skip


def test_a_batch_without_rows_passes_and_has_no_score():
    verdict = judge(GATE, Judged(), (), quarantined=0)

    assert (verdict.passed, verdict.score, verdict.refused_percent) == (True, None, 0.0)


@pytest.mark.parametrize(
    ("judged", "gate", "passes"),
    [
        (Judged(100, 0, 5.0), GATE, True),
        (Judged(100, 0, 5.01), GATE, False),
        (Judged(100, 5, 5.0), GATE, True),
        (Judged(100, 6, 6.0), GATE, False),
        (Judged(100, 6, 6.0), replace(GATE, threshold=0.5), False),
        (Judged(100, 6, 6.0), replace(GATE, refused_percent=6), False),
        (Judged(100, 6, 6.0), replace(GATE, threshold=0.5, refused_percent=6), True),
    ],
)
def test_neither_the_score_nor_the_refused_rows_can_outweigh_the_other(judged, gate, passes):
    assert judge(gate, judged, (), quarantined=0).passed is passes


def test_a_limit_that_does_not_hold_closes_the_gate_unless_it_warns():
    perfect = Judged(100, 0, 0.0)

    closed = judge(GATE, perfect, (LIMIT,), quarantined=0)

    assert not closed.passed
    assert closed.reasons == ("nulls (a) is 6%, must be at most 5%",)
    assert judge(GATE, perfect, (replace(LIMIT, severity="warn"),), quarantined=0).passed
    kept = replace(LIMIT, outcome=Outcome.PASSED)
    unknown = replace(LIMIT, outcome=Outcome.NOT_EVALUATED)
    assert judge(GATE, perfect, (kept, unknown), quarantined=0).passed


@given(
    rows=st.integers(1, 10_000), refused=st.integers(0, 10_000), lost=st.floats(0, 10_000),
    checks=st.integers(0, 100),
)  # fmt: skip
def test_checks_that_pass_open_no_gate_and_refused_rows_have_a_limit(rows, refused, lost, checks):
    judged = Judged(rows, min(refused, rows), min(max(lost, refused), rows))
    passing = tuple(Finding(f"p{n}", ("a",), "refuse", 0, rows) for n in range(checks))

    with_checks = judge(GATE, judged, passing, quarantined=0)

    assert with_checks.score == judge(GATE, judged, (), quarantined=0).score
    assert with_checks.passed is judge(GATE, judged, (), quarantined=0).passed
    assert not (with_checks.passed and with_checks.refused_percent > GATE.refused_percent)


@pytest.mark.parametrize(
    ("value", "limits", "text"),
    [
        (8.8888, (5,), "8.89%"), (90.5, (), "90.5%"), (95, (95,), "95%"), (0, (), "0%"),
        (94.9999, (95,), "94.99%"), (5.0001, (5,), "5.01%"), (100, (), "100%"),
        (99.9999, (), "99.99%"), (0.0001, (), "< 0.01%"), (2.499, (2.5,), "2.49%"),
    ],
)  # fmt: skip
def test_a_percentage_is_not_rounded_to_a_limit_that_it_is_not(value, limits, text):
    assert percent_text(value, *limits) == text
    assert share_text(value / 100, *(limit / 100 for limit in limits)) == text


def test_figures_are_written_in_one_way():
    gate = QualityGate(threshold=0.955, refused_percent=7.5)
    rows = Finding("rows", (), "refuse", 0, 2, metric=1_234_567.0, limit="more than 2,000,000",
                   outcome=Outcome.FAILED)  # fmt: skip
    nulls = replace(rows, check="nulls", metric=8.88888, limit="at most 5%")

    verdict = judge(gate, Judged(90_000, 8_000, 8_500.0), [rows, nulls], quarantined=8_000)

    assert verdict.reasons == (
        "the score is 90.56%",
        "8.89% of the rows were refused, at most 7.5% may be",
        "rows is 1,234,567, must be more than 2,000,000",
        "nulls is 8.89%, must be at most 5%",
    )
    assert (threshold_text(0.955), threshold_text(0.29)) == ("95.5%", "29%")
