"""The processes of a stack: recorded with their identities, and marked in their environment.

Promise: a process number that another program got meanwhile is never mistaken for a process of the
stack. A process that a member started is found even when the member itself has ended or the record
is missing: each process inherits the mark.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from blocks.operating_system.owner_only_file import write_private
from blocks.operating_system.process_identity import ProcessIdentity
from deployments.local_stack.stack_paths import StackPaths

__all__ = ["MARK", "Member", "StackRecord", "end", "launch", "marked"]

MARK = "STRANDLINE_STACK"
"""The variable that every process of a stack has; its value is the stack's directory."""

_KILLED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Member:
    """A process that the stack started."""

    name: str
    identity: ProcessIdentity

    def process(self) -> psutil.Process | None:
        """The process, if it still runs."""
        return self.identity.process()


@dataclass(frozen=True, slots=True)
class StackRecord:
    """The record of a stack on disk.

    Attributes:
        port: The server's TCP port; 0 before there is one.
        members: Its processes by name, in the order in which they were started.
    """

    port: int
    members: Mapping[str, Member]

    @classmethod
    def read(cls, path: Path) -> StackRecord:
        """The record; an empty one where there is none, or one of another release."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            members = {
                each["name"]: Member(each["name"], ProcessIdentity.read(each["identity"]))
                for each in content["members"]
            }
        except (FileNotFoundError, KeyError):
            return cls(0, {})
        return cls(content["port"], members)

    def write(self, path: Path) -> None:
        """Write the record, replacing the previous one."""
        members = [
            {"name": each.name, "identity": str(each.identity)} for each in self.members.values()
        ]
        write_private(path, json.dumps({"port": self.port, "members": members}, indent=2))

    def with_member(self, member: Member) -> StackRecord:
        """The record with the member added, or replacing one of its name."""
        return StackRecord(self.port, {**self.members, member.name: member})


def launch(
    paths: StackPaths,
    name: str,
    arguments: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
) -> Member:
    """Start a member that outlives this process and its terminal.

    Args:
        paths: The stack's paths.
        name: The member's name; its log is called after it.
        arguments: The arguments of `deployments.local_stack.stack_process_main`.
        directory: Where it runs.
        environment: Its whole environment; the mark is added.
    """
    with open(paths.log(name), "ab", opener=_private) as log:
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "deployments.local_stack.stack_process_main", *arguments],
            cwd=directory,
            env={**environment, MARK: str(paths.root)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Member(name, ProcessIdentity.of(process.pid))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def marked(paths: StackPaths) -> list[psutil.Process]:
    """Every running process of this stack, whichever process started it."""
    processes = []
    for process in psutil.process_iter():
        try:
            of_stack = process.environ().get(MARK) == str(paths.root)
            if of_stack and process.status() != psutil.STATUS_ZOMBIE:
                processes.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # ended, or another user's
            continue
    return processes


def end(processes: Iterable[psutil.Process], *, timeout: float) -> list[psutil.Process]:
    """End the processes; returns those that had to be killed after `timeout` seconds."""
    running = list(processes)
    for process in running:
        _signal(process, kill=False)
    _, killed = psutil.wait_procs(running, timeout=timeout)
    for process in killed:
        _signal(process, kill=True)
    psutil.wait_procs(killed, timeout=_KILLED_SECONDS)
    return killed


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:  # it has already ended
        return
