"""Verifies a log in a process of its own, and says how much memory Python had, in MiB."""

from __future__ import annotations

import json
import resource
import sys
import time

from blocks.lookup import block_lookup
from tasks.auditing.verify_audit_log import verify_audit_log


def main() -> None:
    settings = block_lookup.settings("default")
    spark = settings.spark.session(settings.lakehouse)
    begin = time.monotonic()
    verification = verify_audit_log(spark, settings)
    told = {
        "records": verification.records,
        "findings": [each.words for each in verification.findings],
        "seconds": round(time.monotonic() - begin, 1),
        "python_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }
    sys.stdout.write(f"VERIFIED {json.dumps(told)}\n")


if __name__ == "__main__":
    main()
