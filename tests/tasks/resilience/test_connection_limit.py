"""Processes that read one source share its connections, and keep theirs while they live."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blocks.coordination.connection_places import LEASE_SECONDS
from tasks.resilience.connection_limit import connections_document
from tests.night import AT_NIGHT
from tests.tasks.resilience.holding_places import CONNECTION

ROOT = Path(__file__).parents[3]
LEASE = LEASE_SECONDS if AT_NIGHT else 3.0
"""By day only the time of a lease is shorter."""
SOON = 60.0


class Holder:
    """A process that wants places."""

    def __init__(self, directory: Path, name: str, *, limit: int, wanted: int = 1) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.tasks.resilience.holding_places"),
                *(str(directory), name, str(limit), str(wanted), str(LEASE)),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def said(self, seconds: float) -> str:
        """Its next line; empty if it says nothing for so long."""
        line = self.process.stdout
        if not select.select([line], [], [], seconds)[0]:
            return ""
        return line.readline().strip()

    def give_back(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.said(SOON) == "gave back"
        assert self.process.wait(SOON) == 0


@pytest.fixture
def hold(tmp_path):
    """Starts processes that want places."""
    started = []

    def start(name: str, **how: int) -> Holder:
        started.append(Holder(tmp_path, name, **how))
        return started[-1]

    yield start
    for holder in started:
        holder.process.kill()
        holder.process.communicate()


def held(directory: Path) -> dict[str, tuple[int, float]]:
    """Who holds how many places, and for how long yet."""
    path = directory / f"{connections_document(CONNECTION)}.json"
    return {
        holder.split()[0]: (places, until - time.time())
        for holder, (places, until) in json.loads(path.read_text()).items()
    }


def places(directory: Path) -> dict[str, int]:
    return {holder: count for holder, (count, _) in held(directory).items()}


def test_two_processes_share_what_there_is_and_a_third_waits_for_what_they_give_back(
    hold, tmp_path
):
    first = hold("first", limit=5)
    assert first.said(SOON) == "holds 1"
    second = hold("second", limit=5, wanted=9)
    assert second.said(SOON) == "holds 2"
    shared = places(tmp_path)
    third = hold("third", limit=5, wanted=9)
    assert third.said(3) == ""
    first.give_back()
    assert third.said(SOON) == "holds 1"

    assert shared == {"first": 2, "second": 3}
    assert places(tmp_path) == {"second": 3, "third": 2}
    second.give_back()
    third.give_back()
    assert places(tmp_path) == {}


@pytest.mark.timeout(600)
def test_a_lease_is_renewed_while_its_holder_lives_and_ends_when_it_is_killed(hold, tmp_path):
    holder = hold("holder", limit=3)
    assert holder.said(SOON) == "holds 1"
    begun = time.monotonic()
    waiting = hold("waiting", limit=3)
    # Far beyond the first lease, and the second.
    assert waiting.said(2.5 * LEASE) == ""
    assert time.monotonic() - begun > 2 * LEASE
    ((kept, left),) = held(tmp_path).values()
    holder.process.kill()
    killed = time.monotonic()
    assert waiting.said(SOON + LEASE) == "holds 1"

    assert kept == 2
    assert LEASE / 2 < left <= LEASE
    # What is left of the lease of who was killed is waited for.
    assert time.monotonic() - killed > LEASE / 3
    assert places(tmp_path) == {"waiting": 2}
