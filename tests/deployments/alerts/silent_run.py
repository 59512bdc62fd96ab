"""A run of the flow `upkeep` that is killed while it runs: nobody says how it ended."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from prefect import flow


@flow(name="upkeep", flow_run_name="zombie")
def upkeep() -> None:
    sys.stdout.write(json.dumps({"step": "zombie", "at": time.time()}) + "\n")
    sys.stdout.flush()
    # The heartbeat of the beginning is in the hands of a thread for a moment.
    time.sleep(2)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    upkeep()
