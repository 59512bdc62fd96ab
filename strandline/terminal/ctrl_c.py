"""Ctrl-C: noticed inside any library, and obeyed within seconds.

Spark and Prefect turn an interruption into errors of their own, or wait for something that it
ended too. The next run clears away what this one has begun, so a hard end does no harm.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from enum import Enum, auto
from types import TracebackType
from typing import Self

import psutil

EXIT_CODE = 130  # 128 + SIGINT, as shells have it
PATIENCE_SECONDS = 20.0
_QUIET_SECONDS = 1.0

_entered: list[Interruption] = []


def end_on_interrupt() -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed and its effect was caught as an error."""
    if any(each.happened for each in _entered):
        raise KeyboardInterrupt


def end_now() -> None:
    """End this process and those that it started, without waiting for anything."""
    for child in psutil.Process().children(recursive=True):
        try:
            child.terminate()
        except psutil.NoSuchProcess:  # it ended by itself
            continue
    os._exit(EXIT_CODE)


class _Outcome(Enum):
    """What ends a wait: Ctrl-C, the end of the context, or a timeout."""

    PRESSED = auto()
    CLOSED = auto()
    TIMEOUT = auto()


class Interruption:
    """A context that notes whether Ctrl-C was pressed; any error is then KeyboardInterrupt.

    After the first Ctrl-C it waits for an orderly end, at most `patience` seconds or until the
    second. It must be entered in the main thread.

    Args:
        notify: Called when the end takes longer than a second.
        give_up: Called when the patience is over.
        patience: In seconds.
    """

    def __init__(
        self,
        notify: Callable[[], None],
        *,
        give_up: Callable[[], None] = end_now,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._notify = notify
        self._give_up = give_up
        self._patience = patience
        self._pressed = threading.Event()
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._previous = -1
        self._thread = threading.Thread(target=self._watch, name="interruption", daemon=True)

    @property
    def happened(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._pressed.is_set()

    def __enter__(self) -> Self:
        # Python writes each signal here before any handler runs, and Spark replaces handlers.
        self._previous = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        _entered.append(self)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _entered.remove(self)
        signal.set_wakeup_fd(self._previous)
        self._writer.close()
        self._thread.join(_QUIET_SECONDS)
        if self.happened and kind is not None:
            raise KeyboardInterrupt from None

    def _watch(self) -> None:
        with self._reader:
            if self._wait(None) is not _Outcome.PRESSED:
                return
            self._pressed.set()
            outcome = self._wait(_QUIET_SECONDS)
            if outcome is _Outcome.TIMEOUT:
                self._notify()
                outcome = self._wait(self._patience)
            if outcome is not _Outcome.CLOSED:
                self._give_up()

    def _wait(self, seconds: float | None) -> _Outcome:
        self._reader.settimeout(seconds)
        try:
            while number := self._reader.recv(1):
                if number[0] == signal.SIGINT:
                    return _Outcome.PRESSED
        except TimeoutError:
            return _Outcome.TIMEOUT
        return _Outcome.CLOSED
