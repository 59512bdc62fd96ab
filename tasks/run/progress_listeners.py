"""How a run announces its progress to listeners: the command line, a log, a test.

Listeners get plain values and never a row. A listener that raises stops the run, on purpose: a
test uses that, and a broken display should be noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

STEPS = ("extract", "protect", "validate", "merge", "audit", "publish", "record")
"""The steps of one load, in their order."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One announcement: `step` of the load of `contract` has `begun` or is `done`.

    `figures` are counts worth showing (rows read, versions opened).
    """

    contract: str
    step: str
    state: str
    figures: Mapping[str, int | float] = field(default_factory=dict)


Listener = Callable[[Progress], None]
_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call the listener for all announcements in this process meanwhile, from any thread."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def announce(
    contract: str, step: str, state: str, figures: Mapping[str, int | float] | None = None
) -> None:
    """Call every listener."""
    progress = Progress(contract, step, state, figures or {})
    for listener in tuple(_listeners):
        listener(progress)
