"""Beginning a release: its contract is checked against the table, and green is made and filled.

Promise: what can't be promoted in the end is refused here, with each reason, before anything is
made. A release that was stopped while it began is begun anew by the same command.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pyspark.sql import types as T

from contracts.errors import NotFoundError, SchemaDriftError, SettingsError
from contracts.model import Contract
from contracts.schemas.spark_schemas import event_schema
from history import HistorySettings
from history.iceberg.history_table import exists, find_state, history_schema
from history.iceberg.table_properties import TableProperties, strandline_properties
from history.release.green_table import copy_history, create_green, drop_green
from history.release.promote_green import refuse_unfit_columns
from history.release.release_record import Release, ReleaseState, release_of, write_record
from history.restatement.rebuild_from_events import rebuild
from tasks.compiler.compile_role_rights import compile_role_rights
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.compiler.source_kind_in_history_table import with_recorded_source_kind
from tasks.create_views import secure_views
from tasks.observability.audit_log import AuditAction, current_actor
from tasks.observability.audit_log.audit_of_tables import batch_properties
from tasks.release.carried_counts import pipeline_entries
from tasks.release.release_contract import candidate, code_version, stored_alike
from tasks.release.release_place import Decided, ReleasePlace

HISTORY, SOURCE = "history", "source"
"""What green begins with: a copy of the published history, or what its source has."""


@dataclass(frozen=True, slots=True)
class NewRelease:
    """What is to be released: the contract's file, and what green begins with."""

    contract: Path
    seed: str
    decided: Decided


def begin(place: ReleasePlace, new: NewRelease) -> Release:
    """Make green, and fill it with the published history where it begins with that.

    Green still has to be loaded by its contract; until then the release is `starting`.

    Raises:
        ContractError: The contract has problems, or is about another table.
        SchemaDriftError: The table can't come to have its columns.
        SettingsError: It needs green to be read from the source, or names are taken.
        TableBusyError: Another release of the table is on.
    """
    spark, table, blue = place.spark, place.table, place.contract
    green, text = candidate(new.contract, blue)
    state = find_state(spark, table)
    if state is None:
        raise NotFoundError(
            where=table,
            expected="a history that was loaded at least once",
            found="no such table",
            next_step=f"strandline run {blue.name}",
        )
    green = with_recorded_source_kind(spark, green, table)
    known = release_of(spark, table)
    if known is not None and known.state is ReleaseState.STARTING:
        drop_green(spark, table)
    _refuse_unfit(place, green, new.seed)
    release = Release(
        id=uuid.uuid4().hex[:12],
        state=ReleaseState.STARTING,
        table=table,
        contract=blue.name,
        text=text,
        version=green.version,
        version_before=blue.version,
        code=code_version(),
        seed=new.seed,
        started_at=new.decided.at.isoformat(),
        started_by=new.decided.by,
        reason=new.decided.reason,
        key=blue.key,
        same_key=stored_alike(blue, green),
        roles=secure_views(compile_role_rights(green)),
        roles_before=secure_views(compile_role_rights(blue)),
    )
    schema = spark.table(table).schema
    if new.seed == SOURCE:
        schema = history_schema(_stored_events(green), history_settings(green))
    if release_of(spark, table) is None and not exists(spark, release.green):
        details = {"version": green.version, "before": blue.version, "begins with": new.seed}
        place.record(AuditAction.START_RELEASE, new.decided, release, details=details)
    create_green(spark, release, schema, format_version=green.history.format_version)
    if new.seed == HISTORY:
        properties = batch_properties(None, f"{blue.name} {blue.version}", actor=current_actor())
        properties |= pipeline_entries(state, release, at=new.decided.at)
        copy_history(spark, release, state, place.history, properties)
        _track_others(place, release, green)
    return release


def started(place: ReleasePlace, release: Release) -> Release:
    """The release as one that readers can be shifted to."""
    return write_record(place.spark, release, state=ReleaseState.RUNNING)


def _stored_events(green: Contract) -> T.StructType:
    """The schema of events as they are stored: those of a state have the instant of their read."""
    events, sequence = event_schema(green), history_settings(green).sequence
    if sequence in events.fieldNames():
        return events
    return T.StructType([*events.fields, T.StructField(sequence, T.TimestampType())])


def _refuse_unfit(place: ReleasePlace, green: Contract, seed: str) -> None:
    """Refuse a contract whose green could not be promoted, or not begin with the history."""
    settings = history_settings(green)
    _refuse_other_order(place, settings)
    events = _stored_events(green)
    refuse_unfit_columns(place.spark, place.table, events, settings)
    if seed == SOURCE:
        return
    problems = [
        f"{name}: it is {_how(green, name)}, and {_how(place.contract, name)} in the history"
        for name in _common_columns(place.contract, green)
        if place.contract.column(name).protection != green.column(name).protection
    ]
    if problems:
        raise SchemaDriftError(
            where=f"{place.table}, a release that begins with its history",
            expected="columns that are protected as they were: what is stored can't be turned into "
            "what another technique makes",
            found="; ".join(problems),
            next_step="Begin it with what the source has: --from source. Nothing was changed.",
        )
    properties = strandline_properties(place.spark, place.table)
    columns = events.fieldNames()
    adopted = TableProperties.from_settings(place.history, columns)
    recorded = TableProperties.from_properties(properties, adopted)
    tracked = {*settings.tracking(columns)} & {*recorded.tracked, *recorded.carried}
    before = {name for name in recorded.tracked if name in columns}
    if settings.fingerprint is not None and tracked != before:
        raise SettingsError(
            where=f"{place.table}, a release that begins with its history",
            expected=f"the tracked columns that its fingerprints are made of: "
            f"{', '.join(sorted(before))}",
            found=", ".join(sorted(tracked)),
            next_step="Begin it with what the source has: --from source. Nothing was changed.",
        )


def _refuse_other_order(place: ReleasePlace, settings: HistorySettings) -> None:
    """Refuse another key or order of events: versions of the one are none of the other."""
    before = place.history
    names = ("key", "sequence", "stamp", "tie_breaker", "first_valid_from", "surrogate_key")
    differing = [
        f"{name} {getattr(settings, name)}, and {getattr(before, name)} in the history"
        for name in names
        if getattr(settings, name) != getattr(before, name)
    ]
    if differing:
        raise SchemaDriftError(
            where=place.table,
            expected="the key of the history, and the columns that order and date its events",
            found="; ".join(differing),
            next_step="Load it into a new target. Nothing was changed.",
        )


def _common_columns(blue: Contract, green: Contract) -> list[str]:
    names = {column.name for column in blue.columns}
    return [column.name for column in green.columns if column.name in names]


def _how(contract: Contract, name: str) -> str:
    protection = contract.column(name).protection
    return "stored as it is" if protection is None else f"protected by {protection.kind}"


def _track_others(place: ReleasePlace, release: Release, green: Contract) -> None:
    """Compute green's versions anew where its contract tracks other columns than the history."""
    spark, settings = place.spark, history_settings(green)
    columns = [each for each in spark.table(release.green).columns if each not in settings.filled]
    recorded = TableProperties.from_properties(
        strandline_properties(spark, release.green),
        TableProperties.from_settings(place.history, columns),
    )
    there = {name for name in settings.tracking(columns) if name in columns}
    if there == {name for name in recorded.tracked if name in columns}:
        return
    if {*settings.tracking(columns)} - {*columns}:
        raise SettingsError(
            where=f"{release.table}, a release that begins with its history",
            expected="new columns, or other tracked columns, and not both at once",
            found=f"new and tracked: {', '.join(sorted({*settings.tracking(columns)} - there))}",
            next_step="Release one after the other, or begin with what the source has: "
            "--from source. `strandline release rollback` removes what was begun.",
        )
    rebuild(spark, release.green, settings, time=datetime.fromisoformat(release.started_at))
