"""One subject, one case, in its own process; sends the driver its events, as JSON lines.

Only the standard library and the subject's own module are loaded: a peer's environment has no
other packages.
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

Emit = Callable[..., None]


def run(entry: Entry, case: Case, rows: Path, directory: Path, emit: Emit) -> None:
    """Prepare the table, load all batches (the first is a warm-up), count the versions."""
    emit("versions", versions=_versions(entry))
    subject = entry.make(directory)
    started = time.perf_counter()
    subject.prepare(rows / "initial")
    emit("prepared", seconds=time.perf_counter() - started)
    batches = [
        Batch(number, rows / f"batch-{number}.parquet") for number in range(1, case.batches + 1)
    ]
    for batch in batches:
        started = time.perf_counter()
        reported = subject.load(batch)
        emit(
            "loaded", batch=batch.number, seconds=time.perf_counter() - started, told=dict(reported)
        )
    emit("outcome", **asdict(subject.outcome()))
    if case.name == "scattered":
        _replay(subject, batches, emit)
    subject.close()


def _replay(subject: Subject, batches: list[Batch], emit: Emit) -> None:
    """Each batch once more, the warm-up first, if the subject recognises batches."""
    replay: Callable[[Batch], bool] | None = getattr(subject, "replay", None)
    if replay is None:
        return
    for batch in batches:
        started = time.perf_counter()
        recognised = replay(batch)
        emit(
            "replayed", batch=batch.number, seconds=time.perf_counter() - started, known=recognised
        )
    emit("outcome", **asdict(subject.outcome()))


def _versions(entry: Entry) -> dict[str, str]:
    versions = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for name in entry.distributions:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    for jar in entry.jars:
        _, artifact, number = jar.split(":")
        versions[artifact] = number
    return versions


def main() -> None:
    """Run the case that the driver requests; a failure is an event too."""
    parser = argparse.ArgumentParser()
    for name in ("subject", "case", "rows", "directory"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("keys", "changes", "batches", "channel"):
        parser.add_argument(f"--{name}", required=True, type=int)
    options = parser.parse_args()
    # The JVM and other processes that a tool starts must not keep the channel open.
    os.set_inheritable(options.channel, False)
    with os.fdopen(options.channel, "w", buffering=1) as channel:

        def emit(event: str, **facts: object) -> None:
            channel.write(json.dumps({"event": event, **facts}) + "\n")

        directory = Path(options.directory)
        try:
            run(
                SUBJECTS[options.subject],
                Case(options.case, options.keys, options.changes, options.batches),
                Path(options.rows),
                directory,
                emit,
            )
        except Exception as error:  # noqa: BLE001 - any error of a tool is its result
            traceback.print_exc()
            emit("failed", reason=_reason(error, directory))
    shutil.rmtree(directory, ignore_errors=True)


def _reason(error: Exception, directory: Path) -> str:
    text = " ".join(str(error).replace(str(directory), "DIRECTORY").split())
    return f"{type(error).__name__}: {text[:300]}"


if __name__ == "__main__":
    main()
