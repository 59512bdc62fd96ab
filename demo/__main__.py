"""`python -m demo`: a year of real flights becomes governed history, from nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from strandline.command_line import quiet_libraries
from strandline.error_panel import error_panel
from strandline.screen import Screen


def main() -> int:
    """Run the demo below `.strandline`; an error is told in one panel."""
    quiet_libraries(verbose=False)
    from contracts.errors import StrandlineError  # noqa: PLC0415
    from demo.story import told  # noqa: PLC0415 - after the libraries were told to be quiet

    try:
        return told(Path(".strandline"))
    except StrandlineError as error:
        screen = Screen.of()
        screen.err.print(error_panel(error, width=screen.err.width))
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
