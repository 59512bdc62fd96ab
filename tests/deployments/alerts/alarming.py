"""Causes of every alert, and of none, against a server; prints a line of JSON for each cause.

`python -m tests.deployments.alerts.alarming ALERTS OTHER_ALERTS TAKEN`, a process of its own:
Prefect keeps one connection for events, to the first server that a process talks to.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events import DoNothing, EventTrigger, Posture, emit_event
from prefect.events.schemas.automations import AutomationCore
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Completed, Crashed, Pending, Running

from blocks.coordination.circuit_breaker import Circuit, CircuitState, Transition
from contracts.alerts.failure_reasons import INTERRUPTED
from contracts.errors import QualityGateError, SourceCircuitOpenError, StepFailedError
from contracts.loader import TABLES, load_contract
from flows.failure_alert_hook import send_failure_alert
from history import LoadReport
from strandline.command_line import main
from tasks.observability.emit_prefect_events import (
    emit_circuit,
    emit_loaded,
    emit_verdict,
    source_resource,
    table_resource,
)
from tasks.run.run_context import Run
from tasks.run.step_results import StagedBatch
from tasks.transforms.checks.quality_score import Finding, Outcome
from tasks.transforms.checks.verdict import Verdict

CANARY = "canary-of-a-cell"
ERROR = {"where": "x", "expected": "y", "found": "z", "next_step": "Do what is next."}
STAGED = StagedBatch("stage", 100, 90, 10, 0, 0, None)
AWAY = Circuit(CircuitState.OPEN, 5, 1e9, 1e9 + 60, "", "a connection that broke")
SHIPPED = load_contract(TABLES / "aircraft.yaml")


run_ids: dict[str, str] = {}


def say(step: str, **values: Any) -> None:
    if "id" in values:
        run_ids[step] = values["id"]
    sys.stdout.write(json.dumps({"step": step, "at": time.time(), **values}) + "\n")
    sys.stdout.flush()


def command(step: str, *arguments: str) -> None:
    """Run the command line as it is typed, and print its answer."""
    out = io.StringIO()
    began = time.monotonic()
    with redirect_stdout(out):
        code = main(["alerts", *arguments, "--json"])
    say(step, code=code, answer=json.loads(out.getvalue()), seconds=time.monotonic() - began)


def run_of(table: str) -> Run:
    """A run with what events need of it: the contract and the batch."""
    contract = replace(SHIPPED, name=table, namespace="ns", table=table)
    batch, now = f"BATCH_{table}", datetime.now(UTC)
    return Run(
        name=table,
        target=f"lake.ns.{table}",
        relation="s.t",
        table_resource=table_resource(contract),
        source_resource=source_resource(contract),
        lineage=None,
        settings=None,  # type: ignore[arg-type]
        source=None,  # type: ignore[arg-type]
        spark=None,  # type: ignore[arg-type]
        batch_id=batch,
        run_id="run",
        started=now,
    )


def verdict(*failed: str, score: float = 1.0) -> Verdict:
    findings = tuple(
        Finding(name, (), "error", 5, 100, rule=name.partition(" ")[0], outcome=Outcome.FAILED)
        for name in failed
    )
    return Verdict(score, 0.95, score >= 0.95, findings)


def load(name: str, *, fails: Exception | None = None, retries: int = 0, **events: Any) -> None:
    """A run of the flow `load-table` that emits the given events, then ends."""
    attempts = []

    @flow(
        name="load-table",
        flow_run_name=name,
        retries=retries,
        on_failure=[send_failure_alert],
        on_crashed=[send_failure_alert],
    )
    def load_table() -> None:
        attempts.append(name)
        run = run_of(name)
        if "verdict" in events:
            emit_verdict(run, STAGED, events["verdict"])
        if "published" in events:
            report = LoadReport(run.batch_id, 1, events["published"], opened=3, closed=2)
            emit_loaded(run, STAGED, report)
        if "answers" in events:
            emit_circuit(Transition.CLOSED, "source_db_conn", AWAY, contract=name)
        if fails is not None and len(attempts) > retries:
            if isinstance(fails, SourceCircuitOpenError):
                emit_circuit(Transition.OPENED, "source_db_conn", AWAY, contract=name)
            raise fails
        if fails is not None:
            raise StepFailedError(**ERROR)

    say(name)
    with suppress(Exception):
        load_table()


def state_of(
    client: SyncPrefectClient,
    name: str,
    kind: str,
    *states: Any,
    tags: Any = (),
    pace: float = 0,
) -> None:
    """A run of a flow called `kind` that is set to states, as by a worker elsewhere.

    `pace` is how many seconds it stays in each. A server on SQLite that finds its database locked
    retries an event, which for events milliseconds apart may be too late.
    """

    @flow(name=kind)
    def other_flow() -> None: ...

    began = time.monotonic()
    run = client.create_flow_run(other_flow, name=name, tags=tags, state=Pending())
    for state in states:
        time.sleep(pace)
        client.set_flow_run_state(run.id, state, force=True)
    say(name, id=str(run.id), took=time.monotonic() - began)


def foreign_automation(name: str) -> AutomationCore:
    return AutomationCore(
        name=name,
        trigger=EventTrigger(expect={"no.such.event"}, posture=Posture.Reactive, threshold=1),
        actions=[DoNothing()],
    )


def what_alarms(client: SyncPrefectClient) -> None:
    load("stale", published=True)
    load("fresh", published=True)
    state_of(client, "waiting", "load-tables")
    state_of(client, "endless", "load-tables", Running())
    state_of(client, "slow", "load-table", Running(), tags=["incremental"])
    load("failing", fails=StepFailedError(**ERROR))
    load("unforeseen", fails=ValueError(CANARY))
    load("bad", verdict=verdict("a", score=0.5), fails=QualityGateError(**ERROR))
    load("odd", verdict=verdict("anomaly 1", "anomaly 2", "past_runs 3", "between"))
    load("wrong", verdict=verdict("between", "required", "unique", "matches"))
    load("away", fails=SourceCircuitOpenError(**ERROR))
    load("back", answers=True)
    killed = Crashed(message="Process exited with -9")
    state_of(client, "killed", "load-table", Running(), killed, killed.fresh_copy())


def what_does_not(client: SyncPrefectClient) -> None:
    load("good", verdict=verdict("a", "b"), published=True)
    load("second-attempt", fails=None, retries=1)
    state_of(client, "in-time", "load-tables", Running(), Completed(), pace=2)
    state_of(client, "not-incremental", "load-table", Running())
    state_of(client, "interrupted", "load-table", Running(), Crashed(message=INTERRUPTED))
    state_of(client, "others", "not-ours", Running(), Crashed(message="Process exited with -9"))


@flow(name="upkeep", flow_run_name="alive")
def upkeep() -> None:
    """Ends well after its first heartbeat."""


def late_heartbeat(run_id: Any, *, took: float) -> None:
    """A sign of life that arrives after the end."""
    emit_event(
        "prefect.flow-run.heartbeat",
        resource={"prefect.resource.id": f"prefect.flow-run.{run_id}"},
        related=[
            {
                "prefect.resource.id": "prefect.flow.any",
                "prefect.resource.role": "flow",
                "prefect.resource.name": "upkeep",
            }
        ],
    )
    say("alive", id=str(run_id), took=took)


def every(client: SyncPrefectClient, alerts: str, other_alerts: str, taken: str) -> None:
    client.create_automation(foreign_automation("Somebody's own"))
    command("applied", "apply", f"--file={alerts}")
    zombie = subprocess.Popen([sys.executable, Path(__file__).with_name("silent_run.py")])
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        what_alarms(client)
        what_does_not(client)
        zombie.wait()
        began = time.monotonic()
        state = upkeep(return_state=True)
        late_heartbeat(state.state_details.flow_run_id, took=time.monotonic() - began)
        command("proven", "test", "run-failed", f"--file={alerts}")
        # As from a machine that lacks a secret which the server already has.
        slack = os.environ.pop("T_SLACK")
        command("again", "apply", f"--file={alerts}")
        os.environ["T_SLACK"] = slack
        command("broken", "test", "broken", f"--file={alerts}", "--wait=4")
        load("fresh", published=False)
    command("listed", "list", f"--file={alerts}")
    say("caused")
    sys.stdin.readline()  # until everything has arrived
    command("changed", "apply", f"--file={other_alerts}")
    client.create_automation(foreign_automation("Strandline alert: taken"))
    command("refused", "apply", f"--file={taken}")
    alive = client.read_flow_run(UUID(run_ids["alive"]))
    say("ended", state=alive.state.name if alive.state else None)
    names = client.request("POST", "/automations/filter", json={}).json()
    say("left", names=sorted(each["name"] for each in names))
    blocks = client.request("POST", "/block_documents/filter", json={}).json()
    say("blocks", names=sorted(each["name"] for each in blocks if each["name"]))


if __name__ == "__main__":
    with get_client(sync_client=True) as opened:
        every(opened, *sys.argv[1:])
