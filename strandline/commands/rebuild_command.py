"""`strandline rebuild`: recompute versions from their events, show what differs, and publish it.

Promise: without a yes nothing is published, and what was written aside is dropped. The table is
held from the first look to the last, so what was shown is what is published; where a writer on
another machine comes first, it is planned, shown and asked anew.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from rich.text import Text

from blocks.lookup import block_lookup
from contracts.errors import CommitConflictError, NotFoundError, UsageError
from contracts.model import Contract
from history import Batch
from history.reading.published_snapshots import changed_rows, published_states
from history.reading.version_diff import difference
from history.restatement.rebuild_from_events import RebuildReport, RebuildResult, publish_rebuild
from history.restatement.rebuild_scope import RebuildScope
from strandline.commands.diff_command import Difference, OnBranch, difference_page, read_difference
from strandline.queries.open_lakehouse import Lakehouse, contract_of, open_lakehouse
from strandline.queries.parse_key_argument import example, instant_of, key_values
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import many
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.lifecycle.table_lock import table_lock
from tasks.rebuild import drafted, rebuild_batch
from tasks.run.spark_error_mapping import map_spark_errors

PUBLISHED, UNCHANGED, DROPPED = "published", "unchanged", "dropped"
NOT_AGREED = 65
"""The exit code where something differs and nobody said yes: it has to be looked at."""

_ATTEMPTS = 5
_SAYS = {
    "appeared": "appear: they were missing",
    "closed": "were open and are closed",
    "changed": "change: another end, opened again, or a value",
    "vanished": "vanish: the events do not imply them",
}


@dataclass(frozen=True, slots=True)
class RebuildOptions:
    """Which keys were asked for: by exactly one of these."""

    keys: tuple[str, ...] = ()
    where: str | None = None
    since: str | None = None
    everything: bool = False


@dataclass(frozen=True, slots=True)
class RebuildAnswer:
    """How a rebuild ended. `state` is 'published', 'unchanged' or 'dropped' (nobody agreed)."""

    contract: str
    table: str
    state: str
    report: RebuildReport
    difference: Difference | None = None


def rebuild(
    screen: CommandOutput, table: str, asked: RebuildOptions, *, show: int, yes: bool, settings: str
) -> int:
    """Rebuild what was asked for; the exit code is 0, or 65 where a difference was dropped."""
    _check(asked)
    where = block_lookup.settings(settings)
    contract = contract_of(table, where)
    batch = rebuild_batch(contract, where, now=datetime.now(UTC))
    with table_lock(where.state_directory, batch.table, run_id=batch.id):
        with screen.waiting("Opening the lakehouse"):
            lake = open_lakehouse(where, shared=False)
            with map_spark_errors(contract.name, "rebuild"):
                lake.versions(contract)
                contract = lake.as_loaded(contract)
                batch = replace(batch, settings=history_settings(contract))
                scope = _scope(lake, contract, asked)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = _once(screen, lake, contract, _Wanted(batch, scope, show, yes=yes))
            except CommitConflictError:
                if attempt == _ATTEMPTS:
                    raise
                screen.log("another writer published first; planned anew")
            else:
                break
    return _tell(screen, answer)


@dataclass(frozen=True, slots=True)
class _Wanted:
    batch: Batch
    scope: RebuildScope
    show: int
    yes: bool


def _once(
    screen: CommandOutput, lake: Lakehouse, contract: Contract, wanted: _Wanted
) -> RebuildAnswer:
    batch = wanted.batch
    with drafted(lake.spark, contract, lake.settings, batch, wanted.scope) as rebuilt:
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
            found = _difference(lake, contract, rebuilt, show=wanted.show)
        page = difference_page(
            found, _SAYS, width=screen.out.width, options=("--show N", "a greater --show")
        )
        if not screen.as_json:
            screen.answer(None, *page, *_beyond(report))
        if not wanted.yes and not _agreed(screen):
            return RebuildAnswer(contract.name, batch.table, DROPPED, report, found)
        with map_spark_errors(contract.name, "rebuild", publishes=True):
            publish_rebuild(lake.spark, batch, rebuilt)
        return RebuildAnswer(contract.name, batch.table, PUBLISHED, report, found)


def _check(asked: RebuildOptions) -> None:
    given = (bool(asked.keys), asked.where is not None, asked.since is not None, asked.everything)
    if sum(given) != 1:
        raise UsageError(
            where="strandline rebuild",
            expected="one of --keys, --where, --since and --all",
            found="none of them" if not any(given) else "several of them",
            next_step="strandline rebuild --help",
        )


def _scope(lake: Lakehouse, contract: Contract, asked: RebuildOptions) -> RebuildScope:
    versions = lake.versions(contract)
    if asked.keys:
        typed = [key_values(text, contract) for text in asked.keys]
        return RebuildScope(keys=lake.stored_keys(contract, versions, typed))
    if asked.where is not None:
        return RebuildScope(keys=_condition(versions, asked.where, contract))
    if asked.since is not None:
        return RebuildScope(
            since=instant_of(asked.since, history_settings(contract).sequence, contract)
        )
    return RebuildScope()


def _condition(versions: DataFrame, text: str, contract: Contract) -> Column:
    # Of a mere selection Spark would look for the other columns beneath it.
    keys = versions.sparkSession.createDataFrame(
        [], T.StructType([versions.schema[name] for name in contract.key])
    )
    try:
        condition = F.expr(text)
        # Over Spark Connect nothing is resolved before somebody asks for it.
        _ = keys.where(condition).schema
    except PySparkException:
        # Spark's own words would repeat the condition, and with it perhaps a key.
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
    found = difference(*frames, history_settings(contract))
    told = read_difference(found, contract, keys=show > 0, limit=show)
    return Difference(contract.name, table, (now, OnBranch(head, report.batch_id)), *told)


def _beyond(report: RebuildReport) -> list[Text]:
    """What a difference of versions does not show."""
    told = []
    if report.surplus:
        told.append(f"{many(report.surplus, 'row')} stored more than once")
    if report.kept:
        told.append(f"{many(report.kept, 'change')} of the kept events")
    told += [f"{many(rows, 'event')} refused ({name})" for name, rows in report.refused.items()]
    return [Text(f"besides: {', '.join(told)}")] if told else []


def _agreed(screen: CommandOutput) -> bool:
    """Whether somebody at a terminal says yes; where nobody can, the answer is no."""
    if screen.as_json or not (sys.stdin.isatty() and screen.err.is_terminal):
        return False
    try:
        answer = screen.err.input("Publish this? [y/N] ", markup=False)
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")


def _tell(screen: CommandOutput, answer: RebuildAnswer) -> int:
    report = answer.report
    looked = f"{many(report.instants, 'event')}, {many(report.versions, 'version')}"
    says = {
        UNCHANGED: f"unchanged: {looked}, all as the events imply",
        PUBLISHED: f"published as {report.batch_id}: {looked}",
        DROPPED: "not published, and dropped; --yes publishes without asking",
    }
    following = {
        UNCHANGED: (),
        PUBLISHED: (f"strandline diff {answer.contract} --keys",),
        DROPPED: (),
    }
    lines = [Text(says[answer.state], "bold")]
    lines += [Text.assemble(("next: ", "dim"), (each, "bold")) for each in following[answer.state]]
    screen.answer(answer, *lines)
    return NOT_AGREED if answer.state == DROPPED else 0
