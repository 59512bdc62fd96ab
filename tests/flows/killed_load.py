"""Loads a contract and kills its own process when a step is announced: `STEP begun|done`."""

from __future__ import annotations

import os
import signal
import sys

from flows.load_table import load_table
from tasks.run.progress_listeners import Progress, listening


def main(contract: str, step: str, state: str) -> None:
    def kill(progress: Progress) -> None:
        if (progress.step, progress.state) == (step, state):
            os.kill(os.getpid(), signal.SIGKILL)

    with listening(kill):
        load_table(contract)


if __name__ == "__main__":
    main(*sys.argv[1:])
