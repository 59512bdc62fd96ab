from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from tasks.observability.quality_artifacts import (
    create_quality_artifacts,
    show_verdict,
    verdict_markdown,
    verdict_plot,
)
from tasks.transforms.checks.quality_score import Finding, Outcome
from tasks.transforms.checks.verdict import Verdict
from tests.strandline.examples import summary

FINDINGS = (
    Finding("b_required", ("b",), "refuse", 60, 1000, outcome=Outcome.FAILED),
    Finding("b_known", ("b", "c"), "warn", 70, 1000, 0.25, outcome=Outcome.FAILED),
    Finding("c_null_share", ("c",), "refuse", 90, 1000, 0.0, "of all rows", metric=9.0,
            limit="at most 5%", outcome=Outcome.FAILED),
    Finding("drift", ("a|b",), "warn", 0, 0, note="3 past loads", outcome=Outcome.NOT_EVALUATED),
    Finding("a_range", ("a",), "warn", 0, 1000),
)  # fmt: skip
CLOSED = Verdict(
    score=0.93,
    threshold=0.95,
    passed=False,
    findings=FINDINGS,
    quarantined=60,
    rows=1000,
    refused_percent=6.0,
    refused_limit=5.0,
    reasons=("the score is 93.00%", "c_null_share is 9, must be at most 5%"),
)
STAGED = summary().staged
NAMES = ("Odd_Name", "lake.s.odd", "b1", STAGED)


def artifacts_of(call) -> dict[str, str]:
    """The artifacts of a flow run that does this, by key."""

    @flow(persist_result=False)
    def doing() -> None:
        call()

    state = doing(return_state=True)

    async def read() -> dict[str, str]:
        async with get_client() as client:
            found = await client.read_artifacts(
                flow_run_filter=FlowRunFilter(
                    id=FlowRunFilterId(any_=[state.state_details.flow_run_id])
                )
            )
        return {each.key: each.data for each in found if each.key}

    return asyncio.run(read())


def test_a_run_whose_gate_closed_shows_the_verdict_its_findings_and_a_chart(prefect_server, run):
    def load() -> None:
        show_verdict(replace(run, name="Odd_Name"), STAGED, CLOSED)
        message = "the gate closed"
        raise ValueError(message)

    found = artifacts_of(load)

    assert set(found) == {"quality-odd-name", "findings-odd-name", "quality-plot-odd-name"}
    assert f"## {run.target}: the gate closed" in found["quality-odd-name"]
    rows = {row["check"]: row for row in json.loads(found["findings-odd-name"])}
    assert rows["c_null_share"]["limit"] == "at most 5%"
    assert rows["drift"]["outcome"] == "not evaluated"
    assert rows["drift"]["note"] == "3 past loads"
    assert rows["b_known"]["weight"] == 0.25


def test_an_artifact_that_cannot_be_stored_does_not_hide_why_the_gate_closed(prefect_server, run):
    # No server takes half of a character.
    odd = replace(CLOSED, reasons=("\ud800",))

    def load() -> None:
        with pytest.raises(UnicodeError):
            create_quality_artifacts(*NAMES, odd)
        show_verdict(run, STAGED, odd)

    assert artifacts_of(load) == {}


def test_outside_of_a_flow_run_there_is_no_page(run):
    show_verdict(run, STAGED, CLOSED)


def test_the_text_says_why_by_how_much_and_what_was_not_evaluated():
    text = verdict_markdown(*NAMES, CLOSED)

    assert f"## {NAMES[1]}: the gate closed, nothing was published" in text
    assert "- the score is 93.00%\n- c_null_share is 9, must be at most 5%" in text
    assert "| score | 93% | at least 95% |" in text
    assert "| refused rows | 6% | at most 5% |" in text
    assert "| c_null_share (c) | 9% | at most 5% |" in text
    assert "- b_known (b, c): 70 of 1,000 (warn, weight 0.25)" in text
    assert "- drift (a\\|b): 3 past loads" in text
    assert "strandline report Odd_Name --run b1" in text


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (Verdict(1.0, 0.95, passed=True, rows=10), "the gate was open"),
        (Verdict(None, 0.95, passed=True), "not evaluated, no row had to be judged"),
    ],
)
def test_an_open_gate_has_no_reasons(verdict, said):
    text = verdict_markdown(*NAMES, verdict)

    assert f"{NAMES[1]}: {said}\n" in text
    assert "Why" not in text


def test_the_chart_has_a_bar_for_each_outcome_and_each_check_that_rows_failed():
    texts = [each.text for each in ET.fromstring(verdict_plot(CLOSED)).iter() if each.text]  # noqa: S314

    assert texts[:7] == ["checks", "passed", "1", "failed", "3", "not evaluated", "1"]
    assert texts[7:] == [
        "rows that failed",
        *("c_null_share (c)", "90 of 1,000"),
        *("b_known (b, c)", "70 of 1,000"),
        *("b_required (b)", "60 of 1,000"),
    ]
