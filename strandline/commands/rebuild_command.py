"""`strandline rebuild`: recompute versions from their events, show what differs, and publish it.

Promise: without a yes nothing is published, and the branch is dropped. The table is locked from
start to end, so what was shown is what is published; where a writer on another machine commits
first, the rebuild is planned, shown and confirmed anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from rich.text import Text

from blocks.lookup import block_lookup
from contracts.errors import NotFoundError, UsageError
from contracts.model import Contract
from history import Batch
from history.reading.published_snapshots import changed_rows, published_states
from history.reading.version_diff import difference
from history.restatement.rebuild_from_events import RebuildReport, RebuildResult, publish_rebuild
from history.restatement.rebuild_scope import RebuildScope
from strandline.commands.diff_command import Difference, OnBranch, difference_page, read_difference
from strandline.commands.plan_until_published import until_published
from strandline.queries.open_lakehouse import Lakehouse, contract_of, open_lakehouse
from strandline.queries.parse_key_argument import example, instant_of, key_values
from strandline.terminal.ask_user import NOT_AGREED, agreed
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import many
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.lifecycle.table_lock import table_lock
from tasks.rebuild import drafted, publish, rebuild_batch
from tasks.run.spark_error_mapping import map_spark_errors

PUBLISHED, UNCHANGED, DROPPED = "published", "unchanged", "dropped"

_LABELS = {
    "appeared": "appear: they were missing",
    "closed": "were open and are closed",
    "changed": "change: another end, opened again, or a value",
    "vanished": "vanish: the events do not imply them",
}


@dataclass(frozen=True, slots=True)
class RebuildOptions:
    """The keys to rebuild, given by exactly one of these."""

    keys: tuple[str, ...] = ()
    where: str | None = None
    since: str | None = None
    everything: bool = False


@dataclass(frozen=True, slots=True)
class RebuildAnswer:
    """How a rebuild ended. `state` is 'published', 'unchanged' or 'dropped' (not confirmed)."""

    contract: str
    table: str
    state: str
    report: RebuildReport
    difference: Difference | None = None


def rebuild(
    screen: CommandOutput,
    table: str,
    options: RebuildOptions,
    *,
    show: int,
    yes: bool,
    settings: str,
) -> int:
    """Rebuild the requested keys; the exit code is 0, or 65 where a difference was dropped."""
    _check(options)
    run_settings = block_lookup.settings(settings)
    contract = contract_of(table, run_settings)
    batch = rebuild_batch(contract, run_settings, now=datetime.now(UTC))
    with table_lock(run_settings.state_directory, batch.table, run_id=batch.id):
        with screen.waiting("Opening the lakehouse"):
            lake = open_lakehouse(run_settings, shared=False)
            with map_spark_errors(contract.name, "rebuild"):
                lake.versions(contract)
                contract = lake.as_loaded(contract)
                batch = replace(batch, settings=history_settings(contract))
                scope = _scope(lake, contract, options)
        request = _Request(batch, scope, show, yes=yes)
        answer = until_published(screen, lambda: _attempt(screen, lake, contract, request))
    return _print_answer(screen, answer)


@dataclass(frozen=True, slots=True)
class _Request:
    batch: Batch
    scope: RebuildScope
    show: int
    yes: bool


def _attempt(
    screen: CommandOutput, lake: Lakehouse, contract: Contract, request: _Request
) -> RebuildAnswer:
    batch = request.batch
    with drafted(lake.spark, contract, lake.settings, batch, request.scope) as rebuilt:
        report = rebuilt.report
        if not report.instants:
            raise NotFoundError(
                where=batch.table,
                expected="a key that the table knows",
                found="none",
                next_step=f"strandline history {contract.name} {example(contract)}",
            )
        if not report.published:
            with map_spark_errors(contract.name, "rebuild"):
                publish_rebuild(lake.spark, batch, rebuilt)
            return RebuildAnswer(contract.name, batch.table, UNCHANGED, report)
        with map_spark_errors(contract.name, "rebuild"):
            result = _difference(lake, contract, rebuilt, show=request.show)
        page = difference_page(
            result, _LABELS, width=screen.out.width, options=("--show N", "a greater --show")
        )
        if not screen.as_json:
            screen.answer(None, *page, *_other_changes(report))
        if not request.yes and not agreed(screen, "Publish this?"):
            return RebuildAnswer(contract.name, batch.table, DROPPED, report, result)
        publish(lake.spark, contract, lake.settings, batch, rebuilt)
        return RebuildAnswer(contract.name, batch.table, PUBLISHED, report, result)


def _check(options: RebuildOptions) -> None:
    selected = (
        bool(options.keys),
        options.where is not None,
        options.since is not None,
        options.everything,
    )
    if sum(selected) != 1:
        raise UsageError(
            where="strandline rebuild",
            expected="one of --keys, --where, --since and --all",
            found="none of them" if not any(selected) else "several of them",
            next_step="strandline rebuild --help",
        )


def _scope(lake: Lakehouse, contract: Contract, options: RebuildOptions) -> RebuildScope:
    versions = lake.versions(contract)
    if options.keys:
        keys = [key_values(text, contract) for text in options.keys]
        return RebuildScope(keys=lake.stored_keys(contract, versions, keys))
    if options.where is not None:
        return RebuildScope(keys=_condition(versions, options.where, contract))
    if options.since is not None:
        return RebuildScope(
            since=instant_of(options.since, history_settings(contract).sequence, contract)
        )
    return RebuildScope()


def _condition(versions: DataFrame, text: str, contract: Contract) -> Column:
    # Below a plain select Spark would also resolve the columns that it leaves out.
    keys = versions.sparkSession.createDataFrame(
        [], T.StructType([versions.schema[name] for name in contract.key])
    )
    try:
        condition = F.expr(text)
        # Spark Connect resolves nothing before its result is needed.
        _ = keys.where(condition).schema
    except PySparkException:
        # Spark's own message would repeat the condition, and with it perhaps a key.
        raise UsageError(
            where="--where",
            expected=f"a SQL condition over {', '.join(contract.key)} alone",
            found="something that Spark does not take for one",
            next_step="Correct it and run the command again.",
        ) from None
    return condition


def _difference(
    lake: Lakehouse, contract: Contract, rebuilt: RebuildResult, *, show: int
) -> Difference:
    table, report = lake.target(contract), rebuilt.report
    now, head = published_states(lake.spark, table)[-1], report.snapshot_id or 0
    frames = changed_rows(lake.spark, table, now.snapshot_id, head)
    differing = difference(*frames, history_settings(contract))
    counts, versions = read_difference(differing, contract, keys=show > 0, limit=show)
    ends = (now, OnBranch(head, report.batch_id))
    return Difference(contract.name, table, ends, counts, versions)


def _other_changes(report: RebuildReport) -> list[Text]:
    """Changes that a difference of versions does not show."""
    parts = []
    if report.surplus:
        parts.append(f"{many(report.surplus, 'row')} stored more than once")
    if report.kept:
        parts.append(f"{many(report.kept, 'change')} of the kept events")
    parts += [f"{many(rows, 'event')} refused ({name})" for name, rows in report.refused.items()]
    return [Text(f"besides: {', '.join(parts)}")] if parts else []


def _print_answer(screen: CommandOutput, answer: RebuildAnswer) -> int:
    report = answer.report
    counts = f"{many(report.instants, 'event')}, {many(report.versions, 'version')}"
    messages = {
        UNCHANGED: f"unchanged: {counts}, all as the events imply",
        PUBLISHED: f"published as {report.batch_id}: {counts}",
        DROPPED: "not published, and dropped; --yes publishes without asking",
    }
    next_steps = {
        UNCHANGED: (),
        PUBLISHED: (f"strandline diff {answer.contract} --keys",),
        DROPPED: (),
    }
    lines = [Text(messages[answer.state], "bold")]
    lines += [Text.assemble(("next: ", "dim"), (each, "bold")) for each in next_steps[answer.state]]
    screen.answer(answer, *lines)
    return NOT_AGREED if answer.state == DROPPED else 0
