from __future__ import annotations

from datetime import timedelta

import pytest
import yaml

from contracts.alerts import load_alert_file
from contracts.alerts.alert_model import EmailChannel, RunTooLong, Severity, TableStale
from contracts.alerts.alert_time_windows import span, words
from contracts.alerts.load_alert_file import SHIPPED, alert_file, load_alerts, problems
from contracts.errors import SettingsError
from contracts.loader import TABLES, load_contracts

CANARY = "canary-of-a-secret"
SMALL = """
channels:
  mail: {kind: email, host: smtp.test, user: {env: USER}, password: {env: PASSWORD},
         sender: a@b.test, to: {env: TO}}
  chat: {kind: slack, url: {file: slack-url}}
  hook: {kind: webhook, url: {env: HOOK}}
routes: {critical: [mail, chat, hook], error: [hook]}
alerts:
  failed: {when: run-failed, severity: critical}
  late: {when: run-too-long, severity: error, after: 90m, phase: pending}
"""


@pytest.fixture
def write(tmp_path):
    def written(text: str):
        (tmp_path / "alerts.yaml").write_text(text)
        return tmp_path / "alerts.yaml"

    return written


def found(path) -> dict[str, str]:
    return {each.path: str(each) for each in problems(path, {})}


def test_references_are_replaced_and_a_channel_without_its_variable_is_off(write, tmp_path):
    (tmp_path / "slack-url").write_text(f"https://hooks.test/{CANARY}\n")
    read = load_alerts(write(SMALL), {"TO": "x@y.test, z@y.test", "PASSWORD": CANARY})
    mail, failed = read.channels["mail"], read.alerts["failed"]

    assert isinstance(mail, EmailChannel)
    assert mail.to == ("x@y.test", "z@y.test")
    assert mail.user is None
    assert mail.password
    assert mail.password.get_secret_value() == CANARY
    assert read.channels["chat"].url.get_secret_value() == f"https://hooks.test/{CANARY}"
    assert read.off == {"hook": "HOOK not set"}
    assert read.routed(failed) == ("mail", "chat")
    assert read.routed(read.alerts["late"]) == ()
    assert CANARY not in repr(read)


def test_spans_are_read_and_worded():
    assert span("90m") == timedelta(minutes=90)
    assert [words(span(each)) for each in ("90m", "2h", "26h", "2d", "45s")] == [
        "90 min", "2 h", "26 h", "2 d", "45 s",
    ]  # fmt: skip
    for wrong in ("5s", "90", 90, "1w", None):
        with pytest.raises(ValueError, match="must be"):
            span(wrong)


def test_every_problem_is_told_at_once_with_its_place_and_a_suggestion(write):
    path = write(f"""
chanels: {{}}
channels:
  mail: {{kind: email, host: x, sender: nobody, to: [], prot: 3}}
  chat: {{kind: slak, url: {{env: X}}}}
  open: {{kind: slack, url: http://{CANARY}}}
  lost: {{kind: slack, url: {{file: no-such-file}}}}
  hook: {{kind: webhook, url: {{env: NO}}, tokn: {{env: Y}}}}
  three: 3
routes:
  critical: [cht, hook, hook]
  eror: [hook]
alerts:
  a: {{when: run-faild, severity: critical}}
  b: {{when: run-too-long, severity: error, after: 3}}
  c: {{when: anomaly-burst, severity: critical, within: 1h, flows: [x]}}
  d: 3
kept: {{}}
""")
    told = found(path)

    expected = {
        "chanels": "did you mean channels?",
        "channels.mail.sender": "pattern",
        "channels.mail.to": "at least 1 item",
        "channels.mail.prot": "did you mean port?",
        "channels.chat": "did you mean slack?",
        "channels.open.url": "{env: NAME}",
        "channels.lost.url.file": "no-such-file can't be read",
        "channels.hook.tokn": "did you mean token?",
        "channels.three": "must be a mapping",
        "routes.critical[0]": "did you mean chat?",
        "routes.critical": "names a channel twice",
        "routes.eror": "'error'",
        "alerts.a": "did you mean run-failed?",
        "alerts.b.after": "such as 30m",
        "alerts.b.severity": "no route for error",
        "alerts.c.times": "is missing",
        "alerts.c.flows": "unknown key",
        "alerts.d": "must be a mapping",
        "kept": "unknown key",
    }
    assert set(told) == set(expected)
    assert {path: part for path, part in expected.items() if part not in told[path]} == {}
    with pytest.raises(SettingsError, match="19 problems") as caught:
        load_alerts(path, {})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("just text", "start with channels:"),
        ("channels: {", "line"),
        ("channels: {}\nchannels: {}", "occurs twice"),
        ("{}", "is missing"),
        ("alerts: {a: {on: run-failed}}", "alerts.a.True: a key has to be text"),
    ],
)
def test_a_file_that_is_none_is_one_problem_or_more_and_no_crash(write, text, part):
    assert part in " ".join(found(write(text)).values())


def test_a_missing_file_is_told_with_what_to_do(tmp_path):
    with pytest.raises(SettingsError, match="STRANDLINE_ALERTS"):
        load_alerts(tmp_path / "none.yaml", {})


def test_the_file_is_the_named_one_then_the_machines_own_then_the_shipped_one(
    monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(load_alert_file.VARIABLE, raising=False)
    order = [alert_file()]
    (tmp_path / ".strandline").mkdir()
    (tmp_path / ".strandline" / "alerts.yaml").touch()
    order.append(alert_file())
    monkeypatch.setenv(load_alert_file.VARIABLE, "elsewhere.yaml")
    order.append(alert_file())

    assert [path.name for path in order] == ["alerts.yaml", "alerts.yaml", "elsewhere.yaml"]
    assert order[0] == SHIPPED
    assert order[1] != SHIPPED


def test_the_shipped_file_has_every_kind_of_alert_and_what_the_specification_asks_of_runs():
    shipped = load_alerts(SHIPPED, {})
    kinds = {alert.when for alert in shipped.alerts.values()}
    slow = [each for each in shipped.alerts.values() if isinstance(each, RunTooLong)]

    assert kinds == set(load_alert_file._KINDS)
    assert ("incremental", timedelta(hours=2)) in {(each.tag, each.after) for each in slow}
    assert (None, timedelta(hours=4)) in {(each.tag, each.after) for each in slow}
    assert set(shipped.off) == set(yaml.safe_load(SHIPPED.read_text())["channels"])
    assert set(shipped.routes) == set(Severity)


def test_tables_that_the_shipped_file_waits_for_are_tables_of_contracts():
    targets = {contract.target for contract in load_contracts(TABLES).values()}
    waited = [
        table
        for alert in load_alerts(SHIPPED, {}).alerts.values()
        if isinstance(alert, TableStale)
        for table in alert.tables
    ]

    assert waited
    assert set(waited) <= targets


def test_the_file_in_the_documentation_is_one(write, tmp_path):
    text = (TABLES.parents[1] / "docs" / "alerts.md").read_text(encoding="utf-8")
    (tmp_path / "smtp-password").write_text(CANARY)
    read = load_alerts(write(text.split("```yaml\n")[1].split("```")[0]), {})

    assert set(read.alerts) == {"run-failed", "slow"}
    assert read.off == {"slack": "STRANDLINE_SLACK_URL not set"}
