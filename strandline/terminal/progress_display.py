"""Where each load stands, from what its steps announce: drawn on a terminal, else told in lines.

Announcements come from several threads; what is drawn is always one consistent moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from strandline.terminal.number_format import duration
from tasks.run.progress_listeners import STEPS, Progress

Clock = Callable[[], float]
_DONE, _WAITING = ("●", "·")
_NARROW = 70


@dataclass(slots=True)
class _Load:
    begun: float | None = None
    ended: float | None = None
    current: str | None = None
    step_begun: float = 0.0
    done: tuple[str, ...] = ()
    figures: Mapping[str, int | float] = field(default_factory=dict)
    stopped: bool = False


class ProgressDisplay:
    """Hears announcements and draws them: a progress listener and a rich renderable.

    Args:
        contracts: The loads to draw, in this order.
        clock: Seconds, such as `time.monotonic`.
        say: Gets a line per finished step; None where the board is drawn live instead.
        steps: The steps of each, in their order.
    """

    def __init__(
        self,
        contracts: Sequence[str],
        clock: Clock,
        say: Callable[[str], None] | None = None,
        steps: Sequence[str] = STEPS,
    ) -> None:
        self._clock = clock
        self._say = say
        self._steps = tuple(steps)
        self._lock = threading.Lock()
        self._loads = {name: _Load() for name in contracts}
        self._made = clock()
        self._spinner = Spinner("dots", style="cyan")

    def __call__(self, progress: Progress) -> None:
        """Take in one announcement."""
        now = self._clock()
        with self._lock:
            load = self._loads.setdefault(progress.contract, _Load())
            if progress.state == "begun":
                self._begin(load, progress.step, now)
                return
            took = now - load.step_begun
            self._end(load, progress, now)
            if self._say is not None:
                self._say(_line(progress, took))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """A line per load: its steps, what it does, how long it has taken, what it counted."""
        del console
        narrow = options.max_width < _NARROW
        now = self._clock()
        grid = Table.grid(padding=(0, 2))
        for _ in range(4 if narrow else 5):
            grid.add_column(no_wrap=True, overflow="ellipsis")
        with self._lock:
            for name, load in self._loads.items():
                cells = (
                    Text(name, style="bold"),
                    _marks(load, self._steps),
                    self._doing(load, now),
                    _elapsed(load, now),
                    Text(_told(load.figures), style="dim"),
                )
                grid.add_row(*(cells[:1] + cells[2:4] + cells[4:] if narrow else cells))
        yield grid

    def close(self) -> None:
        """Say that nothing goes on any more: what is not done by now was stopped."""
        now = self._clock()
        with self._lock:
            for load in self._loads.values():
                load.stopped = load.ended is None
                load.ended = now if load.ended is None else load.ended

    def _begin(self, load: _Load, step: str, now: float) -> None:
        load.begun = now if load.begun is None else load.begun
        load.current, load.step_begun, load.ended = step, now, None
        # A load that another writer overtook merges anew: its later steps are to be done again.
        steps = self._steps
        place = steps.index(step) if step in steps else len(steps)
        load.done = tuple(name for name in load.done if steps.index(name) < place)

    def _end(self, load: _Load, progress: Progress, now: float) -> None:
        load.current = None
        load.figures = progress.figures or load.figures
        if progress.step in self._steps and progress.step not in load.done:
            load.done = (*load.done, progress.step)
        if progress.step == self._steps[-1]:
            load.ended = now

    def _doing(self, load: _Load, now: float) -> RenderableType:
        if load.stopped:
            return Text(f"stopped at {load.current}" if load.current else "stopped", style="red")
        if load.ended is not None:
            return Text("done", style="green")
        if load.begun is None:
            told = f"starting {duration(now - self._made)}"
        else:
            told = f"{load.current} {duration(now - load.step_begun)}" if load.current else "..."
        line = Table.grid(padding=(0, 1))
        line.add_row(self._spinner, Text(told))
        return line


def _marks(load: _Load, steps: Sequence[str]) -> Text:
    marks = Text()
    for step in steps:
        if step in load.done:
            marks.append(_DONE, style="green")
        elif step == load.current:
            marks.append(_DONE, style="cyan")
        else:
            marks.append(_WAITING, style="dim")
    return marks


def _elapsed(load: _Load, now: float) -> Text:
    if load.begun is None:
        return Text()
    return Text(duration((now if load.ended is None else load.ended) - load.begun))


def _line(progress: Progress, took: float) -> str:
    told = _told(progress.figures)
    return f"{progress.contract}  {progress.step}  {duration(took)}" + (f"  {told}" if told else "")


def _told(figures: Mapping[str, int | float]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in figures.items())
