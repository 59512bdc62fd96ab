"""The stack's server as its clients see it: where it is, who may ask, and whether it is ready."""

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
take it while the server is away."""
_ANSWER_SECONDS = 5.0


def address(port: int) -> str:
    """The server's pages."""
    return f"http://{HOST}:{port}"


def is_ready(port: int) -> bool:
    """Whether a server answers there and reaches its database."""
    try:
        answer = httpx.get(f"{address(port)}/api/ready", timeout=_ANSWER_SECONDS)
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK


def choose_port(asked: int | None, former: int) -> int:
    """The port that is asked for, else the former one, else the first free usual one, else any.

    Raises:
        EnvironmentUnfitError: The port that is asked for is taken.
    """
    if asked is not None:
        if _is_free(asked):
            return asked
        raise EnvironmentUnfitError(
            where=f"port {asked} of {HOST}",
            expected="a free port for the Prefect server",
            found="one that another program uses",
            next_step="Choose another one, or none: a free one is found.",
        )
    for port in chain([former] if former else [], USUAL_PORTS):
        if _is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def login(places: StackPaths) -> str:
    """`user:password` of the server, made when there is none.

    Without one, every program of every user of this machine, and every page in a browser, could
    read the blocks and have the worker run commands.
    """
    if not places.login.exists():
        write_private(places.login, f"strandline:{secrets.token_urlsafe(24)}")
    return places.login.read_text(encoding="utf-8")


def offer(places: StackPaths, port: int) -> None:
    """Write down for shells what a client needs."""
    lines = {
        "PREFECT_API_URL": f"{address(port)}/api",
        "PREFECT_API_AUTH_STRING": login(places),
    }
    text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in lines.items())
    write_private(places.environment, text)


@contextmanager
def as_client(places: StackPaths, port: int) -> Iterator[None]:
    """A context in which Prefect talks to this server."""
    settings = {
        PREFECT_API_URL: f"{address(port)}/api",
        PREFECT_API_AUTH_STRING: login(places),
    }
    with temporary_settings(settings):
        yield


@contextmanager
def local_stack(state_directory: Path) -> Iterator[bool]:
    """A context in which Prefect talks to the local stack, where no other server is configured.

    Yields:
        Whether it is the local stack.
    """
    places = StackPaths.below(state_directory)
    server = StackRecord.read(places.record).members.get("server")
    if PREFECT_API_URL.value() or server is None or server.process() is None:
        yield False
        return
    with as_client(places, StackRecord.read(places.record).port):
        yield True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
