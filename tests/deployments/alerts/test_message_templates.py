"""The text that is sent of an error, and how alerts are distinguished, without a server."""

from __future__ import annotations

from fnmatch import fnmatchcase
from importlib import import_module
from pkgutil import walk_packages
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.server.events.actions import JinjaTemplateAction
from prefect.server.utilities.user_templates import render_user_template_sync

import flows
from contracts.alerts.alert_model import Severity
from contracts.alerts.failure_reasons import EXCEPTION, OWN_ERRORS, sendable
from contracts.alerts.load_alert_file import SHIPPED, load_alerts
from deployments.alerts.build_automations import automations, either, silenced
from deployments.alerts.message_templates import _REASON
from flows.tables_failed import SomeTablesFailedError

CANARY = "canary-of-a-cell"
MESSAGES = {
    f"{EXCEPTION}StepFailedError: a: expected b; found c. d": "StepFailedError: a: expected b; "
    "found c. d",
    f"{EXCEPTION}ValueError: {CANARY}": "ValueError; the run's log has the rest",
    f"{EXCEPTION}ValueError": "ValueError; the run's log has the rest",
    "Execution was aborted by a termination signal.": "Execution was aborted by a termination "
    "signal.",
    "Process exited with status code: -9": "Process exited with status code: -9",
    f"Execution {CANARY}: x": "The run's log says why",
    "": "The run's log says why",
}


@pytest.mark.parametrize(("message", "sent"), MESSAGES.items())
def test_the_server_and_the_hook_send_the_same_of_an_error_and_no_value(message, sent):
    flow_run = SimpleNamespace(state=SimpleNamespace(message=message))

    assert sendable(message) == sent
    assert render_user_template_sync(_REASON, {"flow_run": flow_run}) == sent


def test_the_text_of_an_error_about_several_tables_is_sent_whatever_flow_raises_it():
    for module in walk_packages(flows.__path__, "flows."):
        import_module(module.name)

    kinds = {each.__name__ for each in SomeTablesFailedError.__subclasses__()}
    assert kinds >= {"MaintenanceFailedError", "RetentionFailedError", "UpkeepFailedError"}
    assert kinds <= {*OWN_ERRORS}


def test_one_pattern_takes_texts_that_begin_with_any_of_the_prefixes_and_no_other_error():
    excluded = ("QualityGateError", "SourceCircuitOpenError")
    pattern = either(*(f"{EXCEPTION}{kind}: " for kind in excluded)) + "*"

    taken = {kind for kind in OWN_ERRORS if fnmatchcase(f"{EXCEPTION}{kind}: any text", pattern)}
    assert taken == set(excluded)
    assert not fnmatchcase(f"{EXCEPTION}ValueError: QualityGateError: ", pattern)


def test_the_shipped_alerts_compile_and_the_server_takes_every_template():
    environment = {"STRANDLINE_WEBHOOK_URL": "https://hooks.test/", "STRANDLINE_SLACK_URL": "x"}
    file = load_alerts(SHIPPED, environment)
    requested = []

    def block(channel: str, severity: Severity):
        requested.append((channel, severity))
        return uuid4()

    made = list(automations(file, block, "http://pages.test/"))

    assert len(made) == len(file.alerts) + 2  # the ends of zombies and of open circuits
    assert len({each.name for each in made}) == len(made)
    assert {channel for channel, _ in requested} == {"slack", "webhook"}
    for each in made:
        for action in each.actions:
            for part in ("subject", "body"):
                text = getattr(action, part, "")
                assert JinjaTemplateAction.validate_template(text, part) == text
    assert silenced(file) == ()


def test_without_channels_zombies_are_ended_and_nothing_else_is_made():
    file = load_alerts(SHIPPED, {})
    made = list(automations(file, lambda channel, severity: uuid4(), ""))

    assert [each.name for each in made] == ["Strandline alert: zombie, the end of the run"]
    assert set(silenced(file)) == set(file.alerts)
