"""The warm process of each subject."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOBase
from pathlib import Path
from typing import Any

from benchmarks.end_worker import end_worker, kill_worker
from benchmarks.quality.subject import SUBJECTS

__all__ = ["PEERS", "ROOT", "Process", "running"]

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-bench-quality" / "bin" / "python"


@dataclass(slots=True)
class Process:
    """A subject at work: one command at a time. `failed` is why it takes no more."""

    name: str
    timeout: float
    process: subprocess.Popen[str]
    channel: TextIOBase
    failed: str | None = None

    def ask(self, **command: object) -> dict[str, Any]:
        """Send a command; the answer, empty after a failure, of which `failed` has the reason."""
        if self.failed is not None:
            return {}
        try:
            self.send(command)
        except BrokenPipeError:
            self.failed = "it has ended"
            return {}
        return self.answer()

    def send(self, line: Mapping[str, object]) -> None:
        """Send one line of JSON."""
        if self.process.stdin is not None:
            self.process.stdin.write(json.dumps(dict(line)) + "\n")
            self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """The next answer; the process is ended if it takes too long."""
        watch = threading.Timer(self.timeout, kill_worker, (self.process,))
        watch.start()
        try:
            line = self.channel.readline()
        finally:
            watch.cancel()
        answer: dict[str, Any] = json.loads(line) if line else {"failed": "it has ended"}
        self.failed = answer.get("failed")
        return {} if self.failed is not None else answer


@contextmanager
def running(
    name: str, root: Path, source: Mapping[str, object], timeout: float
) -> Iterator[Process]:
    """A subject that has read nothing yet; it and what it started end with the block.

    Args:
        name: One of `SUBJECTS`.
        root: For its files, of which `worker.log` has all that it prints.
        source: Where the table is: `url`, `user`, `password`, `table`, `rows`.
        timeout: Seconds that one command may take.
    """
    directory = root / name
    directory.mkdir(parents=True)
    python = PEERS if SUBJECTS[name].peer else Path(sys.executable)
    reading, writing = os.pipe()
    with (directory / "worker.log").open("wb") as output:
        process = subprocess.Popen(
            [
                *(str(python), "-m", "benchmarks.quality.worker", "--subject", name),
                *("--directory", str(directory), "--channel", str(writing)),
            ],
            cwd=ROOT,
            env={**os.environ, "TZ": "UTC"},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
            start_new_session=True,
            text=True,
        )
    os.close(writing)
    try:
        with os.fdopen(reading) as channel:
            started = Process(name, timeout, process, channel)
            # A password is neither in the arguments nor in the environment.
            started.send(source)
            yield started
    finally:
        end_worker(process, seconds=30)
