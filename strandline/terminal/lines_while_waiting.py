"""Lines for those who wait where nothing can be drawn: a log, a pipe, a job of CI.

Promise: nothing is written of what is over within seconds; of all else, a line at least twice a
minute.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

__all__ = ["lines_while_waiting"]

FIRST_SECONDS, NEXT_SECONDS = 10.0, 30.0


@contextmanager
def lines_while_waiting(
    write_line: Callable[[str], None],
    lines: Callable[[], Sequence[str]],
    *,
    first: float = FIRST_SECONDS,
    then: float = NEXT_SECONDS,
) -> Iterator[None]:
    """Write what is being done, time and again, until the body ends.

    Args:
        write_line: Gets each line.
        lines: What is being done at the moment.
        first: After how many seconds for the first time.
        then: After how many further seconds again.
    """
    over = threading.Event()

    def write() -> None:
        seconds = first
        while not over.wait(seconds):
            for line in lines():
                write_line(line)
            seconds = then

    thread = threading.Thread(target=write, name="lines while waiting", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
