from __future__ import annotations

import threading

import pytest

from strandline.terminal.progress_display import ProgressDisplay
from tasks.run.progress_listeners import STEPS, Progress, announce, listening
from tests.strandline.examples import text_of


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_board_shows_what_is_done_what_goes_on_and_for_how_long():
    clock = Clock()
    board = ProgressDisplay(["aircraft"], clock)
    board(Progress("aircraft", "extract", "begun"))
    clock.now += 2
    board(Progress("aircraft", "extract", "done", {"rows": 12_345}))
    board(Progress("aircraft", "protect", "begun"))
    clock.now += 3.5

    line = text_of(board)

    assert "aircraft" in line
    assert "●●·····" in line
    assert "protect 3.5 s" in line
    assert "5.5 s" in line
    assert "rows 12,345" in line


def test_a_load_that_has_not_begun_is_starting():
    assert "starting" in text_of(ProgressDisplay(["aircraft"], Clock()))


def test_a_load_with_all_steps_done_no_longer_counts_seconds():
    clock = Clock()
    board = ProgressDisplay(["aircraft"], clock)
    for step in STEPS:
        board(Progress("aircraft", step, "begun"))
        clock.now += 1
        board(Progress("aircraft", step, "done"))
    clock.now += 1000

    line = text_of(board)

    assert "●●●●●●●" in line
    assert "done" in line
    assert "7.0 s" in line


def test_merging_anew_undoes_the_steps_after_it():
    board = ProgressDisplay(["aircraft"], Clock())
    for step in ("extract", "protect", "validate", "merge", "audit"):
        board(Progress("aircraft", step, "begun"))
        board(Progress("aircraft", step, "done"))
    board(Progress("aircraft", "publish", "begun"))
    board(Progress("aircraft", "merge", "begun"))

    assert "●●●●···" in text_of(board)


def test_a_closed_board_says_where_a_load_was_stopped():
    board = ProgressDisplay(["aircraft", "airports"], Clock())
    board(Progress("aircraft", "validate", "begun"))
    board.close()

    assert "stopped at validate" in text_of(board)
    assert text_of(board).count("stopped") == 2


@pytest.mark.parametrize("width", [30, 50, 69, 70, 120])
def test_a_board_is_never_wider_than_the_terminal(width: int):
    board = ProgressDisplay(["aircraft"], Clock())
    board(Progress("aircraft", "protect", "begun"))
    board(Progress("aircraft", "protect", "done", {"rows read": 1_000_000, "refused": 3}))

    assert max(len(line.rstrip()) for line in text_of(board, width=width).splitlines()) <= width


def test_without_a_terminal_each_finished_step_is_a_line():
    clock = Clock()
    lines = []
    board = ProgressDisplay(["aircraft"], clock, lines.append)
    board(Progress("aircraft", "extract", "begun"))
    clock.now += 1.25
    board(Progress("aircraft", "extract", "done", {"rows": 5}))
    board(Progress("aircraft", "protect", "begun"))

    assert lines == ["aircraft  extract  1.2 s  rows 5"]


def test_announcements_from_many_threads_are_all_told():
    lines = []
    names = [f"table_{number}" for number in range(8)]
    board = ProgressDisplay(names, Clock(), lines.append)

    def load(name: str) -> None:
        for step in STEPS:
            announce(name, step, "begun")
            text_of(board)
            announce(name, step, "done")

    with listening(board):
        threads = [threading.Thread(target=load, args=[name]) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(lines) == len(names) * len(STEPS)
    assert text_of(board).count("●●●●●●●") == len(names)
