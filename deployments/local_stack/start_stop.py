"""The local stack: a Prefect server on an embedded PostgreSQL, and a worker per work pool.

Promise: after `up` all of it runs, whatever ran before, and `up` does not touch what already runs.
After `down` none of it runs, whatever happened to it before. Both may be interrupted and repeated.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psutil
from prefect.client.orchestration import SyncPrefectClient

from blocks.lookup import block_lookup
from blocks.operating_system.owner_only_file import locked
from contracts.errors import EnvironmentUnfitError
from deployments.local_stack.mark_interrupted_runs import mark_interrupted_runs
from deployments.local_stack.prefect_api_health import (
    address,
    as_client,
    choose_port,
    is_ready,
    login,
    offer,
)
from deployments.local_stack.stack_databases import stop_unused_databases
from deployments.local_stack.stack_paths import StackPaths
from deployments.local_stack.stack_processes import Member, StackRecord, end, launch, marked
from deployments.server_setup.prefect_server import connected
from deployments.server_setup.read_prefect_yaml import Project
from deployments.server_setup.work_pools_stage import apply_work_pools

__all__ = ["RunningStack", "StoppedStack", "down", "up"]

Announce = Callable[[str], AbstractContextManager[object]]
"""Makes a context for one step of work, which is open while the step is done."""

SERVER = "server"
_SERVER_SECONDS, _WORKER_SECONDS = 120.0, 90.0
_TO_STOP_SECONDS, _RUNS_TO_STOP_SECONDS = 20.0, 5.0
_POLL_SECONDS = 0.2

_QUIET_AND_QUICK = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # A user waits: Prefect's own 10 seconds between two polls for work are for many workers.
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    # An alert that became due while the server waited for its database comes late instead of never:
    # Prefect drops spans a minute after they ended without being processed.
    "PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER": "P1D",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that runs.

    Attributes:
        url: The address of the server's pages.
        started: The members that were started now; the others ran before.
        members: All members.
        crashed: Runs that an earlier end of the stack had left in progress.
    """

    url: str
    started: tuple[str, ...]
    members: tuple[Member, ...]
    crashed: tuple[str, ...] = ()


@dataclass(slots=True)
class StoppedStack:
    """What `down` ended.

    Attributes:
        members: Members that ran, by name, with how they ended: 'ended' or 'killed'.
        gone: Members that had ended before.
        others: Number of processes that members had started and that outlived them.
        crashed: Runs that were in progress.
        postgres: PostgreSQL servers, by their directories below the state directory: the stack's
            own, and those that a run had started and no process uses.
    """

    members: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    others: int = 0
    crashed: list[str] = field(default_factory=list)
    postgres: list[str] = field(default_factory=list)

    @property
    def anything(self) -> bool:
        """Whether there was something to end."""
        return bool(self.members or self.gone or self.others or self.postgres)


def up(project: Project, paths: StackPaths, *, port: int | None, doing: Announce) -> RunningStack:
    """Start what does not run yet, and wait until it is ready.

    Args:
        project: Names the pools that need a worker.
        paths: The stack's paths.
        port: The server's TCP port; None for the previous, a usual or a free one.
        doing: Called with each step that takes time.

    Raises:
        EnvironmentUnfitError: Something does not start, or the port is taken.
        SettingsError: A pool of the project can't be made.
    """
    paths.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(paths.lock):
        record, started = _with_server(project, paths, port, doing)
        with as_client(paths, record.port), connected() as client:
            list(apply_work_pools(project, client))
            pools = sorted(project.pools_in_use)
            idle = [pool for pool in pools if not _runs(record, _worker(pool))]
            # A run that goes on without its worker is not touched.
            crashed = (
                mark_interrupted_runs(client, idle) if idle and not _strays(paths, record) else []
            )
            for pool in idle:
                with doing(f"Worker of the pool {pool}"):
                    record = _with_worker(paths, record, pool, client, project)
                started.append(_worker(pool))
    return RunningStack(
        address(record.port), tuple(started), tuple(record.members.values()), tuple(crashed)
    )


def down(paths: StackPaths, doing: Announce) -> StoppedStack:
    """End everything of the stack that runs, and return what that was."""
    ended = StoppedStack()
    if not paths.root.exists():
        return ended
    with locked(paths.lock):
        record = StackRecord.read(paths.record)
        workers = [each for each in record.members if each != SERVER]
        server_ready = _runs(record, SERVER) and is_ready(record.port)
        with doing("Workers, and the runs in progress"):
            # Without a server a worker would only try to reach it.
            timeout = _TO_STOP_SECONDS if server_ready else _RUNS_TO_STOP_SECONDS
            _end_members(record, workers, ended, timeout)
            rest = _strays(paths, record)
            end(rest, timeout=_RUNS_TO_STOP_SECONDS)
            ended.others += len(rest)
        with doing("Server and PostgreSQL"):
            if server_ready:
                pools = [each.removeprefix(_worker("")) for each in workers]
                with as_client(paths, record.port), connected() as client:
                    ended.crashed += mark_interrupted_runs(client, pools) if pools else []
            _end_members(record, [SERVER] if SERVER in record.members else [], ended)
            rest = marked(paths)
            end(rest, timeout=_RUNS_TO_STOP_SECONDS)
            ended.others += len(rest)
            ended.postgres += stop_unused_databases(paths.root.parent)
        paths.environment.unlink(missing_ok=True)
        paths.record.unlink(missing_ok=True)
    return ended


def _with_server(
    project: Project, paths: StackPaths, requested: int | None, doing: Announce
) -> tuple[StackRecord, list[str]]:
    record = StackRecord.read(paths.record)
    if _runs(record, SERVER):
        if is_ready(record.port):
            _refuse_other_port(record.port, requested)
            # An earlier call may have given up before the server was ready.
            offer(paths, record.port)
            return record, []
        _end_members(record, [SERVER], StoppedStack())
    port = choose_port(requested, record.port)
    if record.port and port != record.port:
        # Workers and runs that still use the previous port would never reach this one.
        end(marked(paths), timeout=_TO_STOP_SECONDS)
    record = StackRecord(port, {**record.members})
    with doing("Prefect server on PostgreSQL 18"):
        key = login(paths)
        environment = {**_environment(paths, port), "PREFECT_SERVER_API_AUTH_STRING": key}
        member = launch(
            paths,
            SERVER,
            [SERVER, str(port)],
            directory=project.directory,
            environment=environment,
        )
        record = record.with_member(member)
        record.write(paths.record)
        _await(paths, member, _SERVER_SECONDS, lambda: is_ready(port))
        offer(paths, port)
    return record, [SERVER]


def _with_worker(
    paths: StackPaths, record: StackRecord, pool: str, client: SyncPrefectClient, project: Project
) -> StackRecord:
    began = datetime.now(UTC)
    member = launch(
        paths,
        _worker(pool),
        ["worker", pool],
        directory=project.directory,
        environment=_environment(paths, record.port),
    )
    record = record.with_member(member)
    record.write(paths.record)

    def polls() -> bool:
        workers = client.read_workers_for_work_pool(pool)
        beats = [each.last_heartbeat_time for each in workers if each.name == f"local-{pool}"]
        return any(beat is not None and beat >= began for beat in beats)

    _await(paths, member, _WORKER_SECONDS, polls)
    return record


def _await(paths: StackPaths, member: Member, seconds: float, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        found = None
        if member.process() is None:
            found = "one that ended at once"
        elif time.monotonic() > deadline:
            found = f"one that is not after {seconds:.0f} s"
        if found:
            raise EnvironmentUnfitError(
                where=f"the local stack's {member.name}",
                expected="a process that is ready",
                found=found,
                next_step=f"Look into {paths.log(member.name)}, then strandline down, and again.",
            )
        time.sleep(_POLL_SECONDS)


def _environment(paths: StackPaths, port: int) -> Mapping[str, str]:
    """This process's environment, without what would direct Prefect or the blocks elsewhere."""
    inherited = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("PREFECT_") and name != block_lookup.VARIABLE
    }
    api = f"{address(port)}/api"
    return {
        **inherited,
        **_QUIET_AND_QUICK,
        "PREFECT_HOME": str(paths.prefect_home),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_UI_API_URL": api,
        "PREFECT_API_AUTH_STRING": login(paths),
    }


def _end_members(
    record: StackRecord,
    names: Collection[str],
    ended: StoppedStack,
    timeout: float = _TO_STOP_SECONDS,
) -> None:
    running = {name: record.members[name].process() for name in names}
    killed = end([each for each in running.values() if each], timeout=timeout)
    for name, process in running.items():
        if process is None:
            ended.gone.append(name)
        else:
            ended.members[name] = "killed" if process in killed else "ended"


def _strays(paths: StackPaths, record: StackRecord) -> list[psutil.Process]:
    """Processes of the stack that are not members: runs, and what runs have started."""
    members = [each.process() for each in record.members.values()]
    return [each for each in marked(paths) if each not in members]


def _runs(record: StackRecord, name: str) -> bool:
    return name in record.members and record.members[name].process() is not None


def _worker(pool: str) -> str:
    return f"worker-{pool}"


def _refuse_other_port(port: int, requested: int | None) -> None:
    if requested not in (None, port):
        raise EnvironmentUnfitError(
            where="the local stack's server",
            expected=f"port {requested}",
            found=f"a server that runs on port {port}",
            next_step="strandline down, then up with that port.",
        )
