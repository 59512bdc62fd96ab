"""Every phase of a run, with every event that can happen in it.

`python -m tests.deployments.ephemeral_spark.matrix [PHASE ...]` runs all cells, or those of some
phases, and prints the table.
"""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling

from tests.deployments.ephemeral_spark.stage import Stage, listening, stage, wait_for

SECONDS_ALLOWED = 15.0
SECONDS_WATCHED = 60.0
MASTER, SPARK_WORKER = "deploy.master.Master", "deploy.worker.Worker"
FLOW, WATCHDOG = "prefect.engine", "deployments.ephemeral_spark.cleanup.watchdog"

PHASES = ("pending", "starting", "running", "finishing")
VICTIMS = {
    "flow": FLOW,
    "worker": "",
    "master": MASTER,
    "spark worker": SPARK_WORKER,
    "watchdog": WATCHDOG,
}
SMALL = {
    "cores_per_worker": 2,
    "memory_per_worker": "512m",
    "start_seconds": 600,
    # Each JVM lives for seconds: the second compiler would take longer than it saves.
    "env": {
        "JDK_JAVA_OPTIONS": (
            "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"
        )
    },
}
"""Job variables of the pool: the clusters of the tests are small."""
NOT_YET = {
    "pending": ("flow", "master", "spark worker"),
    "starting": ("flow", "spark worker"),
    "running": (),
    "finishing": (),
}


@dataclass(frozen=True)
class Cell:
    """An event in a phase."""

    phase: str
    event: str  # cancel, or SIGTERM or SIGKILL and who gets it

    @property
    def name(self) -> str:
        return f"{self.phase}/{self.event}"

    @property
    def wanted(self) -> str:
        """The state in which the run should end."""
        if self.phase == "finishing":
            return "Completed"
        return "Cancelled" if self.event == "cancel" else "Crashed"


@dataclass(frozen=True)
class Outcome:
    """The result of a run: seconds are since the event, None for never."""

    cell: Cell
    state: str
    seconds_to_state: float | None
    seconds_to_nothing: float | None
    leftovers: tuple[str, ...]

    @property
    def right(self) -> bool:
        times = (self.seconds_to_state, self.seconds_to_nothing)
        in_time = all(seconds is not None and seconds <= SECONDS_ALLOWED for seconds in times)
        return self.state == self.cell.wanted and in_time and not self.leftovers

    def line(self) -> str:
        shown = [
            "-" if seconds is None else f"{seconds:.1f}"
            for seconds in (self.seconds_to_state, self.seconds_to_nothing)
        ]
        remaining = ", ".join(self.leftovers) or "nothing"
        verdict = "" if self.right else "  WRONG"
        return (
            f"{self.cell.phase:<10} {self.cell.event:<22} {self.state:<10} "
            f"{shown[0]:>6} {shown[1]:>6}  {remaining}{verdict}"
        )


HEADER = f"{'phase':<10} {'event':<22} {'state':<10} {'state':>6} {'gone':>6}  left"


def cells() -> list[Cell]:
    """Every event in every phase; a process that does not run yet can't be killed."""
    result = []
    for phase in PHASES:
        events = [
            f"{number} {victim}"
            for victim in VICTIMS
            if victim not in NOT_YET[phase]
            for number in ("SIGTERM", "SIGKILL")
        ]
        result += [Cell(phase, event) for event in ("cancel", *events)]
    return result


def outcome(pool: Stage, deployment: str, cell: Cell, marks: Path) -> Outcome:
    """Start a run, cause the event in its phase, and wait for the result."""
    pool.start_worker()
    marks.mkdir()
    run = pool.begin(
        deployment,
        marks=str(marks),
        milliseconds=0 if cell.phase == "finishing" else 600_000,
        linger=5 if cell.phase == "finishing" else 0,
    )
    wait_for(f"the phase {cell.phase}", lambda: reached(pool, run, cell.phase, marks))
    ports = pool.ports()
    happen(pool, run, cell.event)
    result = watched(pool, run, cell, ports)
    if result.leftovers:
        pool.clear()  # or the next run would be blamed for it
    return result


def reached(pool: Stage, run: FlowRun, phase: str, marks: Path) -> bool:
    """Whether the run is in this phase."""
    if phase == "pending":
        state = pool.look(run).state
        return state is not None and state.is_pending()
    if phase == "starting":
        return pool.process(MASTER) is not None
    return (marks / phase).exists()


def happen(pool: Stage, run: FlowRun, event: str) -> None:
    """Cancel the run, or signal one of the processes."""
    if event == "cancel":
        with pool.client() as client:
            client.set_flow_run_state(run.id, Cancelling())
        return
    name, _, victim = event.partition(" ")
    if victim == "worker":
        assert pool.worker is not None
        pool.worker.send_signal(signal.Signals[name])
        return
    process = pool.process(VICTIMS[victim])
    assert process is not None, f"no {victim} there"
    process.send_signal(signal.Signals[name])


def watched(pool: Stage, run: FlowRun, cell: Cell, ports: set[int]) -> Outcome:
    """Wait until the run has a final state and nothing of it remains."""
    begin, final, removed, state, remaining = time.monotonic(), None, None, "", ()
    while time.monotonic() - begin < SECONDS_WATCHED and (final is None or removed is None):
        if final is None:
            current = pool.look(run).state
            state = current.name
            final = time.monotonic() - begin if current.is_final() else None
        remaining = leftovers(pool, ports)
        removed = None if remaining else time.monotonic() - begin
        if pool.worker is not None:
            pool.worker.poll()  # or it would stay a zombie
        time.sleep(0.1)
    time.sleep(0.5)
    state = pool.look(run).state.name  # a final state must not change any more
    return Outcome(cell, state, final, removed, remaining)


def leftovers(pool: Stage, ports: set[int]) -> tuple[str, ...]:
    """Processes, ports and files of clusters, each named."""
    names = []
    for process in pool.processes():
        try:
            names.append(f"process {process.pid} ({' '.join(process.cmdline())[-60:]})")
        except psutil.Error:
            continue
    if names:
        return tuple(names)
    files = [f"file {name}" for name in pool.files()]
    return (*files, *(f"port {port}" for port in listening(ports)))


def chosen(names: list[str]) -> list[Cell]:
    """The cells with these names or of these phases; all without a name."""
    return [cell for cell in cells() if not names or cell.phase in names or cell.name in names]


def main(names: list[str]) -> int:
    """Run the cells and print the table."""
    wrong = []
    with stage(**SMALL) as pool:
        deployment = pool.deploy("job_on_spark.py", "job_on_spark")
        print(HEADER, flush=True)
        for number, cell in enumerate(chosen(names)):
            result = outcome(pool, deployment, cell, pool.folder / f"marks{number}")
            print(result.line(), flush=True)
            if not result.right:
                wrong.append(cell)
        if wrong:
            print(pool.worker_log(), file=sys.stderr)
    return len(wrong)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
