"""A process that is ended when the one that started it has ended, however that ends.

A process of its own waits for that: its standard input ends when the process that holds the other
end of the pipe does, also by SIGKILL.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from blocks.operating_system.process_identity import ProcessIdentity

__all__ = ["end_with_this_process"]

_TO_STOP_SECONDS = 10.0


def end_with_this_process(pid: int) -> subprocess.Popen[bytes]:
    """Have the process of this number ended after this one; returns who waits for that.

    Raises:
        psutil.NoSuchProcess: It has ended already.
    """
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(  # noqa: S603 - our own arguments
        [sys.executable, "-c", _PROGRAM, root, str(ProcessIdentity.of(pid))],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Ctrl-C reaches every process of the terminal, and this one has to outlive its parent.
        start_new_session=True,
    )


# The package may lie beside the flows and not be installed: it is imported from this one's root.
_PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from blocks.operating_system.end_with_process import main
main(sys.argv[2])
"""


def main(identity: str) -> None:
    """Wait for the end of standard input, then end the process of this identity."""
    sys.stdin.buffer.read()
    process = ProcessIdentity.read(identity).process()
    if process is None:
        return
    try:
        process.terminate()
        process.wait(_TO_STOP_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
    except psutil.NoSuchProcess:  # it ended by itself meanwhile
        return
