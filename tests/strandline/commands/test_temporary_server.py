from __future__ import annotations

import os
import subprocess
import sys

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


def test_a_server_of_this_process_starts_beside_what_else_is_needed(tmp_path):
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PREFECT_")}
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALONE],
        env={**kept, "PREFECT_HOME": str(tmp_path), "PREFECT_LOGGING_LEVEL": "ERROR"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert told.stdout.split() == ["None", "True"]


def test_a_server_that_is_configured_is_told_that_a_run_lives(prefect_server):
    @flow
    def beating():
        return get_current_settings().flows.heartbeat_frequency

    with (
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 60}),
        temporary_server(meanwhile=lambda: pytest.fail("nothing starts meanwhile")),
    ):
        assert beating() == 60
