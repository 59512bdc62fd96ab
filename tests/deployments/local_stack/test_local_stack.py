"""`strandline up` and `strandline down`, as typed, with a real server, worker and PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowFilter,
    FlowFilterName,
)
from prefect.client.schemas.schedules import CronSchedule
from prefect.states import Scheduled

from blocks.embedded_postgres import EmbeddedPostgres
from blocks.embedded_postgres.postgres_process import postmaster
from blocks.operating_system.process_identity import ProcessIdentity
from contracts.errors import EnvironmentUnfitError
from deployments.local_stack import prefect_api_health
from deployments.local_stack.prefect_api_health import choose_port
from deployments.local_stack.stack_databases import stop_unused_databases
from deployments.local_stack.stack_paths import StackPaths
from deployments.local_stack.stack_processes import MARK, Member, StackRecord
from strandline.command_line import main
from tests.deployments.stacks import PROJECT, Stack, eventually, project
from tests.night import AT_NIGHT

ROOT = Path(__file__).parents[3]
KILLED_USER = """
import os, signal, sys
from pathlib import Path
from blocks.embedded_postgres import EmbeddedPostgres
EmbeddedPostgres(Path(sys.argv[1])).start()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Iterator[Stack]:
    root = tmp_path_factory.mktemp("stack")
    made = Stack(project(root / "project"), root / "state")
    with pytest.MonkeyPatch.context() as patch:
        # The project is in another directory: its processes must run the code that is tested.
        patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        # Another stack of this machine may be about to take one of the usual ports.
        patch.setattr(prefect_api_health, "USUAL_PORTS", range(4300, 4400))
        assert made.type("up") == 0
        yield made
        made.type("down")


@pytest.fixture
def deployed(stack, capsys):
    """A deployment of the waiting flow, made by hand: Prefect's command takes seconds."""
    if stack.type("up"):
        raise AssertionError(capsys.readouterr().err)
    with stack.client() as client:
        flow = client.create_flow_from_name("wait")
        return client.create_deployment(
            flow_id=flow,
            name="by-hand",
            entrypoint="flow.py:wait",
            path=str(stack.file.parent),
            work_pool_name="local",
            schedules=[
                DeploymentScheduleCreate(schedule=CronSchedule(cron="0 0 1 * *", timezone="UTC"))
            ],
        )


def waiting_run(stack: Stack, deployment, note: Path) -> tuple[str, list[int]]:
    """A run in progress: its id, and the processes of the flow and of what the flow started."""
    with stack.client() as client:
        run = client.create_flow_run_from_deployment(
            deployment, parameters={"seconds": 600, "note": str(note)}, state=Scheduled()
        )
    numbers = eventually(lambda: note.exists() and note.read_text().split())
    return str(run.id), [int(number) for number in numbers]


def test_up_offers_pages_and_an_api_to_those_who_have_the_login(stack):
    port = stack.record.port
    api = f"http://127.0.0.1:{port}/api"

    assert "<title>Prefect" in httpx.get(f"http://127.0.0.1:{port}/").text
    assert httpx.post(f"{api}/flows/filter", json={}).status_code == 401
    lines = stack.paths.environment.read_text().splitlines()
    offered = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    assert offered["PREFECT_API_URL"] == api
    user, _, password = offered["PREFECT_API_AUTH_STRING"].partition(":")
    answer = httpx.post(f"{api}/flows/filter", json={}, auth=(user, password))
    assert answer.status_code == 200


def test_up_after_one_that_gave_up_offers_the_file_that_it_names(stack, capsys):
    stack.paths.environment.unlink()  # written when the server is ready, so not by who gave up

    assert main(["up", "--file", str(stack.file), "--state", str(stack.state)]) == 0

    assert stack.paths.environment.exists()
    told = " ".join(capsys.readouterr().out.split())
    assert 'where the page asks for "admin:pass", paste what' in told
    assert "stack/login has" in told


def test_what_the_stack_writes_is_its_owners_alone(stack):
    paths = stack.paths

    logs = list(paths.root.glob("*.log"))
    assert len(logs) == 2
    for path in (paths.login, paths.environment, paths.record, *logs):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not stat.S_IMODE(paths.root.stat().st_mode) & 0o066
    password = paths.login.read_text().partition(":")[2]
    for log in logs:
        assert password not in log.read_text()
    for member in stack.record.members.values():
        assert password not in " ".join(member.process().cmdline())


def test_the_servers_database_is_the_embedded_postgresql_and_no_file(stack):
    assert not list(stack.paths.prefect_home.rglob("*.db"))
    assert stack.paths.postgres.joinpath("data", "PG_VERSION").exists()


def test_a_second_up_finds_everything_running(stack, capsys):
    before = stack.record
    capsys.readouterr()

    assert stack.type("up") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["started"] == []
    assert [each["name"] for each in answer["members"]] == ["server", "worker-local"]
    assert stack.record == before


def test_another_port_is_refused_while_it_runs(stack, capsys):
    arguments = ["--file", str(stack.file), "--state", str(stack.state), "--port", "1"]
    assert main(["up", *arguments]) == 78
    assert "strandline down" in capsys.readouterr().err


def test_the_server_turns_schedules_into_runs(stack, deployed):
    chosen = DeploymentFilter(id=DeploymentFilterId(any_=[deployed]))

    with stack.client() as client:
        # A deployment made while the scheduler works gets its runs up to a minute later.
        assert eventually(lambda: client.read_flow_runs(deployment_filter=chosen), seconds=120)


def test_names_are_found_by_a_part_of_them_without_trigrams(stack, deployed):
    with stack.client() as client:
        flows = client.read_flows(flow_filter=FlowFilter(name=FlowFilterName(like_="ai")))

    assert [each.name for each in flows] == ["wait"]


def nothing(_stack: Stack) -> None:
    """No failure."""


def server_killed(stack: Stack) -> None:
    stack.process("server").kill()


def worker_killed(stack: Stack) -> None:
    stack.process("worker-local").kill()


def both_killed(stack: Stack) -> None:
    server_killed(stack)
    worker_killed(stack)


def record_lost(stack: Stack) -> None:
    stack.paths.record.unlink()


EVENTS = [server_killed]
if AT_NIGHT:
    EVENTS += [nothing, worker_killed, both_killed, record_lost]


@pytest.mark.parametrize("event", EVENTS)
def test_down_leaves_no_process_and_no_port_whatever_happened(
    stack, deployed, event, tmp_path, capsys
):
    _, numbers = waiting_run(stack, deployed, tmp_path / "note")
    port = stack.record.port
    event(stack)
    capsys.readouterr()

    assert stack.type("down") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["postgres"] == ["stack/postgres"]
    assert stack.leftovers == []
    assert not any(alive(number) for number in numbers)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert stack.type("down") == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["members"], again["gone"], again["others"]) == ({}, [], 0)


def alive(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.nightly
@pytest.mark.parametrize("event", [nothing, server_killed, both_killed])
def test_a_run_that_its_stack_ended_is_marked_crashed(stack, deployed, event, tmp_path):
    run, _ = waiting_run(stack, deployed, tmp_path / "note")
    event(stack)
    stack.type("down")
    stack.type("up")

    with stack.client() as client:
        assert client.read_flow_run(run).state.name == "Crashed"


@pytest.mark.nightly
def test_up_mends_what_was_killed_and_leaves_a_run_alone(stack, deployed, tmp_path):
    run, numbers = waiting_run(stack, deployed, tmp_path / "note")
    port = stack.record.port
    server_killed(stack)

    assert stack.type("up") == 0
    assert stack.record.port == port
    assert all(alive(number) for number in numbers)
    with stack.client() as client:
        assert client.read_flow_run(run).state.is_running()


def test_an_unused_database_is_ended_and_one_in_use_is_not(tmp_path):
    used = EmbeddedPostgres(tmp_path / "used")
    used.start()
    user = [sys.executable, "-c", KILLED_USER, str(tmp_path / "unused")]
    assert subprocess.run(user, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert postmaster(tmp_path / "unused" / "data") is not None

    assert stop_unused_databases(tmp_path) == ["unused"]
    assert postmaster(tmp_path / "unused" / "data") is None
    assert postmaster(tmp_path / "used" / "data") is not None
    used.stop()
    assert stop_unused_databases(tmp_path) == []


def test_a_number_given_to_another_program_is_no_member(tmp_path):
    me = ProcessIdentity.of(os.getpid())

    assert Member("server", me).process() == psutil.Process()
    assert Member("server", replace(me, started=me.started - 60)).process() is None


def test_the_record_of_another_release_is_ignored(tmp_path):
    path = tmp_path / "record.json"
    path.write_text('{"port": 1, "members": [{"name": "server", "pid": 1, "since": 1.5}]}')

    assert StackRecord.read(path) == StackRecord(0, {})


def test_a_port_that_is_taken_is_an_error_when_requested_and_avoided_when_not():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]

        with pytest.raises(EnvironmentUnfitError, match=str(taken)):
            choose_port(taken, 0)
        assert choose_port(None, taken) != taken


def test_down_where_nothing_ever_was_says_so_and_makes_nothing(tmp_path, capsys):
    assert main(["down", "--state", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out.strip() == "Nothing runs"
    assert list(tmp_path.iterdir()) == []


def test_a_worker_needs_a_pool_that_the_project_defines(tmp_path, capsys):
    file = project(tmp_path, {**PROJECT, "definitions": {}})

    assert Stack(file, tmp_path / "state").type("up") == 78
    assert "local" in json.loads(capsys.readouterr().out)["error"]["found"]
    assert not StackPaths.below(tmp_path / "state").root.exists()
    assert MARK not in os.environ
