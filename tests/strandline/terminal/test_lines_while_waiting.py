from __future__ import annotations

import time

from strandline.terminal.lines_while_waiting import lines_while_waiting
from strandline.terminal.progress_display import ProgressDisplay
from tasks.run.progress_listeners import Progress


def test_nothing_is_written_of_what_is_over_soon_and_a_line_time_and_again_of_the_rest():
    soon, late = [], []
    with lines_while_waiting(soon.append, lambda: ["quick"], first=60):
        pass
    with lines_while_waiting(late.append, lambda: ["slow"], first=0.01, then=0.01):
        while len(late) < 3:
            time.sleep(0.01)

    assert soon == []
    assert {*late} == {"slow"}


def test_a_log_is_told_what_each_load_is_at_and_for_how_long():
    now = [0.0]
    display = ProgressDisplay(["a", "b", "c"], lambda: now[0], lambda _: None, ("extract", "merge"))
    display(Progress("a", "extract", "begun"))
    now[0] = 65.0
    assert display.under_way() == ["a  extract ...  1 min 05 s", "b, c  starting ...  1 min 05 s"]

    display(Progress("a", "extract", "ended", {}))
    display(Progress("a", "merge", "begun"))
    display(Progress("a", "merge", "ended", {}))
    assert display.under_way() == ["b, c  starting ...  1 min 05 s"]
