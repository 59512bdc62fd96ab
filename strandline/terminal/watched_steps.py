"""The progress of steps shown while they run: drawn on a terminal, else printed in lines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.live import Live

from strandline.terminal.console_output import CommandOutput
from strandline.terminal.lines_while_waiting import lines_while_waiting
from strandline.terminal.progress_display import ProgressDisplay
from tasks.run.progress_listeners import STEPS, listening


@contextmanager
def watched_steps(
    screen: CommandOutput,
    contracts: Sequence[str],
    steps: Sequence[str] = STEPS,
    *,
    quiet: bool = False,
) -> Iterator[None]:
    """Show the announcements of the steps meanwhile.

    Args:
        screen: Where to: standard error.
        contracts: Whose steps.
        steps: In their order; without them those of a load.
        quiet: In lines, also on a terminal: Prefect's own log goes there, and nothing is drawn
            over it.
    """
    if not screen.err.is_terminal or quiet:
        printed = ProgressDisplay(contracts, time.monotonic, screen.log, steps)
        with listening(printed), lines_while_waiting(screen.log, printed.under_way):
            yield
        return
    display = ProgressDisplay(contracts, time.monotonic, steps=steps)
    live = Live(display, console=screen.err, refresh_per_second=8, redirect_stdout=False)
    with live, listening(display):
        try:
            yield
        finally:
            display.close()
