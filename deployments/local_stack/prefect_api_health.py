"""The stack's server for its clients: its address, its login, and whether it is ready."""

from __future__ import annotations

import secrets
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import httpx
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from blocks.operating_system.owner_only_file import write_private
from contracts.errors import EnvironmentUnfitError
from deployments.local_stack.stack_paths import StackPaths
from deployments.local_stack.stack_process_main import HOST
from deployments.local_stack.stack_processes import StackRecord

__all__ = ["address", "as_client", "choose_port", "is_ready", "local_stack", "login", "offer"]

USUAL_PORTS = range(4200, 4300)
"""Prefect's own and those after it: none that a system gives to outgoing connections, which might
take it while the server is down."""
_ANSWER_SECONDS = 5.0


def address(port: int) -> str:
    """The address of the server's pages."""
    return f"http://{HOST}:{port}"


def is_ready(port: int) -> bool:
    """Whether a server answers on the port and reaches its database."""
    try:
        answer = httpx.get(f"{address(port)}/api/ready", timeout=_ANSWER_SECONDS)
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK


def choose_port(requested: int | None, previous: int) -> int:
    """The requested port, else the previous one, else the first free usual one, else any.

    Raises:
        EnvironmentUnfitError: The requested port is taken.
    """
    if requested is not None:
        if _is_free(requested):
            return requested
        raise EnvironmentUnfitError(
            where=f"port {requested} of {HOST}",
            expected="a free port for the Prefect server",
            found="one that another program uses",
            next_step="Choose another one, or none: a free one is found.",
        )
    for port in chain([previous] if previous else [], USUAL_PORTS):
        if _is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def login(paths: StackPaths) -> str:
    """`user:password` of the server, made when it has none.

    Without a login, every program of every user of this machine, and every page in a browser, could
    read the blocks and have the worker run commands.
    """
    if not paths.login.exists():
        write_private(paths.login, f"strandline:{secrets.token_urlsafe(24)}")
    return paths.login.read_text(encoding="utf-8")


def offer(paths: StackPaths, port: int) -> None:
    """Write a file by which shells get the settings of a client."""
    lines = {
        "PREFECT_API_URL": f"{address(port)}/api",
        "PREFECT_API_AUTH_STRING": login(paths),
    }
    text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in lines.items())
    write_private(paths.environment, text)


@contextmanager
def as_client(paths: StackPaths, port: int) -> Iterator[None]:
    """A context in which Prefect talks to this server."""
    settings = {
        PREFECT_API_URL: f"{address(port)}/api",
        PREFECT_API_AUTH_STRING: login(paths),
    }
    with temporary_settings(settings):
        yield


@contextmanager
def local_stack(state_directory: Path) -> Iterator[bool]:
    """A context in which Prefect talks to the local stack, where no other server is configured.

    Yields:
        Whether it is the local stack.
    """
    paths = StackPaths.below(state_directory)
    server = StackRecord.read(paths.record).members.get("server")
    if PREFECT_API_URL.value() or server is None or server.process() is None:
        yield False
        return
    with as_client(paths, StackRecord.read(paths.record).port):
        yield True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
