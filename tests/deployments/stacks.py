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
    """Where a stack lies, and what is asked of it."""

    file: Path
    state: Path

    @property
    def places(self) -> StackPaths:
        return StackPaths.below(self.state)

    @property
    def record(self) -> StackRecord:
        return StackRecord.read(self.places.record)

    def type(self, command: str) -> int:
        """What a person types, with the project's file where the command takes one."""
        file = () if command == "down" else ("--file", str(self.file))
        return main([command, *file, "--state", str(self.state), "--json"])

    def process(self, member: str) -> psutil.Process:
        found = self.record.members[member].process()
        assert found is not None
        return found

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        with (
            as_client(self.places, self.record.port),
            get_client(sync_client=True) as client,
        ):
            yield client

    @property
    def leftovers(self) -> list[str]:
        """What runs, listens or is offered though the stack is down."""
        running = [" ".join(each.cmdline()) for each in marked(self.places)]
        postgres = postmaster(self.places.postgres / "data")
        files = [each for each in (self.places.record, self.places.environment) if each.exists()]
        return [*running, *([f"postgres {postgres.pid}"] if postgres else []), *map(str, files)]


def eventually(found: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What `found` returns, once it is true."""
    patience = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < patience, f"not within {seconds} s"
        time.sleep(0.1)
    return value
