"""One run at a time on a table, among the runs that share a state directory.

Promise: the lock ends with the process that holds it, however that ends. Runs that share no
directory are isolated by the table's own commits: the slower one plans again.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import EnvironmentUnfitError, TableBusyError


@contextmanager
def table_lock(state_directory: Path, target: str, *, run_id: str) -> Iterator[None]:
    """Lock the table while the body runs.

    Raises:
        TableBusyError: Another run holds it.
        EnvironmentUnfitError: The state directory can't be written.
    """
    path = state_directory / "locks" / f"{target}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise EnvironmentUnfitError(
            where=str(state_directory),
            expected="a state directory that can be written",
            found=error.strerror or type(error).__name__,
            next_step="Correct `state_directory` of the run settings, or its permissions.",
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(target, path) from None
        file.truncate(0)
        json.dump({"run_id": run_id, "pid": os.getpid(), "host": socket.gethostname()}, file)
        file.flush()
        yield


def _busy(target: str, path: Path) -> TableBusyError:
    text = path.read_text(encoding="utf-8")
    holder = json.loads(text) if text else {}
    return TableBusyError(
        where=target,
        expected="no other run on this table",
        found=f"run {holder.get('run_id', 'unknown')}, process {holder.get('pid', 'unknown')}",
        next_step="Wait for it to end, then run again. Nothing was changed.",
    )
