"""Loads a contract and kills its own process when a step is announced: `STEP begun|done`.

`STEP within` kills it a second after the step began.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from flows.load_table import load_table
from tasks.run.progress_listeners import Progress, listening


def main(contract: str, step: str, state: str) -> None:
    def kill(progress: Progress) -> None:
        if (progress.step, progress.state) == (step, state):
            os.kill(os.getpid(), signal.SIGKILL)
        if (progress.step, progress.state, state) == (step, "begun", "within"):
            threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGKILL)).start()

    with listening(kill):
        load_table(contract)


if __name__ == "__main__":
    main(*sys.argv[1:])
