"""A run of the flow `upkeep` that is killed while it runs: no process reports its end."""

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
    # A thread needs a moment to send the first heartbeat.
    time.sleep(2)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    upkeep()
