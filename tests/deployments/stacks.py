"""A local stack of a test's own: in a temporary directory, on a free port, with its own project."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client

from blocks.embedded_postgres.postgres_process import postmaster
from deployments.local_stack.prefect_api_health import as_client
from deployments.local_stack.stack_paths import StackPaths
from deployments.local_stack.stack_processes import StackRecord, marked
from strandline.command_line import main

FLOW = """\
import os, subprocess, sys, time
from pathlib import Path
from prefect import flow

@flow
def wait(seconds: float = 0.0, note: str = ""):
    if note:
        child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])
        Path(note).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(seconds)
"""
PROJECT = {
    "pull": [{"prefect.deployments.steps.set_working_directory": {"directory": "{{ $PWD }}"}}],
    "definitions": {"work_pools": {"local": {"type": "process", "concurrency_limit": 2}}},
    "deployments": [
        {"name": "one", "entrypoint": "flow.py:wait", "work_pool": {"name": "local"}},
        {"name": "two", "entrypoint": "flow.py:wait", "work_pool": {"name": "local"}},
    ],
}


def project(folder: Path, content: dict[str, Any] = PROJECT) -> Path:
    """A project of one flow, and its prefect.yaml."""
    folder.mkdir(exist_ok=True)
    (folder / "flow.py").write_text(FLOW)
    file = folder / "prefect.yaml"
    file.write_text(json.dumps(content))  # JSON is YAML
    return file


@dataclass(frozen=True)
class Stack:
    """A local stack: its project file, its state directory, and commands for it."""

    file: Path
    state: Path

    @property
    def paths(self) -> StackPaths:
        return StackPaths.below(self.state)

    @property
    def record(self) -> StackRecord:
        return StackRecord.read(self.paths.record)

    def type(self, command: str) -> int:
        """Run a command as typed, with the project's file where the command takes one."""
        file = () if command == "down" else ("--file", str(self.file))
        return main([command, *file, "--state", str(self.state), "--json"])

    def process(self, member: str) -> psutil.Process:
        process = self.record.members[member].process()
        assert process is not None
        return process

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        with (
            as_client(self.paths, self.record.port),
            get_client(sync_client=True) as client,
        ):
            yield client

    @property
    def leftovers(self) -> list[str]:
        """Processes and files that remain though the stack is down."""
        running = [" ".join(each.cmdline()) for each in marked(self.paths)]
        postgres = postmaster(self.paths.postgres / "data")
        files = [each for each in (self.paths.record, self.paths.environment) if each.exists()]
        return [*running, *([f"postgres {postgres.pid}"] if postgres else []), *map(str, files)]


def eventually(check: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What `check` returns, once it is true."""
    deadline = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)
    return value
