"""A run without a lasting server, though its database is one that automations were applied to."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.deployments.alerts.receivers import Inbox, http_receiver
from tests.deployments.alerts.test_alerts import ROOT, prefect_server

ALERTS = """
channels: {hook: {kind: webhook, url: {env: T_HOOK}}}
routes: {error: [hook]}
alerts: {failed: {when: run-failed, severity: error}}
"""


@pytest.mark.nightly  # three servers start, one after the other
def test_an_ad_hoc_run_is_one_message_whatever_automations_its_database_has(tmp_path):
    inbox = Inbox()
    (tmp_path / "alerts.yaml").write_text(ALERTS)
    with http_receiver(inbox) as base:
        environment = {
            **os.environ,
            "PREFECT_HOME": str(tmp_path),
            "STRANDLINE_ALERTS": str(tmp_path / "alerts.yaml"),
            "T_HOOK": f"{base}/hook",
        }
        with prefect_server(tmp_path) as api:
            subprocess.run(
                [sys.executable, "-m", "strandline", "alerts", "apply"],
                cwd=ROOT,
                env={**environment, "PREFECT_API_URL": api},
                check=True,
            )
        subprocess.run(
            [sys.executable, "-m", "tests.deployments.alerts.ad_hoc_run"],
            cwd=ROOT,
            env=environment,
            check=True,
        )

    (message,) = inbox.deliveries
    assert message.subject == "error: load-table, run ad-hoc, failed"
    assert "without a server to show it" in message.body
