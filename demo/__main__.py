"""`python -m demo`: load a year of real flights into governed history, from nothing.

`python -m demo source` only makes the source database and its blocks, for loads by other means,
such as a deployment; `python -m demo later` brings it from the middle of the year to its end.
`python -m demo ddl` prints the statements that make the source tables of the specification in a
PostgreSQL of yours, `python -m demo ddl mariadb` those for MariaDB and MySQL.
"""

from __future__ import annotations

import sys
from pathlib import Path

from strandline.command_line import quiet_libraries
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.error_panel import error_panel


def main(part: str = "all", dialect: str = "postgresql") -> int:
    """Run the demo, or a part of it, below `.strandline`; an error is shown in one panel.

    The dialect is that of what the part `ddl` prints.
    """
    quiet_libraries(verbose=False)
    # Only after `quiet_libraries` has set the environment that they read.
    from contracts.errors import StrandlineError, UsageError  # noqa: PLC0415
    from demo.demo_steps import advance_source, make_source, run_demo  # noqa: PLC0415
    from demo.source_migrations import ddl_script  # noqa: PLC0415

    parts = {"all": run_demo, "source": make_source, "later": advance_source}
    try:
        if part == "ddl":
            sys.stdout.write(ddl_script(dialect))
            return 0
        if part not in parts:
            raise UsageError(
                where="python -m demo",
                expected=f"one of {', '.join(parts)}, ddl, or nothing",
                found="another word",
                next_step="python -m demo",
            )
        return parts[part](Path(".strandline"))
    except StrandlineError as error:
        screen = CommandOutput.of()
        screen.err.print(error_panel(error, width=screen.err.width))
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
