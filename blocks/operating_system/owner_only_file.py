"""Files that only their owner may read, changed by one process at a time.

Promise: a reader of such a file sees the whole of one write, never half of it, and at no moment
can others read it.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["append_private", "locked", "write_private"]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold `path` as a lock against other threads and processes of this machine.

    The file stays: removing it would let two processes lock two different files of one name. The
    lock ends with the process, however that ends.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_private(path: Path, text: str) -> None:
    """Replace `path` by a file of mode 0600 with this text, at once and durably."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    written = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:  # mkstemp made it 0600
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)


def append_private(path: Path, text: str) -> None:
    """Append this text in one write, to a file that is made with mode 0600 when it is missing."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "ab", buffering=0) as file:
        file.write(text.encode())
