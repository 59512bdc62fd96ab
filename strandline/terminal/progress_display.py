"""The progress of each load, as its steps announce it: drawn on a terminal, else printed in lines.

Announcements come from several threads; each drawing shows one consistent moment.
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
    """Takes announcements and draws them: a progress listener and a rich renderable.

    Args:
        contracts: The loads to draw, in this order.
        clock: Seconds, such as `time.monotonic`.
        write_line: Gets a line per finished step; None where the display is drawn live instead.
        steps: The steps of each, in their order.
    """

    def __init__(
        self,
        contracts: Sequence[str],
        clock: Clock,
        write_line: Callable[[str], None] | None = None,
        steps: Sequence[str] = STEPS,
    ) -> None:
        self._clock = clock
        self._write_line = write_line
        self._steps = tuple(steps)
        self._lock = threading.Lock()
        self._loads = {name: _Load() for name in contracts}
        self._created = clock()
        self._spinner = Spinner("dots", style="cyan")

    def __call__(self, progress: Progress) -> None:
        """Record one announcement."""
        now = self._clock()
        with self._lock:
            load = self._loads.setdefault(progress.contract, _Load())
            if progress.state == "begun":
                self._begin(load, progress.step, now)
                return
            took = now - load.step_begun
            self._end(load, progress, now)
            if self._write_line is not None:
                self._write_line(_line(progress, took))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """A line per load: its steps, its current step, its duration, its counts."""
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
                    self._status(load, now),
                    _elapsed(load, now),
                    Text(_figures_text(load.figures), style="dim"),
                )
                grid.add_row(*(cells[:1] + cells[2:4] + cells[4:] if narrow else cells))
        yield grid

    def under_way(self) -> list[str]:
        """What has not ended: a line for each step, with its loads, and for how long by now."""
        now = self._clock()
        doing: dict[str, list[tuple[str, float]]] = {}
        with self._lock:
            for name, load in self._loads.items():
                if load.ended is None:
                    since = load.step_begun if load.current else self._created
                    doing.setdefault(_doing(load), []).append((name, since))
        return [
            f"{', '.join(name for name, _ in loads)}  {step} ...  "
            f"{duration(now - min(since for _, since in loads))}"
            for step, loads in doing.items()
        ]

    def close(self) -> None:
        """Mark every load that has not ended as stopped."""
        now = self._clock()
        with self._lock:
            for load in self._loads.values():
                load.stopped = load.ended is None
                load.ended = now if load.ended is None else load.ended

    def _begin(self, load: _Load, step: str, now: float) -> None:
        load.begun = now if load.begun is None else load.begun
        load.current, load.step_begun, load.ended = step, now, None
        # A load that another writer overtook merges again: its later steps are no longer done.
        steps = self._steps
        position = steps.index(step) if step in steps else len(steps)
        load.done = tuple(name for name in load.done if steps.index(name) < position)

    def _end(self, load: _Load, progress: Progress, now: float) -> None:
        load.current = None
        load.figures = progress.figures or load.figures
        if progress.step in self._steps and progress.step not in load.done:
            load.done = (*load.done, progress.step)
        if progress.step == self._steps[-1]:
            load.ended = now

    def _status(self, load: _Load, now: float) -> RenderableType:
        if load.stopped:
            return Text(f"stopped at {load.current}" if load.current else "stopped", style="red")
        if load.ended is not None:
            return Text("done", style="green")
        if load.begun is None:
            text = f"starting {duration(now - self._created)}"
        else:
            text = f"{load.current} {duration(now - load.step_begun)}" if load.current else "..."
        cell = Table.grid(padding=(0, 1))
        cell.add_row(self._spinner, Text(text))
        return cell


def _doing(load: _Load) -> str:
    return load.current or ("starting" if load.begun is None else "between two steps")


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
    figures = _figures_text(progress.figures)
    return f"{progress.contract}  {progress.step}  {duration(took)}" + (
        f"  {figures}" if figures else ""
    )


def _figures_text(figures: Mapping[str, int | float]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in figures.items())
