"""The command `strandline`: its commands and their exit codes.

Promise: an error ends in one panel and its own exit code, an interruption in one line and 130. What
was not expected shows where it happened and of which type it is, and never its text, which may
quote a cell. Help loads neither Spark nor Prefect.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError, UnknownCommandError

from contracts.errors import StrandlineError, UsageError
from contracts.project.project_settings import block_file, find_setting, is_left_by_demo
from contracts.yaml_reading.problem_report import did_you_mean
from strandline.commands import command_definitions, server_definitions
from strandline.help_examples import add_example
from strandline.option_defaults import fill_options, without_project
from strandline.terminal import ctrl_c
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.ctrl_c import Interruption
from strandline.terminal.error_panel import error_data, error_panel

_QUIET = {
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # The default of 20 s is short for a machine that also starts Spark, and is busy otherwise.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "240",
}

_HELP = frozenset({"--help", "-h"})

_LAKE = (
    "run", "verify", "history", "diff", "status", "runs", "report", "upkeep",
    "maintain", "rebuild", "access", "decrypt", "erase", "retention",
)  # fmt: skip
_SERVER = ("up", "deploy", "down")
_FIRST = ("init", "config", "debug", "plan")
_COMMANDS = (
    *_FIRST, *_LAKE, "quarantine", "lineage", "undo", "release", "source", "hold", "audit", "keys",
    "backup", "restore", "import", *_SERVER,
    "alerts", "contracts", "docs",
)  # fmt: skip


_BLOCKS = frozenset({*_COMMANDS} - {*_FIRST, *_SERVER, "alerts", "contracts", "docs"})
"""Commands that take the blocks of a file."""


app = App(
    name="strandline",
    help="Governed history of operational tables in an Apache Iceberg lakehouse.\n\n"
    "--project FOLDER, before or after a command, works in the project of that folder; without it, "
    "in the nearest one from here upwards. `strandline config` shows all settings.",
    config=fill_options,
    version=lambda: version("strandline"),
    help_format="plaintext",
    print_error=False,
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)
for _name, _help in {
    "init": "Make a project: find a database's tables, write their contracts, load them.",
    "config": "Show every setting, its value, and what says so.",
    "debug": "Try each connection and right that runs need, without Spark.",
    "plan": "Show what a run would do, before it does.",
}.items():
    app.command(
        f"strandline.commands.{_name}.{_name}_command:{_name}",
        name=_name,
        help=_help,
        sort_key=_FIRST.index(_name) - len(_FIRST),
    )
for _position, _name in enumerate((*_LAKE, *_SERVER)):
    _module = server_definitions if _name in _SERVER else command_definitions
    app.command(getattr(_module, _name), name=_name, sort_key=_position)
app.command(
    "strandline.commands.quarantine.quarantine_command:app",
    name="quarantine",
    help="Show the rows that were refused, and decide about them.",
    sort_key=_LAKE.index("runs"),
)
app.command(
    "strandline.commands.lineage.lineage_command:app",
    name="lineage",
    help="Show where a table's columns come from, and one version's way back.",
    sort_key=_LAKE.index("runs"),
)
app.command(
    "strandline.commands.undo.undo_command:app",
    name="undo",
    help="Take a batch back: the history as if it had never been loaded.",
    sort_key=_LAKE.index("rebuild"),
)
app.command(
    "strandline.commands.release.release_command:app",
    name="release",
    help="A new contract beside the published table: compare, shift readers, promote, roll back.",
    sort_key=_LAKE.index("rebuild"),
)
app.command(
    "strandline.commands.retention.hold_command:app",
    name="hold",
    help="Persons under legal hold, whose data nothing erases or anonymises.",
    sort_key=_LAKE.index("rebuild"),
)
app.command(
    "strandline.commands.sources.source_command:app",
    name="source",
    help="Show whether sources are read or left alone; close a circuit.",
    sort_key=_LAKE.index("runs"),
)
app.command(
    "strandline.commands.audit.audit_command:app",
    name="audit",
    help="Show, verify and export the audit log.",
    sort_key=_LAKE.index("rebuild"),
)
app.command(
    "strandline.commands.keys.keys_command:app",
    name="keys",
    help="Show the keys that protect the tables, rotate, rewrap and destroy them.",
    sort_key=len(_LAKE),
)
app.command(
    "strandline.commands.backup.backup_command:app",
    name="backup",
    help="Back up catalog and key ring, list and verify backups.",
    sort_key=len(_LAKE),
)
app.command(
    "strandline.commands.backup.backup_command:restore",
    name="restore",
    help="Bring back what was lost of catalog, table metadata and key ring.",
    sort_key=len(_LAKE),
)
app.command(
    "strandline.commands.imports.import_command:app",
    name="import",
    help="Take over a history that dbt, SQLMesh or dlt kept.",
    sort_key=_LAKE.index("rebuild"),
)
app.command(
    "strandline.commands.alerts_command:app",
    name="alerts",
    help="Apply, list and prove alerts.",
    sort_key=_COMMANDS.index("alerts"),
)
app.command(
    "strandline.commands.contracts.contracts_command:app",
    name="contracts",
    help="Write contracts from tables, check, list and show them.",
    sort_key=len(_COMMANDS),
)
app.command(
    "strandline.commands.docs.docs_command:docs",
    name="docs",
    help="Write all contracts as pages to browse and search, which need no server.",
    sort_key=len(_COMMANDS),
)


app.register_install_completion_command(
    help="Have the shell complete commands and options: bash, zsh or fish, by its startup file.",
    sort_key=len(_COMMANDS) + 1,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is returned.

    Args:
        arguments: What was typed after `strandline`; default: the process's own arguments.
    """
    typed = list(sys.argv[1:] if arguments is None else arguments)
    quiet_libraries(verbose="--verbose" in typed)
    notify = CommandOutput.of().err.print
    try:
        with Interruption(lambda: notify("stopping ... (Ctrl-C again: at once)")):
            typed = without_project(typed)
            if _HELP & {*typed}:
                add_example(app, typed)
            elif _BLOCKS & {*typed[:1]} and is_left_by_demo() and "--json" not in typed:
                notify(f"taking the demo's blocks, {block_file().value}: there is no blocks.yaml")
            code = app(typed)
    except CycloptsError as error:
        return _report(_usage_error(error), typed)
    except StrandlineError as error:
        return _report(error, typed)
    except KeyboardInterrupt:
        notify("stopped; readers see nothing that is half done")
        return ctrl_c.EXIT_CODE
    except Exception as error:  # noqa: BLE001 - its text must not be printed
        return _report(_unexpected(error, typed), typed)
    return code if isinstance(code, int) else 0


def quiet_libraries(*, verbose: bool) -> None:
    """Keep Prefect's own log off the terminal; a configured server still gets it.

    Prefect reads the environment when it is first imported. Variables that the user has set stay.
    """
    for name, text in _QUIET.items():
        os.environ.setdefault(name, text)
    if not verbose:
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")


def _unexpected(error: Exception, typed: Sequence[str]) -> StrandlineError:
    # Loads Prefect, which no command needs that fails for a reason of its own.
    from tasks.run.unexpected_errors import unexpected_error  # noqa: PLC0415

    command = next((each for each in typed if not each.startswith("-")), "")
    return unexpected_error(error, f"strandline {command}".strip(), find_setting("state").path)


def _usage_error(error: CycloptsError) -> UsageError:
    command = " ".join(("strandline", *(error.command_chain or ())))
    return UsageError(
        where=command,
        expected="a command as its help describes it",
        found=_usage_message(error),
        next_step=f"{command} --help",
    )


def _usage_message(error: CycloptsError) -> str:
    if isinstance(error, UnknownCommandError) and error.unused_tokens and not error.command_chain:
        # The library's own wording would import every command to look for similar names.
        name = error.unused_tokens[0]
        return f"no command {name}; {did_you_mean(name, _COMMANDS)}"
    return str(error).strip()


def _report(error: StrandlineError, typed: Sequence[str]) -> int:
    screen = CommandOutput.of(as_json="--json" in typed)
    if screen.as_json:
        screen.answer({"error": error_data(error)})
    screen.err.print(error_panel(error, width=screen.err.width))
    return error.exit_code
