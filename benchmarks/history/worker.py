"""One subject, one case, in a process of its own; tells the driver what happens, as JSON lines.

Only the standard library and the subject's own module are loaded: a peer's environment has nothing
else.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.history.cases import Batch, Case
from benchmarks.history.subject import SUBJECTS, Entry, Subject

Tell = Callable[..., None]


def run(entry: Entry, case: Case, rows: Path, directory: Path, tell: Tell) -> None:
    """Prepare the table, load all batches (the first is a warm-up), look at what is there."""
    tell("versions", versions=_versions(entry))
    subject = entry.make(directory)
    started = time.perf_counter()
    subject.prepare(rows / "initial")
    tell("prepared", seconds=time.perf_counter() - started)
    batches = [
        Batch(number, rows / f"batch-{number}.parquet") for number in range(1, case.batches + 1)
    ]
    for batch in batches:
        started = time.perf_counter()
        told = subject.load(batch)
        tell("loaded", batch=batch.number, seconds=time.perf_counter() - started, told=dict(told))
    tell("outcome", **asdict(subject.outcome()))
    if case.name == "scattered":
        _replay(subject, batches, tell)
    subject.close()


def _replay(subject: Subject, batches: list[Batch], tell: Tell) -> None:
    """Each batch once more, the warm-up first, where the subject knows batches."""
    replay: Callable[[Batch], bool] | None = getattr(subject, "replay", None)
    if replay is None:
        return
    for batch in batches:
        started = time.perf_counter()
        known = replay(batch)
        tell("replayed", batch=batch.number, seconds=time.perf_counter() - started, known=known)
    tell("outcome", **asdict(subject.outcome()))


def _versions(entry: Entry) -> dict[str, str]:
    found = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for name in entry.distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    for jar in entry.jars:
        _, artifact, number = jar.split(":")
        found[artifact] = number
    return found


def main() -> None:
    """Run what the driver asks for; a failure is told like everything else."""
    parser = argparse.ArgumentParser()
    for name in ("subject", "case", "rows", "directory"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("keys", "changes", "batches", "channel"):
        parser.add_argument(f"--{name}", required=True, type=int)
    asked = parser.parse_args()
    # The JVM and whatever else a tool starts must not keep the channel open.
    os.set_inheritable(asked.channel, False)
    with os.fdopen(asked.channel, "w", buffering=1) as channel:

        def tell(event: str, **facts: object) -> None:
            channel.write(json.dumps({"event": event, **facts}) + "\n")

        directory = Path(asked.directory)
        try:
            run(
                SUBJECTS[asked.subject],
                Case(asked.case, asked.keys, asked.changes, asked.batches),
                Path(asked.rows),
                directory,
                tell,
            )
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is its result
            traceback.print_exc()
            tell("failed", reason=_said(error, directory))
    shutil.rmtree(directory, ignore_errors=True)


def _said(error: Exception, directory: Path) -> str:
    text = " ".join(str(error).replace(str(directory), "DIRECTORY").split())
    return f"{type(error).__name__}: {text[:300]}"


if __name__ == "__main__":
    main()
