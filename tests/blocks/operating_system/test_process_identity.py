from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from blocks.operating_system import process_identity
from blocks.operating_system.process_identity import ProcessIdentity


def test_a_process_is_found_by_what_was_written_down_until_it_ends():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    written = str(ProcessIdentity.of(child.pid))

    assert ProcessIdentity.read(written).process() == psutil.Process(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert not ProcessIdentity.read(written).runs()
    child.wait()
    assert not ProcessIdentity.read(written).runs()


def test_a_later_process_of_the_same_number_is_another_also_after_a_restart():
    this = ProcessIdentity.of(os.getpid())

    assert this.runs()
    assert not replace(this, started=this.started - 60).runs()
    assert not replace(this, boot="another").runs()


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_clock_that_is_set_makes_nobody_another(monkeypatch, step):
    this = ProcessIdentity.of(os.getpid())
    started, boot = psutil.Process.create_time, psutil.boot_time
    # Both follow the clock.
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: started(self) + step)
    monkeypatch.setattr(psutil, "boot_time", lambda: boot() + step)

    assert this.runs()


def test_where_boots_have_no_names_the_start_alone_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(process_identity, "_BOOT", tmp_path / "none")
    this = ProcessIdentity.read(str(ProcessIdentity.of(os.getpid())))

    assert this.boot == ""
    assert this.runs()


@pytest.mark.parametrize("text", ["", "12", "12-1.5", "twelve-1.5-x", "12-soon-x"])
def test_what_is_no_identity_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - each part says it in its own words
        ProcessIdentity.read(text)
