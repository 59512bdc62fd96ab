"""Running a command in a terminal of a given size, and what it wrote there."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.text import Text

_CHUNK = 65_536


class CommandFailedError(RuntimeError):
    """The command of a recording did not end well."""


def run_in_terminal(
    command: Sequence[str], *, columns: int, rows: int, folder: Path, hidden: Mapping[str, str]
) -> list[Text]:
    """The lines that the command wrote to its standard output, with their colours.

    Args:
        command: The program and its arguments.
        columns: The terminal's width in characters.
        rows: Its height in lines.
        folder: Where the command runs.
        hidden: Texts, such as the path of a checkout, and what is shown in their place.

    Raises:
        CommandFailedError: It ended with another code than 0.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    environment |= {"COLUMNS": str(columns), "LINES": str(rows)}
    environment.pop("NO_COLOR", None)
    try:
        process = subprocess.Popen(  # noqa: S603 - commands of our own
            [*command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=subprocess.DEVNULL,
        )
    finally:
        os.close(slave)
    written = _read_all(master)
    if process.wait():
        message = f"{' '.join(command)} ended with {process.returncode}"
        raise CommandFailedError(message)
    for text, shown in hidden.items():
        written = written.replace(text, shown)
    return [Text.from_ansi(line, no_wrap=True) for line in written.rstrip().split("\n")]


def _read_all(master: int) -> str:
    found = bytearray()
    try:
        while chunk := os.read(master, _CHUNK):
            found += chunk
    except OSError as error:
        # Linux says so when the last process has closed its end.
        if error.errno != errno.EIO:
            raise
    finally:
        os.close(master)
    return found.decode("utf-8", errors="replace").replace("\r\n", "\n")
