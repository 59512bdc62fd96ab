"""Runs each subject in its own process, one after the other, and collects their events."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.commits import ROOT, unpack
from benchmarks.history.cases import DEEP_UP_TO, Case, Outcome
from benchmarks.history.rows import write_rows
from benchmarks.history.subject import SUBJECTS, Entry, Environment

PYTHONS: Mapping[Environment, Path] = {
    "project": Path(sys.executable),
    "peers": ROOT / ".venv-bench" / "bin" / "python",
    "earlier": Path(sys.executable),
}
CASES = ("scattered", "clustered", "deep")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The parameters of a benchmark run.

    Attributes:
        subjects: Names from `SUBJECTS`.
        sizes: Numbers of keys.
        cases: Names from `CASES`.
        runs: Measured batches per case; one more is loaded before them, to warm up.
        changes: Changed keys per batch.
        directory: For rows and tables. Rows stay there for the next run, tables do not.
        against: The commit that the subject `earlier` is of; None: it can't be measured.
        timeout: Seconds after which a subject is stopped, per case.
    """

    subjects: tuple[str, ...]
    sizes: tuple[int, ...]
    cases: tuple[str, ...]
    runs: int
    changes: int
    directory: Path
    against: str | None = None
    timeout: float = 3600.0

    def rounds(self) -> Iterator[tuple[Case, list[str]]]:
        """Each case with the subjects it is for."""
        for size in self.sizes:
            for name in self.cases:
                own_only = name == "deep"
                if own_only and size > DEEP_UP_TO:
                    continue
                chosen = [each for each in self.subjects if SUBJECTS[each].alone or not own_only]
                if chosen:
                    yield Case(name, size, self.changes, self.runs + 1), chosen


@dataclass(slots=True)
class Measured:
    """The results of one subject in one case.

    Attributes:
        subject: Its name.
        case: What it loaded.
        versions: Of the packages and jars it runs on.
        prepared: Seconds to start and make the table.
        loads: Seconds of each batch, the warm-up first.
        reported: What the tool reported of the last batch, such as bytes read.
        replays: Seconds of each batch loaded once more.
        recognised: Whether the tool recognised all of these.
        outcomes: Of the table after the batches, and after the replays.
        failed: Why it did not complete.
    """

    subject: str
    case: Case
    versions: dict[str, str] = field(default_factory=dict)
    prepared: float | None = None
    loads: list[float] = field(default_factory=list)
    reported: dict[str, Any] = field(default_factory=dict)
    replays: list[float] = field(default_factory=list)
    recognised: bool = True
    outcomes: list[Outcome] = field(default_factory=list)
    failed: str | None = None


def measure(plan: Plan, say: Say) -> Iterator[Measured]:
    """Run everything; a subject that fails is reported as failed and does not stop the others."""
    for case, subjects in plan.rounds():
        rows = plan.directory / "rows" / f"{case.name}-{case.keys}"
        say(f"{case.keys:>11,} keys  {case.name:<10} writing the rows")
        write_rows(case, rows)
        for name in subjects:
            yield _measured(plan, name, case, rows, _with_prefix(say, name, case))


def _with_prefix(say: Say, name: str, case: Case) -> Say:
    prefix = f"{case.keys:>11,} keys  {case.name:<10} {SUBJECTS[name].title:<31}"
    return lambda text: say(f"{prefix} {text}")


def _measured(plan: Plan, name: str, case: Case, rows: Path, say: Say) -> Measured:
    entry = SUBJECTS[name]
    measured = Measured(name, case)
    if not PYTHONS[entry.environment].exists():
        measured.failed = "its environment is not there; `make bench-history` builds it"
    elif entry.environment == "earlier" and plan.against is None:
        measured.failed = "its commit is not there; a clone with all its history has it"
    if measured.failed is not None:
        say(f"failed: {measured.failed}")
        return measured
    directory = plan.directory / "tables" / f"{name}-{case.name}-{case.keys}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    log = plan.directory / "logs" / f"{name}-{case.name}-{case.keys}.log"
    log.parent.mkdir(exist_ok=True)
    try:
        for event in _events(plan, entry, name, case, (rows, directory, log)):
            say(_recorded(measured, event))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if measured.failed is None and not measured.outcomes:
        measured.failed = f"it ended, or was stopped after {plan.timeout:.0f} s, without a result"
        say(f"failed: {measured.failed}; see {log}")
    return measured


def _events(
    plan: Plan, entry: Entry, name: str, case: Case, paths: tuple[Path, Path, Path]
) -> Iterator[dict[str, Any]]:
    rows, directory, log = paths
    reading, writing = os.pipe()
    # -P: packages come from PYTHONPATH alone.
    command = [str(PYTHONS[entry.environment]), "-P", "-m", "benchmarks.history.worker"]
    command += ["--subject", name, "--case", case.name, "--keys", str(case.keys)]
    command += ["--changes", str(case.changes), "--batches", str(case.batches)]
    command += ["--rows", str(rows), "--directory", str(directory), "--channel", str(writing)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "TZ": "UTC", "PYTHONPATH": _packages(plan, entry)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
            start_new_session=True,
        )
    os.close(writing)
    watch = threading.Timer(plan.timeout, _stop, (process,))
    watch.start()
    try:
        with os.fdopen(reading) as channel:
            for line in channel:
                yield json.loads(line)
        process.wait()
    finally:
        watch.cancel()
        _stop(process)


def _packages(plan: Plan, entry: Entry) -> str:
    """Where a subject's packages are: the project's, or those of the earlier commit before them."""
    if entry.environment != "earlier" or plan.against is None:
        return str(ROOT)
    code = plan.directory / "builds" / plan.against
    if not code.exists():
        unpack(plan.against, code)
        # Both are measured by the same code.
        shutil.rmtree(code / "benchmarks")
    return f"{code}{os.pathsep}{ROOT}"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the worker and all that it started (a JVM)."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _recorded(measured: Measured, event: dict[str, Any]) -> str:
    """Record the event; return it as a line of progress."""
    kind = event.pop("event")
    seconds = event.get("seconds", 0.0)
    match kind:
        case "versions":
            measured.versions = event["versions"]
            return "starting"
        case "prepared":
            measured.prepared = seconds
            return f"table made in {seconds:.1f} s"
        case "loaded":
            measured.loads.append(seconds)
            measured.reported = event["told"]
            warm = " (warm-up)" if event["batch"] == 1 else ""
            return f"batch {event['batch']} in {seconds:.2f} s{warm}"
        case "replayed":
            measured.replays.append(seconds)
            measured.recognised = measured.recognised and event["known"]
            return f"batch {event['batch']} again in {seconds:.2f} s"
        case "outcome":
            measured.outcomes.append(Outcome(**event))
            return f"{event['current']:,} current of {event['versions']:,} versions"
        case _:
            measured.failed = event["reason"]
            return f"failed: {measured.failed}"
