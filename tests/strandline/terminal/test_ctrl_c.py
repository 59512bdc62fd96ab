from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from strandline.terminal import ctrl_c
from strandline.terminal.ctrl_c import Interruption, end_on_interrupt


class Watched:
    """Counts what an interruption says and whether it gave up."""

    def __init__(self, patience: float = 60.0):
        self.said = 0
        self.gave_up = threading.Event()
        self.interruption = Interruption(self.say, give_up=self.gave_up.set, patience=patience)

    def say(self) -> None:
        self.said += 1


def press() -> None:
    """Ctrl-C, in a library that makes nothing of it."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def wait_until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_without_ctrl_c_nothing_happens():
    watched = Watched()
    with watched.interruption:
        end_on_interrupt()

    assert not watched.interruption.happened
    assert watched.said == 0
    assert not watched.gave_up.is_set()


def test_without_ctrl_c_an_error_stays_what_it_is():
    with pytest.raises(ValueError, match="mine"), Watched().interruption:
        raise ValueError("mine")


def test_ctrl_c_itself_passes():
    watched = Watched()
    with pytest.raises(KeyboardInterrupt), watched.interruption:
        signal.raise_signal(signal.SIGINT)

    assert watched.interruption.happened
    assert watched.said == 0


def test_what_a_library_makes_of_ctrl_c_is_ctrl_c_again():
    def work():
        watched = Watched()
        with watched.interruption:
            press()
            wait_until(lambda: watched.interruption.happened)
            raise ValueError("a library's own")

    with pytest.raises(KeyboardInterrupt):
        work()


def test_a_library_that_goes_on_is_stopped_at_the_next_chance():
    def work():
        watched = Watched()
        with watched.interruption:
            press()
            wait_until(lambda: watched.interruption.happened)
            end_on_interrupt()

    with pytest.raises(KeyboardInterrupt):
        work()


def test_work_that_was_done_all_the_same_counts():
    watched = Watched()
    with watched.interruption:
        press()
        wait_until(lambda: watched.interruption.happened)

    end_on_interrupt()
    assert not watched.gave_up.is_set()


def test_when_the_patience_is_over_it_gives_up(monkeypatch):
    monkeypatch.setattr(ctrl_c, "_QUIET_SECONDS", 0.05)
    watched = Watched(patience=0.05)
    with watched.interruption:
        press()
        assert watched.gave_up.wait(10)

    assert watched.said == 1


def test_a_second_ctrl_c_is_obeyed_at_once():
    watched = Watched()
    with watched.interruption:
        press()
        wait_until(lambda: watched.interruption.happened)
        press()
        assert watched.gave_up.wait(10)


def test_other_signals_are_none_of_its_business():
    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    watched = Watched()
    try:
        with watched.interruption:
            signal.raise_signal(signal.SIGUSR1)
            time.sleep(0.1)
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert not watched.interruption.happened


def test_ending_now_ends_what_was_started_too_and_says_130():
    program = """
import subprocess, sys
from strandline.terminal.ctrl_c import end_now
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
end_now()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 130
    child = int(ended.stdout)
    wait_until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie")
