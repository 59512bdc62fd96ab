"""Holds places of a source, in a process of its own, until it is told to give them back.

`DIRECTORY NAME LIMIT WANTED LEASE`: says `holds N` with the slices that it may read side by side of
those wanted, and `gave back` after a line on its input. `LEASE` is how long a lease is, in seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

from blocks.coordination import connection_places
from blocks.coordination.file_documents import FileDocuments
from blocks.source_database import SourceDatabase
from tasks.resilience import connection_limit
from tasks.resilience.connection_limit import places_of_read

CONNECTION = "crowded_db"


def main(directory: str, name: str, limit: str, wanted: str, lease: str) -> None:
    connection_places.LEASE_SECONDS = connection_limit.LEASE_SECONDS = float(lease)
    source = SourceDatabase(user="a", max_connections=int(limit), connection_wait_seconds=600)
    with places_of_read(
        CONNECTION, source, FileDocuments(Path(directory)), where=name, seconds=None
    ) as widened:
        sys.stdout.write(f"holds {widened(int(wanted))}\n")
        sys.stdout.flush()
        sys.stdin.readline()
    sys.stdout.write("gave back\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
