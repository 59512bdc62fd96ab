"""The commands that work on the lakehouse, with their arguments.

Their implementations load Spark and Prefect, which takes seconds: a command imports its own when
it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from contracts.errors import UsageError
from strandline.commands.retention.hold_command import Subjects, SubjectsFrom
from strandline.terminal.console_output import (
    AsJson,
    CommandOutput,
    Selected,
    Settings,
    TableName,
)

Chosen = Annotated[
    str,
    Parameter(
        help="Names of contracts or of their target tables, patterns such as 'crm_*', tag:NAME, "
        "source:BLOCK. Several are loaded side by side."
    ),
]
Key = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True,
        help="The business key: the bare value, or a=1,b=2 where several columns make it.",
    ),
]
AsOf = Annotated[
    str | None,
    Parameter(help="Show only what held at this moment, such as 2024-05-01T12:00 (UTC)."),
]
Limit = Annotated[int, Parameter(validator=Number(gte=1), help="The most to show.")]
Verbose = Annotated[bool, Parameter(negative="", help="Show Prefect's own log as well.")]

Since = Annotated[
    str | None,
    Parameter(
        name="--from",
        help="A published state: a batch, a snapshot, or a moment of publishing (UTC). Default: "
        "the one before the batch of --to.",
    ),
]
Until = Annotated[
    str | None,
    Parameter(name="--to", help="The later published state. Default: the newest."),
]
Held = Annotated[
    tuple[str, str] | None,
    Parameter(
        help="Two moments the history tells of: compare what held at the first with what held at "
        "the second."
    ),
]
WithKeys = Annotated[
    bool, Parameter(negative="", help="Name the keys too, as they are kept, up to --limit.")
]
ContractNames = Annotated[str, Parameter(help="Contracts, or their target tables; none for all.")]
DryRun = Annotated[bool, Parameter(negative="", help="Say what would be done, change nothing.")]
Keys = Annotated[
    tuple[str, ...],
    Parameter(
        consume_multiple=True,
        negative="",
        help="These keys, each typed as `strandline history` takes it.",
    ),
]
Where = Annotated[
    str | None,
    Parameter(help="The keys that this SQL condition over the key columns, as stored, holds of."),
]
Moment = Annotated[
    str | None,
    Parameter(
        name="--since",
        help="The keys with an event, a start or an end at or after this point of the history.",
    ),
]
Everything = Annotated[bool, Parameter(name="--all", negative="", help="All keys.")]
Show = Annotated[
    int, Parameter(validator=Number(gte=0), help="Name so many of the versions that differ.")
]
Yes = Annotated[bool, Parameter(negative="", help="Publish without asking.")]

ClosingLimit = Annotated[
    int | None,
    Parameter(
        validator=Number(gte=0),
        help="Accept that a full read closes at most so many keys of each table.",
    ),
]
Full = Annotated[
    bool,
    Parameter(negative="", help="Read the whole source, also where a contract reads what is new."),
]
Repair = Annotated[
    bool, Parameter(negative="", help="Load the source in full where the table differs from it.")
]
ShownKeys = Annotated[
    int, Parameter(validator=Number(gte=0), help="Name so many of the keys that differ.")
]
TableOrRun = Annotated[
    str,
    Parameter(help="A contract or its target table; or a batch, a run's or a flow run's id."),
]
RunName = Annotated[
    str | None,
    Parameter(help="A batch, a run's or a flow run's id. Default: the table's newest batch."),
]
ReportFile = Annotated[
    Path | None,
    Parameter(help="The file to write. Default: in `reports` of the state directory."),
]
OpenPage = Annotated[
    bool, Parameter(name="--open", negative="", help="Open the page in the browser.")
]

AsRole = Annotated[str | None, Parameter(name="--as", help="Show what this role sees.")]
ExampleRows = Annotated[
    int,
    Parameter(
        name="--rows", validator=Number(gte=0), help="Show so many rows as the role sees them."
    ),
]
Grants = Annotated[
    bool, Parameter(negative="", help="Print the grants as SQL, for whoever administers an engine.")
]
ApplyTo = Annotated[
    Literal["views", "lake-formation"] | None,
    Parameter(
        name="--apply",
        help="Make the views of the catalog, or AWS Lake Formation's filters, what the contract "
        "says.",
    ),
]
ApplyRetention = Annotated[
    bool, Parameter(name="--apply", negative="", help="Do it, as the contract says.")
]
RoleName = Annotated[str, Parameter(name="--as", help="The role that may decrypt.")]
Reason = Annotated[str, Parameter(help="Why; the audit log keeps it.")]
Columns = Annotated[
    tuple[str, ...],
    Parameter(
        name="--column",
        consume_multiple=True,
        negative="",
        help="Decrypt these columns; without it, all that the role may.",
    ),
]

SkipMissing = Annotated[
    bool, Parameter(negative="", help="Leave out persons that no row is about.")
]
DropTags = Annotated[
    bool, Parameter(negative="", help="Let older states go too that tags or branches keep.")
]
Lift = Annotated[
    bool, Parameter(negative="", help="The other way: loads may keep rows about them again.")
]
EraseYes = Annotated[bool, Parameter(name="--yes", negative="", help="Erase without asking.")]

_STARTING = "Starting"


def run(
    *contracts: Chosen,
    select: Selected = (),
    full: Full = False,
    closing_limit: ClosingLimit = None,
    settings: Settings = "default",
    verbose: Verbose = False,
    json: AsJson = False,
) -> int:
    """Load what is new in the sources of contracts, or with --full all that is there."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.run_command import load
    return load(
        screen,
        _selected("run", (*contracts, *select)),
        settings=settings,
        verbose=verbose,
        full=full,
        closing_limit=closing_limit,
    )


def _selected(command: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """What was selected, which may not be nothing."""
    if words:
        return words
    raise UsageError(
        where=f"strandline {command}",
        expected="at least one contract, pattern or tag",
        found="none",
        next_step=f"strandline {command} CONTRACT; all of them: strandline {command} '*'",
    )


def verify(
    table: TableName,
    /,
    *,
    repair: Repair = False,
    limit: ShownKeys = 20,
    closing_limit: ClosingLimit = None,
    settings: Settings = "default",
    json: AsJson = False,
) -> int:
    """Compare a whole table with its source as it is now, and repair it if told to."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands import verify_command
    options = verify_command.VerifyOptions(repair=repair, limit=limit, closing_limit=closing_limit)
    return verify_command.verify(screen, table, options, settings=settings)


def history(
    table: TableName,
    key: Key,
    /,
    *,
    as_of: AsOf = None,
    limit: Limit = 50,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Show the versions of one key on a time line."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands import history_status_commands
    history_status_commands.history(screen, table, key, as_of=as_of, limit=limit, settings=settings)


def status(*, settings: Settings = "default", json: AsJson = False) -> None:
    """Show where each table stands."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands import history_status_commands
    history_status_commands.status(screen, settings=settings)


def runs(
    contract: TableName | None = None,
    /,
    *,
    limit: Limit = 20,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Show how the last loads went, newest first."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands import history_status_commands
    history_status_commands.runs(screen, contract, limit=limit, settings=settings)


def diff(
    table: TableName,
    /,
    *,
    since: Since = None,
    until: Until = None,
    held: Held = None,
    keys: WithKeys = False,
    limit: Limit = 20,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Show what differs between two published states, or between two moments."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands import diff_command
    options = diff_command.DiffOptions(since, until, held)
    diff_command.diff(screen, table, options, keys=keys, limit=limit, settings=settings)


def upkeep(
    *contracts: ContractNames,
    select: Selected = (),
    dry_run: DryRun = False,
    settings: Settings = "default",
    verbose: Verbose = False,
    json: AsJson = False,
) -> int:
    """Compact tables, let old snapshots go, remove what loads left over."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.upkeep_command import keep_up
    words = (*contracts, *select)
    return keep_up(screen, words, settings=settings, dry_run=dry_run, verbose=verbose)


def maintain(
    *,
    dry_run: DryRun = False,
    settings: Settings = "default",
    verbose: Verbose = False,
    json: AsJson = False,
) -> int:
    """Keep up the whole lakehouse: tables, ledgers, stages, refused rows; look at keys."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.maintenance.maintain_command import maintain_all
    return maintain_all(screen, settings=settings, dry_run=dry_run, verbose=verbose)


def rebuild(  # noqa: PLR0913 - one option each
    table: TableName,
    /,
    *,
    keys: Keys = (),
    where: Where = None,
    since: Moment = None,
    everything: Everything = False,
    show: Show = 0,
    yes: Yes = False,
    settings: Settings = "default",
    json: AsJson = False,
) -> int:
    """Recompute versions from their events, show what differs, and publish it if told to."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands import rebuild_command
    options = rebuild_command.RebuildOptions(keys, where, since, everything=everything)
    return rebuild_command.rebuild(screen, table, options, show=show, yes=yes, settings=settings)


def report(
    table: TableOrRun,
    /,
    *,
    run: RunName = None,
    limit: Limit = 40,
    output: ReportFile = None,
    open_page: OpenPage = False,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Write how a batch was judged, beside those before it, as one HTML page."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands import report_command
    options = report_command.ReportOptions(run, limit, output, open_page)
    report_command.report(screen, table, options, settings=settings)


def access(
    table: TableName,
    /,
    *,
    role: AsRole = None,
    rows: ExampleRows = 0,
    grants: Grants = False,
    apply: ApplyTo = None,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Show which role sees what of a table, and have catalogs enforce it."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.access import access_command
    options = access_command.AccessOptions(role, rows, grants, apply)
    access_command.access(screen, table, options, settings=settings)


def decrypt(  # noqa: PLR0913 - one option each
    table: TableName,
    key: Key,
    /,
    *,
    role: RoleName,
    reason: Reason,
    as_of: AsOf = None,
    column: Columns = (),
    limit: Limit = 50,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Show the versions of one key, decrypted, to who may; the audit log keeps who and why."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.access import decrypt_command
    options = decrypt_command.DecryptOptions(role, reason, as_of, column, limit)
    decrypt_command.decrypt(screen, table, key, options, settings=settings)


def erase(  # noqa: PLR0913 - one option each
    table: TableName,
    /,
    *,
    reason: Reason,
    subject: Subjects = (),
    subjects_from: SubjectsFrom = None,
    dry_run: DryRun = False,
    skip_missing: SkipMissing = False,
    drop_tags: DropTags = False,
    lift: Lift = False,
    yes: EraseYes = False,
    settings: Settings = "default",
    json: AsJson = False,
) -> int:
    """Erase persons from a table, its older states and what was refused, with a certificate."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.erasure import erase_command
        from tasks.erasure.erasure_certificate import ErasureRequest
    options = erase_command.EraseOptions(subject, subjects_from, lift=lift, yes=yes)
    request = ErasureRequest(
        reason=reason, drop_tags=drop_tags, skip_missing=skip_missing, dry_run=dry_run
    )
    return erase_command.erase(screen, table, options, request, settings=settings)


def retention(
    table: TableName,
    /,
    *,
    apply: ApplyRetention = False,
    dry_run: DryRun = False,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Show which records of a table were kept long enough; anonymise or delete them if told to."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.retention import retention_of_table
    options = retention_of_table.RetentionOptions(apply, dry_run)
    retention_of_table.retention(screen, table, options, settings=settings)
