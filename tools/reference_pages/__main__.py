"""Write the generated pages of docs/reference, or say whether they are current.

python -m tools.reference_pages [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.reference_pages.block_types import blocks_page
from tools.reference_pages.commands import commands_page
from tools.reference_pages.error_tree import errors_page
from tools.reference_pages.events_and_metrics import events_page
from tools.reference_pages.written_tables import tables_page

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "blocks.md": blocks_page,
    "commands.md": commands_page,
    "errors.md": errors_page,
    "events.md": events_page,
    "tables.md": tables_page,
}
"""The pages, and what writes each."""


def stale() -> list[str]:
    """The pages that are not what the code says."""
    return [
        name
        for name, page in PAGES.items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != page()
    ]


def main() -> int:
    """Write the pages, or with `--check` name those that are not current; the exit code."""
    if "--check" in sys.argv:
        print(*stale(), sep="\n")
        return int(bool(stale()))
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
