from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from prefect import flow
from prefect.settings import (
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    get_current_settings,
    temporary_settings,
)

from strandline.commands.temporary_prefect_server import temporary_server

ALONE = """
import threading
from prefect import flow
from prefect.settings import get_current_settings
from strandline.commands.temporary_prefect_server import temporary_server

@flow
def beating():
    return get_current_settings().flows.heartbeat_frequency

def meanwhile():
    others.extend(each.name for each in threading.enumerate() if "ThreadPool" in each.name)

others = []
with temporary_server(meanwhile=meanwhile):
    print(beating(), bool(others))
"""


KILLED = """
import os, signal
from strandline.commands import temporary_prefect_server
from strandline.commands.temporary_prefect_server import temporary_server

started = temporary_prefect_server.end_with_this_process

def killed(pid):
    # The worst moment: the server has begun to start, and nobody knows of it but who ends it.
    started(pid)
    print(pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

temporary_prefect_server.end_with_this_process = killed
with temporary_server():
    pass
"""

SLOW = """
import psutil
from contracts.errors import EnvironmentUnfitError
from strandline.commands.temporary_prefect_server import temporary_server

try:
    with temporary_server():
        pass
except EnvironmentUnfitError as error:
    servers = [each for each in psutil.Process().children() if "uvicorn" in each.cmdline()]
    print(error.expected, len(servers), error.next_step, sep="|")
"""


def alone(program, folder, **environment):
    """What a program prints in a process of its own, without a server."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PREFECT_")}
    quiet = {
        "PREFECT_HOME": str(folder),
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    }
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**kept, **quiet, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout.strip()


def test_the_server_of_a_run_that_is_killed_ends_with_it(tmp_path):
    code, told = alone(KILLED, tmp_path)

    assert code == -signal.SIGKILL
    gone = time.monotonic() + 60
    while psutil.pid_exists(int(told)) and time.monotonic() < gone:
        time.sleep(0.1)
    assert not psutil.pid_exists(int(told))


def test_a_server_that_does_not_answer_in_time_is_ended_and_the_error_says_what_helps(tmp_path):
    _, told = alone(SLOW, tmp_path, PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="1")

    expected, servers, next_step = told.split("|")
    assert expected == "a server that answers within 1 s"
    assert servers == "0"
    assert "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=900" in next_step


def test_a_server_of_this_process_starts_beside_what_else_is_needed(tmp_path):
    code, told = alone(ALONE, tmp_path)

    assert code == 0
    assert told.split() == ["None", "True"]


def test_a_server_that_is_configured_is_told_that_a_run_lives(prefect_server):
    @flow
    def beating():
        return get_current_settings().flows.heartbeat_frequency

    with (
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 60}),
        temporary_server(meanwhile=lambda: pytest.fail("nothing starts meanwhile")),
    ):
        assert beating() == 60
