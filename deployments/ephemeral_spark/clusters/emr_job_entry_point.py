"""The entry point of an EMR Serverless job run: executes the flow run whose id is its argument.

The file is copied to a bucket as it is, and imports only what every packed environment has.
`prefect flow-run execute` fetches the flow's code, watches for cancellation, and reports how the
flow ended; it finds the session's JVM, which spark-submit has started, by its environment.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    os.execv(  # noqa: S606 - in place of this process, which spark-submit waits for
        sys.executable, [sys.executable, "-m", "prefect", "flow-run", "execute", sys.argv[1]]
    )
