from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

pytestmark = pytest.mark.nightly

EXPECTED = """
the database runs | read it | read it | closed | 0
it is stopped | no answer | - | closed | 1
 | - | no answer | closed | 2
 | no answer | - | closed | 3
 | - | no answer | closed | 4
 | no answer, opened it | - | open | 5
while the circuit is open | left it alone | left it alone | open | 5
60 s later, both at the same time | left it alone | no answer, opened it | open | 6
A begins to try it and is killed | was killed while it tried | - | half open | 6
while its lease lasts | - | left it alone | half open | 6
the database runs, the lease is over | - | read it | closed | 0
afterwards | read it | read it | closed | 0
stopped again: each fails 20 times, at the same time | no answer | no answer | closed | 40
"""


@pytest.mark.parametrize("option", ["", "--on-server"])
def test_two_processes_share_a_circuit_as_the_documentation_shows(prefect_server, option):
    shown = subprocess.run(
        [sys.executable, "-m", "tools.show_circuit_breaker", *option.split()],
        cwd=Path(__file__).parents[2],
        env={
            **os.environ,
            "PREFECT_API_URL": PREFECT_API_URL.value(),
            "PREFECT_LOGGING_LEVEL": "ERROR",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [
        " | ".join(re.split(r" {2,}", line.rstrip())).lstrip()
        for line in shown.stdout.splitlines()[1:]
    ]

    assert lines == [line.strip() for line in EXPECTED.strip().splitlines()]
