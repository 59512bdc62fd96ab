"""The processes of a stack: recorded with their identities, and marked in their environment.

Promise: a number that was given to another program meanwhile is never taken for a process of the
stack. What a member started is found even when the member itself, or the record, is gone: each
process inherits the mark.
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
    """What is written down of a stack.

    Attributes:
        port: The server's TCP port; 0 before there is one.
        members: Its processes by name, in the order in which they were started.
    """

    port: int
    members: Mapping[str, Member]

    @classmethod
    def read(cls, path: Path) -> StackRecord:
        """The record; an empty one where nothing is written down, or by another release."""
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
        """Write it down, replacing what was."""
        members = [
            {"name": each.name, "identity": str(each.identity)} for each in self.members.values()
        ]
        write_private(path, json.dumps({"port": self.port, "members": members}, indent=2))

    def with_member(self, member: Member) -> StackRecord:
        """The record with a member more, or in the place of one of its name."""
        return StackRecord(self.port, {**self.members, member.name: member})


def launch(
    places: StackPaths,
    name: str,
    arguments: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
) -> Member:
    """Start a member that outlives this process and its terminal.

    Args:
        places: The stack's.
        name: The member's name; its log is called after it.
        arguments: Those of `deployments.local_stack.stack_process_main`.
        directory: Where it runs.
        environment: All of its environment; the mark is added.
    """
    with open(places.log(name), "ab", opener=_private) as log:
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "deployments.local_stack.stack_process_main", *arguments],
            cwd=directory,
            env={**environment, MARK: str(places.root)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Member(name, ProcessIdentity.of(process.pid))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def marked(places: StackPaths) -> list[psutil.Process]:
    """Every process of this stack that runs, whoever started it."""
    found = []
    for process in psutil.process_iter():
        try:
            of_stack = process.environ().get(MARK) == str(places.root)
            if of_stack and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # ended, or another user's
            continue
    return found


def end(processes: Iterable[psutil.Process], *, patience: float) -> list[psutil.Process]:
    """End the processes; those that had to be killed after `patience` seconds are returned."""
    asked = list(processes)
    for process in asked:
        _tell(process, kill=False)
    _, late = psutil.wait_procs(asked, timeout=patience)
    for process in late:
        _tell(process, kill=True)
    psutil.wait_procs(late, timeout=_KILLED_SECONDS)
    return late


def _tell(process: psutil.Process, *, kill: bool) -> None:
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:  # it went first
        return
