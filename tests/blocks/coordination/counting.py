"""A process that counts in a shared document: `counting.py DIRECTORY|server TIMES`."""

from __future__ import annotations

import sys
from pathlib import Path

from blocks.coordination.shared_documents import shared_documents


def counted(document, _now):
    count = (document or {}).get("count", 0) + 1
    return {"count": count}, count


if __name__ == "__main__":
    place, times = sys.argv[1:]
    documents = shared_documents(Path(place), on_server=place == "server")
    print(*(documents.change("counter", counted) for _ in range(int(times))))  # noqa: T201
