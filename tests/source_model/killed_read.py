"""Loads the lots and kills its own process when a step is done: `EVERYTHING STEP`."""

from __future__ import annotations

import os
import signal
import sys

from flows.load_table import load_table
from tasks.run.progress_listeners import Progress, listening


def main(everything: str, step: str) -> None:
    def kill(progress: Progress) -> None:
        if (progress.step, progress.state) == (step, "done"):
            os.kill(os.getpid(), signal.SIGKILL)

    with listening(kill):
        load_table("lots", full=everything == "True")


if __name__ == "__main__":
    main(*sys.argv[1:])
