"""Alerts by a real Prefect server to real receivers of HTTP and SMTP."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deployments.alerts.receivers import Delivery, Inbox, http_receiver, smtp_receiver

ROOT = Path(__file__).parents[3]
CANARY = "canary-of-a-cell"
ALERTS = """
channels:
  mail: {kind: email, host: 127.0.0.1, port: {env: T_SMTP}, security: none,
         sender: strandline@lake.test, to: [ops@lake.test]}
  slack: {kind: slack, url: {env: T_SLACK}}
  pager: {kind: pagerduty, routing_key: {env: T_KEY}, url: {env: T_PAGER}}
  webhook: {kind: webhook, url: {env: T_HOOK}, token: {env: T_TOKEN}}
  dead_mail: {kind: email, host: 127.0.0.1, port: {env: T_DEAD}, security: none,
              sender: strandline@lake.test, to: [ops@lake.test]}
  dead_hook: {kind: webhook, url: {env: T_DEAD_HOOK}}
  unset: {kind: slack, url: {env: T_NOT_SET}}
routes:
  critical: [pager, mail]
  error: [slack, mail, unset]
  warning: [webhook]
  info: [dead_mail, dead_hook]
alerts:
  run-failed: {when: run-failed, severity: error}
  run-crashed: {when: run-crashed, severity: error}
  quality: {when: quality-below-threshold, severity: critical}
  anomaly-burst: {when: anomaly-burst, severity: warning, times: 3, within: 1h}
  circuit-open: {when: circuit-open, severity: critical}
  run-too-long: {when: run-too-long, severity: error, after: 11s, flows: [load-tables]}
  start-too-late: {when: run-too-long, severity: warning, after: 12s, phase: pending,
                   flows: [load-tables]}
  incremental: {when: run-too-long, severity: warning, after: 13s, tag: incremental,
                flows: [load-table]}
  stale: {when: table-stale, severity: error, after: 14s, tables: [ns.stale, ns.never]}
  fresh: {when: table-stale, severity: error, after: 200s, tables: [ns.fresh]}
  zombie: {when: zombie, severity: critical, silent: 15s, flows: [upkeep]}
  check-burst: {when: check-failure-burst, severity: warning, times: 4, within: 1h}
  broken: {when: anomaly-burst, severity: info, times: 1000, within: 1h}
"""
OTHER_ALERTS = """
channels:
  webhook: {kind: webhook, url: {env: T_HOOK}}
routes:
  warning: [webhook]
alerts:
  run-failed: {when: run-failed, severity: warning}
"""
TAKEN = f"{OTHER_ALERTS}  taken: {{when: run-crashed, severity: warning}}\n"
# What caused it, how long after the cause it is due, the subject, and the channels.
EXPECTED = (
    ("failing", 0, "error: load-table, run failing, failed", ("mail", "slack")),
    ("unforeseen", 0, "error: load-table, run unforeseen, failed", ("mail", "slack")),
    ("killed", 0, "error: load-table, run killed, crashed", ("mail", "slack")),
    ("bad", 0, "critical: ns.bad: a batch was not published", ("mail", "pager")),
    ("odd", 0, "warning: ns.odd: a burst of anomalies", ("webhook",)),
    ("wrong", 0, "warning: ns.wrong: a burst of failed checks", ("webhook",)),
    ("away", 0, "critical: source_db_conn: the source does not answer", ("mail", "pager")),
    ("back", 0, "info: source_db_conn: the source answers again", ("mail",)),
    ("back", 0, "an incident is resolved", ("pager",)),
    ("endless", 11, "error: load-tables, run endless, still running after 11 s", ("mail", "slack")),
    ("waiting", 12, "warning: load-tables, run waiting, does not start after 12 s", ("webhook",)),
    ("slow", 13, "warning: load-table, run slow, still running after 13 s", ("webhook",)),
    ("stale", 14, "error: ns.stale: not loaded for 14 s", ("mail", "slack")),
    ("applied", 14, "error: ns.never: not loaded for 14 s", ("mail", "slack")),
    (
        "zombie",
        15,
        "critical: upkeep, run zombie, gave no sign of life for 15 s",
        ("mail", "pager"),
    ),
)
WANTED = Counter((subject, channel) for _, _, subject, channels in EXPECTED for channel in channels)
EXTRA_SECONDS = 5


@dataclass(frozen=True)
class Scene:
    """The steps that ran, and the messages that arrived because of them."""

    steps: dict[str, dict[str, Any]]
    arrived: list[Delivery]

    def of(self, subject: str) -> list[Delivery]:
        return [each for each in self.arrived if each.subject == subject]

    def body(self, word: str) -> str:
        """The one text that all channels got in the message with this word in its subject."""
        texts = {
            each.body.replace("\r\n", "\n").strip() for each in self.arrived if word in each.subject
        }
        (text,) = texts
        return text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """A server in a process of its own, as `prefect server start` makes one; yields its API.

    Another process may have taken the port meanwhile; then there is another attempt.
    """
    for attempt in range(3):
        port = free_port()
        api = f"http://127.0.0.1:{port}/api"
        with (home / f"server-{attempt}.log").open("w") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "prefect",
                    "server",
                    "start",
                    "--no-ui",
                    "--port",
                    str(port),
                ],
                cwd=home,
                env={
                    **os.environ,
                    "PREFECT_HOME": str(home),
                    # A server on SQLite may wait for its database for a minute, and by default
                    # drops what did not happen a minute ago.
                    "PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER": "PT1H",
                },
                stdout=log,
                stderr=log,
            )
            try:
                if answers(api, process):
                    yield api
                    return
            finally:
                process.terminate()
                process.wait(30)
    raise AssertionError((home / f"server-{attempt}.log").read_text()[-2000:])


def answers(api: str, process: subprocess.Popen[bytes]) -> bool:
    """Whether the server comes up; not if its process ends, or within two minutes."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{api}/health").is_success:
                return process.poll() is None
        except httpx.HTTPError:
            time.sleep(0.2)
    return False


# Waits minutes for alerts about what does not happen.
pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    home, inbox = tmp_path_factory.mktemp("alerts"), Inbox()
    files = [home / f"{name}.yaml" for name in ("alerts", "other", "taken")]
    for path, text in zip(files, (ALERTS, OTHER_ALERTS, TAKEN), strict=True):
        path.write_text(text)
    with ExitStack() as stack:
        base = stack.enter_context(http_receiver(inbox))
        smtp = stack.enter_context(smtp_receiver(inbox))
        api = stack.enter_context(prefect_server(home))
        channels = {
            "T_SMTP": str(smtp),
            "T_SLACK": f"{base}/slack",
            "T_PAGER": f"{base}/pager",
            "T_KEY": "a-routing-key",
            "T_HOOK": f"{base}/webhook",
            "T_TOKEN": "a-token",
            "T_DEAD": str(free_port()),
            "T_DEAD_HOOK": f"http://127.0.0.1:{free_port()}/",
        }
        driver = subprocess.Popen(
            [sys.executable, "-m", "tests.deployments.alerts.alarming", *map(str, files)],
            cwd=ROOT,
            env={
                **os.environ,
                **channels,
                "PREFECT_API_URL": api,
                "PREFECT_HOME": str(home),
                "STRANDLINE_ALERTS": str(files[0]),
                "PREFECT_LOGGING_LEVEL": "CRITICAL",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert driver.stdin
        assert driver.stdout
        steps: dict[str, dict[str, Any]] = {}
        for line in driver.stdout:
            result = json.loads(line)
            steps.setdefault(result["step"], result)
            if result["step"] == "caused":
                inbox.wait(lambda deliveries: not WANTED - arrived(deliveries), 90)
                time.sleep(EXTRA_SECONDS)
                deliveries = list(inbox.deliveries)
                driver.stdin.write("\n")
                driver.stdin.flush()
        assert driver.wait(30) == 0
        yield Scene(steps, deliveries)


def arrived(deliveries: list[Delivery]) -> Counter[tuple[str, str]]:
    return Counter(
        (each.subject, each.channel) for each in deliveries if not each.subject.startswith("TEST")
    )


def undecided(scene: Scene) -> list[str]:
    """Runs that should have ended in time, and did not because the server was slow."""
    spans = {"in-time": 11, "alive": 15}
    return [name for name, span in spans.items() if scene.steps[name]["took"] >= span]


def test_every_alert_arrives_once_in_its_channels_and_nothing_else_arrives(scene, capsys):
    lines = [f"{'alert':62} {'channel':8} seconds after it was due"]
    for cause, due, subject, _ in EXPECTED:
        lines += [
            f"{each.subject:62} {each.channel:8} {each.at - scene.steps[cause]['at'] - due:5.1f}"
            for each in scene.of(subject)
        ]
    with capsys.disabled():
        sys.stdout.write("\n".join(["", *lines, ""]))

    late = undecided(scene)
    counted = [
        each for each in scene.arrived if not any(f"run {name}," in each.subject for name in late)
    ]
    assert arrived(counted) == WANTED


def test_a_message_has_the_reason_the_numbers_a_link_and_the_next_command(scene):
    failing, bad = scene.body("run failing"), scene.body("ns.bad")

    assert failing.startswith("StepFailedError: x: expected y; found z. Do what is next.\n")
    assert "in 1 attempt(s)" in failing
    assert "/runs/flow-run/" in failing
    assert "Next: prefect flow-run logs " in failing
    assert "scored 0.5; at least 0.95 is wanted" in bad
    assert "Rows read 100, refused 10; checks with failures 1." in bad
    assert "Next: strandline quarantine bad" in bad
    assert "/runs/flow-run/" in bad
    assert "5 of 100 rows" in scene.body("ns.odd")
    assert "5 failure(s) in a row, the last one in away: a connection that broke." in scene.body(
        "critical: source_db_conn: the source does"
    )
    assert "open since 2001-09-09 01:46:40 UTC" in scene.body("answers again")
    assert scene.body("an incident is resolved") in {each.subject for each in scene.arrived}
    assert f"prefect flow-run cancel {scene.steps['endless']['id']}" in scene.body("run endless")
    assert "/runs/flow-run/" in scene.body("ns.stale")
    assert "when it was first watched" in scene.body("ns.never")
    assert all("None" not in each.body for each in scene.arrived)


def test_a_run_that_ended_is_not_ended_again_by_a_late_heartbeat(scene):
    late = undecided(scene)

    assert scene.steps["ended"]["state"] == "Completed" or "alive" in late


def test_of_an_unexpected_error_only_the_kind_is_sent(scene):
    assert scene.body("run unforeseen").startswith("ValueError; the run's log has the rest\n")
    assert CANARY not in repr(scene.arrived)


def test_each_service_gets_its_own_form_and_credentials(scene):
    raw = {each.channel: each.raw for each in scene.arrived}

    assert raw["webhook"]["Authorization"] == "Bearer a-token"
    assert raw["webhook"]["json"]["severity"] == "warning"
    assert raw["pager"]["json"]["routing_key"] == "a-routing-key"
    assert raw["pager"]["json"]["payload"]["severity"] == "critical"
    assert raw["mail"]["from"] == "strandline@lake.test"
    assert raw["mail"]["to"] == "ops@lake.test"


def test_applying_again_changes_nothing_and_keeps_every_id(scene):
    first, second = (scene.steps[step]["answer"]["automations"] for step in ("applied", "again"))

    assert {each["change"] for each in first} == {"created"}
    assert {each["change"] for each in second} == {"unchanged"}
    assert [each["id"] for each in first] == [each["id"] for each in second]
    assert len({each["id"] for each in first}) == 14


def test_a_channel_that_the_server_has_stays_where_its_secret_is_not_known(scene):
    answer = scene.steps["again"]["answer"]

    assert answer["channels_off"] == {"unset": "T_NOT_SET not set", "slack": "T_SLACK not set"}
    assert answer["silent"] == []


def test_an_automation_of_others_that_has_our_name_is_kept_and_reported(scene):
    refused = scene.steps["refused"]

    assert refused["code"] == 78
    assert "Strandline alert: taken" in refused["answer"]["error"]["found"]
    assert "Strandline alert: taken" in scene.steps["left"]["names"]


def test_what_is_no_longer_in_the_file_goes_and_what_is_others_stays(scene):
    changes = {
        each["name"]: each["change"] for each in scene.steps["changed"]["answer"]["automations"]
    }

    assert changes.pop("Strandline alert: run-failed") == "updated"
    assert set(changes.values()) == {"removed"}
    assert scene.steps["left"]["names"] == [
        "Somebody's own",
        "Strandline alert: run-failed",
        "Strandline alert: taken",
    ]
    assert scene.steps["blocks"]["names"] == ["strandline-alert-webhook-warning"]


def test_the_proof_names_each_channel_and_the_reason_where_one_fails(scene):
    proven, broken = scene.steps["proven"], scene.steps["broken"]

    assert proven["code"] == 0
    assert {each["channel"] for each in proven["answer"]["trials"]} == {"mail", "slack"}
    assert all(each["seconds"] is not None for each in proven["answer"]["trials"])
    marked = [each for each in scene.arrived if each.subject == "TEST: run-failed (error)"]
    assert sorted(each.channel for each in marked) == ["mail", "slack"]
    assert broken["code"] == 75
    reasons = {each["channel"]: each["reason"] for each in broken["answer"]["trials"]}
    assert "Connection error" in reasons["dead_mail"]
    assert "ConnectError" in reasons["dead_hook"]


def test_the_list_says_where_alerts_go_what_is_off_and_what_the_server_has(scene):
    answer = scene.steps["listed"]["answer"]
    listed = {each["alert"]: each for each in answer["alerts"]}

    assert listed["run-failed"]["channels"] == ["slack", "mail"]
    assert {each["on_the_server"] for each in listed.values()} == {"yes"}
    assert answer["channels_off"] == {"unset": "T_NOT_SET not set"}
    assert answer["silent"] == []
    assert listed["incremental"]["when"] == (
        "run-too-long: after 13 s, tag incremental, flows load-table"
    )
    assert listed["quality"]["when"] == "quality-below-threshold"
