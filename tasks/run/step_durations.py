"""How long each step of a load takes, as the steps themselves announce it."""

from __future__ import annotations

import time

from tasks.run.progress_listeners import Progress


class StepDurations:
    """A listener that adds up the seconds of each step of one contract; a step may run again."""

    def __init__(self, contract: str) -> None:
        self._contract = contract
        self._begun: dict[str, float] = {}
        self._seconds: dict[str, float] = {}

    def __call__(self, progress: Progress) -> None:
        """Handle an announcement."""
        if progress.contract != self._contract:
            return
        if progress.state == "begun":
            self._begun[progress.step] = time.monotonic()
        elif progress.step in self._begun:
            took = time.monotonic() - self._begun.pop(progress.step)
            self._seconds[progress.step] = self._seconds.get(progress.step, 0.0) + took

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by step, of those that are done."""
        return dict(self._seconds)
