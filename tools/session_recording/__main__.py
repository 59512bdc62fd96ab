"""`python -m tools.session_recording`: run the commands of docs/session.svg, and draw it anew.

It works on the lakehouse that `make demo` left, and shows what the commands wrote: of it only the
path of the checkout is left out.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from rich.text import Text

from tools.session_recording.animated_terminal import Screen, animated_terminal
from tools.session_recording.run_in_terminal import CommandFailedError, run_in_terminal

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "session.svg"
COLUMNS, ROWS = 108, 40
_LARGEST = 300_000
_MOST_LINES = 24

COMMANDS = (
    "strandline status",
    "strandline history aircraft N14228 --limit 8",
    "strandline lineage aircraft --key N14228 --limit 4",
    "strandline lineage new_source_table new_source_column3",
    "strandline quarantine aircraft --limit 3",
    "strandline plan aircraft",
    "strandline report aircraft",
)


def main() -> int:
    """Record the commands; the exit code."""
    try:
        screens = [_recorded(command) for command in COMMANDS]
    except CommandFailedError as error:
        sys.stderr.write(f"{error}; did make demo run before?\n")
        return 70
    drawn = animated_terminal("A session with Strandline", screens, columns=COLUMNS)
    if len(drawn.encode()) > _LARGEST:
        sys.stderr.write(f"{DOCUMENT} would have {len(drawn.encode()):,} bytes\n")
        return 70
    DOCUMENT.write_text(drawn, encoding="utf-8")
    print(DOCUMENT)
    return 0


def _recorded(command: str) -> Screen:
    program, *arguments = shlex.split(command)
    lines = run_in_terminal(
        [str(Path(sys.executable).with_name(program)), *arguments],
        columns=COLUMNS,
        rows=ROWS,
        folder=ROOT,
        hidden={f"{ROOT}/": ""},
    )
    if len(lines) > _MOST_LINES:
        left_out = len(lines) - _MOST_LINES
        lines = [*lines[:_MOST_LINES], Text(f"... {left_out} lines more", "dim")]
    print(f"{command}: {len(lines)} lines")
    return Screen(command, lines)


if __name__ == "__main__":
    sys.exit(main())
