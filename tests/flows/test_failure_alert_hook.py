"""Runs that no server looks after alert by a hook, through the same channels."""

from __future__ import annotations

import inspect
from contextlib import suppress

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.events import DoNothing, EventTrigger, Posture
from prefect.events.schemas.automations import AutomationCore

from contracts.alerts.alert_model import FLOWS
from contracts.alerts.event_names import TAG, automation_name
from contracts.alerts.load_alert_file import VARIABLE
from contracts.errors import QualityGateError, SourceCircuitOpenError, StepFailedError
from flows.apply_retention import apply_retention
from flows.failure_alert_hook import send_failure_alert
from flows.load_table import load_table
from flows.load_tables import load_tables
from flows.maintenance.maintain import maintain
from flows.recovery.back_up import back_up
from flows.upkeep import upkeep
from tests.deployments.alerts.receivers import Inbox, http_receiver

pytestmark = pytest.mark.usefixtures("prefect_server")

CANARY = "canary-of-a-cell"
ERROR = {"where": "x", "expected": "y", "found": "z", "next_step": "Do what is next."}
ALERTS = """
channels:
  webhook: {kind: webhook, url: {env: T_HOOK}}
  nowhere: {kind: webhook, url: {env: T_NOWHERE}}
routes:
  error: [nowhere, webhook]
  critical: [webhook]
alerts:
  failed: {when: run-failed, severity: error}
  crashed: {when: run-crashed, severity: error}
  quality: {when: quality-below-threshold, severity: critical}
"""


@pytest.fixture
def inbox(monkeypatch, tmp_path):
    """What arrives while alerts go to a receiver of the test's own."""
    found = Inbox()
    (tmp_path / "alerts.yaml").write_text(ALERTS)
    with http_receiver(found) as base:
        monkeypatch.setenv(VARIABLE, str(tmp_path / "alerts.yaml"))
        monkeypatch.setenv("T_HOOK", f"{base}/webhook")
        monkeypatch.setenv("T_NOWHERE", "http://127.0.0.1:9/")
        yield found


def run(error: BaseException | None, name: str = "ad-hoc") -> list[str]:
    """A run of the flow `load-table` that ends like that; the state it ended in, if it says so."""

    @flow(
        name="load-table",
        flow_run_name=name,
        on_failure=[send_failure_alert],
        on_crashed=[send_failure_alert],
    )
    def load() -> None:
        if error is not None:
            raise error

    states = []
    with suppress(KeyboardInterrupt, SystemExit):
        states.append(load(return_state=True).name)
    return states


@pytest.mark.parametrize(
    ("error", "subject", "said"),
    [
        (StepFailedError(**ERROR), "error: load-table, run ad-hoc, failed", "Do what is next."),
        (ValueError(CANARY), "error: load-table, run ad-hoc, failed", "ValueError; the run's log"),
        (QualityGateError(**ERROR), "critical: load-table, run ad-hoc, failed", "quarantine"),
        (SourceCircuitOpenError(**ERROR), "error: load-table, run ad-hoc, failed", "expected y"),
        (SystemExit(3), "error: load-table, run ad-hoc, crashed", "system exit call"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_an_end_in_error_is_one_message_though_another_channel_is_away(inbox, error, subject, said):
    run(error)

    (message,) = inbox.deliveries
    assert message.subject == subject
    assert said in message.body
    assert "Next: " in message.body
    assert "Run: " in message.body
    assert CANARY not in message.body


@pytest.mark.parametrize("error", [None, KeyboardInterrupt()], ids=["success", "interruption"])
def test_a_success_and_an_interruption_alarm_nobody(inbox, error):
    run(error)

    assert inbox.deliveries == []


def test_a_broken_alert_file_does_not_hide_why_a_run_failed(inbox, monkeypatch, tmp_path):
    (tmp_path / "broken.yaml").write_text("channels: 3")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "broken.yaml"))

    assert run(StepFailedError(**ERROR)) == ["Failed"]
    assert inbox.deliveries == []


def test_where_a_server_has_the_automation_the_hook_keeps_silent(inbox):
    with get_client(sync_client=True) as client:
        automation = client.create_automation(
            AutomationCore(
                name=automation_name("failed"),
                tags=[TAG],
                trigger=EventTrigger(expect={"none"}, posture=Posture.Reactive, threshold=1),
                actions=[DoNothing()],
            )
        )
        run(StepFailedError(**ERROR))
        silent = list(inbox.deliveries)
        client.delete_automation(automation)
        run(StepFailedError(**ERROR))

    assert silent == []
    assert len(inbox.deliveries) == 1


def test_hooks_take_the_names_that_prefect_calls_them_with_and_every_flow_has_them():
    assert list(inspect.signature(send_failure_alert).parameters) == ["flow", "flow_run", "state"]
    flows = (load_table, load_tables, upkeep, maintain, apply_retention, back_up)
    for each in flows:
        assert each.on_failure_hooks == each.on_crashed_hooks == [send_failure_alert]
    assert {each.name for each in flows} == set(FLOWS)
