"""The two builds: the directory of their code, and a process of each that stays warm."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.end_worker import end_worker, kill_worker

__all__ = ["BuildFailedError", "BuildName", "Builds", "Process", "running"]

BuildName = Literal["tree", "base", "peers"]
_WORKER = Path(__file__).with_name("worker.py")
_TAIL = 40


class BuildFailedError(RuntimeError):
    """A build failed at a command; the end of its log is in the message."""


@dataclass(slots=True)
class Process:
    """A build at work: one command at a time.

    Attributes:
        name: `tree` is the working tree (or a commit in its place), `base` its baseline, `peers`
            other tools in an environment of their own.
        root: The directory of its lakehouse, its keys and its logs.
        says_kind: Whether its contracts may have the kind of their source.
    """

    name: BuildName
    root: Path
    timeout: float
    process: subprocess.Popen[str]
    channel: io.TextIOBase
    says_kind: bool = field(default=False, init=False)

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """Send the worker a command, and return its answer.

        Raises:
            BuildFailedError: It failed, took longer than the timeout, or the process has ended.
        """
        watch = threading.Timer(self.timeout, kill_worker, (self.process,))
        watch.start()
        try:
            if self.process.stdin is not None:
                self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
                self.process.stdin.flush()
            line = self.channel.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watch.cancel()
        if not line:
            end_worker(self.process, seconds=60)  # it has yet to log the reason
        answer: dict[str, Any] = json.loads(line) if line else {"failed": "the process has ended"}
        if "failed" in answer:
            log = _log(self.root).read_text(encoding="utf-8", errors="replace").splitlines()
            tail = "\n".join(log[-_TAIL:])
            message = f"{self.name}, {do}: {answer['failed']}\n{tail}"
            raise BuildFailedError(message)
        return answer


@dataclass(frozen=True, slots=True)
class Builds:
    """Both builds; only one of them works at a time."""

    tree: Process
    base: Process

    def in_turn(self, number: int) -> tuple[Process, Process]:
        """Both, and the other one first in the next round: the second finds caches filled."""
        return (self.tree, self.base) if number % 2 else (self.base, self.tree)


@contextmanager
def running(
    name: BuildName,
    code: Path,
    root: Path,
    *,
    timeout: float,
    worker: Path = _WORKER,
    python: Path = Path(sys.executable),
) -> Iterator[Process]:
    """A process whose packages are those in `code`; it and what it started end with the block.

    Args:
        name: Which build.
        code: The directory of its packages.
        root: A new directory for all its files.
        timeout: Seconds that one command may take.
        worker: The script that answers the commands.
        python: Runs it.
    """
    root.mkdir(parents=True)
    reading, writing = os.pipe()
    arguments = ["--build", str(code), "--root", str(root), "--channel", str(writing)]
    with _log(root).open("wb") as output:
        process = subprocess.Popen(
            # -P: nothing is imported from the worker's own directory.
            [str(python), "-P", str(worker), *arguments],
            cwd=code,
            env=_environment(code, root),
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
            yield Process(name, root, timeout, process, channel)
    finally:
        end_worker(process, seconds=60)


def _environment(code: Path, root: Path) -> dict[str, str]:
    """The user's, without Prefect's and Strandline's variables; packages come from `code` first."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("PREFECT_", "STRANDLINE_"))
    }
    return {
        **kept,
        "PREFECT_HOME": str(root / "prefect"),
        "PYTHONPATH": str(code),
        "PYTHONUNBUFFERED": "1",
        "TZ": "UTC",
    }


def _log(root: Path) -> Path:
    return root / "worker.log"
