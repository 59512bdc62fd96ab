"""From source rows to stage rows, in one pass: checked, mapped, fingerprinted, protected.

Promise: what leaves here is protected, and every source row is counted once, whatever its kind.
The pass runs no action; the write that runs it returns the counts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, Observation, Window
from pyspark.sql import functions as F

from contracts.model.encryption_keys import ProtectionKeys
from contracts.model.reserved_column_names import OPERATION, UNFIT
from history.audit.reconcile_control_totals import value_digest
from history.planning.event_validation import DELETE, UPSERT
from history.spark.column_quoting_and_comparison import as_json, named
from tasks.transforms.anomalies.anomaly_columns import ANOMALY_TYPE, with_anomalies
from tasks.transforms.anomalies.anomaly_model import AnomalyModel
from tasks.transforms.checks.row_checks import (
    Mask,
    counts,
    failed_checks,
    mask_words,
    refusing,
    row_score,
    with_references,
)
from tasks.transforms.hashing.hmac_sha256 import HashKey, hash_keys
from tasks.transforms.hashing.row_fingerprint import Fingerprint, fingerprints
from tasks.transforms.protection.column_protection import (
    KNOWN_KEY,
    SUBJECT,
    protected,
    source_row,
)
from tasks.transforms.protection.subject_key_encryption import SubjectKeyring
from tasks.transforms.record_digests import (
    staged_record_message,
    with_retired,
    with_stored_keys,
)
from tasks.transforms.stage_input import Known, Origin
from tasks.transforms.stage_plan import (
    ANOMALY,
    DIGEST,
    ERASED,
    EVENT,
    FAILED,
    IGNORED,
    IS_ERASED,
    JUDGED_UNTIL,
    KIND,
    KINDS,
    NEW_PERSONS,
    REFUSED,
    REPEATED,
    SEEN,
    SOURCE_ROW,
    THERE,
    THERE_DIGEST,
    UNFIT_COLUMNS,
    WATERMARK,
    StagePlan,
    set_digest,
)
from tasks.transforms.subject_digests import subject_message, subject_messages, with_erased
from tasks.transforms.subject_keys import with_known_keys, with_made_keys

_DOMAIN = "strandline refused row 1\n"


def stage_rows(
    rows: DataFrame,
    plan: StagePlan,
    keys: ProtectionKeys,
    origin: Origin,
    *,
    known: Known,
    observation: Observation,
    anomalies: AnomalyModel | None = None,
) -> DataFrame:
    """The rows of the stage.

    Args:
        rows: The source rows, columns as the contract names them, and `UNFIT` (null, or a JSON
            object of the values that could not be carried, as text by column).
        plan: How they are staged.
        keys: The keys of this table.
        origin: The run's own values.
        known: What the rows are compared with.
        observation: Gets, over all rows: per-check counts, `kind_<kind>`, and two watermarks in
            microseconds since 1970: the greatest of rows that were not refused up to the origin's
            limit (`watermark`), and the greatest of all up to the read (`judged_until`).
        anomalies: What rows are usually like; None: unusual ones are not looked for.

    Returns:
        The event columns in stored types and `StagePlan.own_columns`. Of these, refused rows have
        the mask of `RowChecks` as an array, the columns whose values could not be carried, the
        source row (sensitive values encrypted) and its digest.
    """
    referring = with_references(rows, plan.checks, known.references)
    checked = _checked(referring, plan, origin, anomalies)
    mapped_rows = _mapped(checked, plan, origin)
    # One call of Python brings both keys.
    key, pseudonym_key = hash_keys(
        rows.sparkSession, keys.fingerprint.material, keys.pseudonym.material
    )
    fingerprinted = _fingerprinted(mapped_rows, plan, key, pseudonym_key, origin, known)
    told_apart = with_erased(fingerprinted, tuple(known.erased.values()), IS_ERASED)
    if known.retired is not None:
        told_apart = with_retired(told_apart, known.retired, _true_at(plan, origin), IS_ERASED)
    classified = _classified(told_apart, plan, known.open_versions)
    measures = _measures(plan, origin)
    if known.subject_keys is not None:
        classified = with_known_keys(classified, known.subject_keys)
        measures.append(_new_persons(origin))
    measured = classified.observe(observation, *measures)
    staged = measured.where(F.col(KIND).isin(*_staged_kinds(origin)))
    selected = _stage_columns(staged, plan, origin)
    persons = known.subject_keys
    keyring = None if persons is None else persons.keyring
    row = {SOURCE_ROW: _sealed_row(plan, keys, origin, keyring)}
    stored = protected(
        selected,
        plan.protection,
        keys,
        table=origin.target,
        rows=row,
        persons=keyring,
        pseudonym_key=pseudonym_key,
    )
    return stored if persons is None else with_made_keys(stored, persons)


def _true_at(plan: StagePlan, origin: Origin) -> Column:
    """The instant by which a row counts as from before its record was retired; null: it is not.

    A change of a log was true when it was made. What a state has was true when it was read: now,
    or where it comes from the quarantine, then.
    """
    column = origin.read_column if plan.is_state else plan.stamp and _clear(plan.stamp)
    return F.lit(None) if column is None else F.col(column)


def _sealed_row(
    plan: StagePlan, keys: ProtectionKeys, origin: Origin, persons: SubjectKeyring | None
) -> Column:
    """What the quarantine keeps of a refused row, from its struct of clear values."""
    clear = F.col(SOURCE_ROW)
    return source_row(
        plan.protection,
        keys,
        table=origin.target,
        refused=clear.isNotNull(),
        unfit=clear.getField(UNFIT),
        within=clear,
        persons=persons,
    )


def _checked(
    rows: DataFrame, plan: StagePlan, origin: Origin, anomalies: AnomalyModel | None
) -> DataFrame:
    duplicate, unusual = None, None
    if plan.finds_anomalies:
        if anomalies is None:
            rows = rows.withColumn(ANOMALY, F.lit(None).cast(ANOMALY_TYPE))
        else:
            rows = with_anomalies(rows, anomalies, ANOMALY)
            rows = rows.withColumn(ANOMALY, F.when(~plan.ignored, F.col(ANOMALY)))
        unusual = F.col(ANOMALY).isNotNull()
    if plan.is_state and not origin.one_row_a_key:
        rows = rows.withColumn("__twin", _is_duplicate(plan))
        duplicate = F.col("__twin")
    mask = failed_checks(
        plan.checks,
        as_of=origin.read_at,
        ignored=plan.ignored,
        duplicate=duplicate,
        unfit=named(UNFIT).isNotNull() & ~plan.ignored,
        unusual=unusual,
    )
    unfit_columns = F.map_keys(F.from_json(named(UNFIT), "map<string,string>"))
    words = {_word(position): word for position, word in enumerate(mask)}
    with_mask = rows.withColumns(
        {"__ignored": plan.ignored, "__unfit_columns": unfit_columns, **words}
    )
    return with_mask.withColumn("__refused", refusing(plan.checks, _mask(plan)))


def _mask(plan: StagePlan) -> Mask:
    """The words of a row's mask, as the pass carries them."""
    return tuple(F.col(_word(position)) for position in range(mask_words(plan.checks)))


def _word(position: int) -> str:
    return f"__mask_{position}"


def _is_duplicate(plan: StagePlan) -> Column:
    """Whether another row that is not ignored has the row's key, as it is mapped."""
    key = plan.key_values
    counts_as_row = reduce(lambda one, other: one & other, (value.isNotNull() for value in key))
    counts_as_row = counts_as_row & ~plan.ignored
    rows = F.count(F.when(counts_as_row, 1)).over(Window.partitionBy(*key))
    return counts_as_row & (rows > 1)


def _mapped(checked: DataFrame, plan: StagePlan, origin: Origin) -> DataFrame:
    """Adds the clear target values under names that no source column has."""
    run_values: dict[str, Column] = {
        "batch_id": F.lit(origin.batch_id),
        "row_score": row_score(plan.checks, _mask(plan)),
        "retention_date": F.date_add(F.lit(origin.taken_at).cast("date"), plan.retention_days),
    }
    values = dict(plan.values)
    for transformation, (name, kind) in plan.from_run.items():
        values[name] = run_values[transformation].cast(kind)
    return checked.withColumns(
        {
            **{_clear(name): value for name, value in values.items()},
            OPERATION: F.when(plan.member, UPSERT).otherwise(DELETE),
            WATERMARK: plan.watermark,
        }
    )


def _fingerprinted(
    mapped_rows: DataFrame,
    plan: StagePlan,
    key: HashKey,
    pseudonym_key: HashKey,
    origin: Origin,
    known: Known,
) -> DataFrame:
    """Adds everything that is hashed with the fingerprint key: the key enters the plan once."""
    wanted = {}
    if plan.fingerprint is not None:
        names = origin.fingerprinted or plan.tracked
        tracked = {name: F.col(_clear(name)) for name in names}
        wanted[_clear(plan.fingerprint)] = Fingerprint(tracked)
    for position, check in enumerate(plan.set_checks.checks):
        about_target = check.about_target
        values = {
            name: F.col(_clear(name)) if about_target else named(name) for name in check.columns
        }
        # A row with a null in one of the columns repeats nothing.
        complete = reduce(lambda one, other: one & other, (v.isNotNull() for v in values.values()))
        wanted[set_digest(position)] = Fingerprint(values, only=complete)
    row = as_json(named(name) for name in plan.protection.sources)
    text = F.concat(F.lit(_DOMAIN), row, F.coalesce(named(UNFIT), F.lit("")))
    refused = F.when(F.col("__refused"), text)
    persons = [{name: F.col(_clear(name)) for name in columns} for columns in known.erased]
    messages = {DIGEST: refused, **subject_messages(mapped_rows, persons, table=origin.target)}
    if known.subject_keys is not None:
        clear = {name: F.col(_clear(name)) for name in plan.protection.subject}
        kinds = mapped_rows.select(*[value.alias(name) for name, value in clear.items()]).schema
        messages[SUBJECT] = subject_message(origin.target, clear, kinds)
    if known.retired is not None:
        clear = {name: F.col(_clear(name)) for name in plan.key}
        hidden = plan.protection.pseudonymised
        mapped_rows, stored = with_stored_keys(
            mapped_rows, clear, hidden, pseudonym_key, table=origin.target
        )
        messages |= staged_record_message(mapped_rows, stored, table=origin.target)
    return fingerprints(mapped_rows, wanted, key, messages=messages)


def _classified(rows: DataFrame, plan: StagePlan, open_versions: DataFrame | None) -> DataFrame:
    repeated = F.lit(False)
    if open_versions is not None:
        stored = open_versions.select(
            *[named(name).alias(f"__held_{i}") for i, name in enumerate(open_versions.columns)]
        )
        same = F.lit(True)
        for position, name in enumerate(open_versions.columns):
            stored_value, value = F.col(f"__held_{position}"), F.col(_clear(name))
            equal = value == stored_value if name in plan.key else value.eqNullSafe(stored_value)
            same = same & equal
        rows = rows.join(stored, same, "left")
        is_stored = F.col("__held_0").isNotNull()
        rows = rows.withColumn("__found", is_stored).drop(*stored.columns)
        repeated = F.col("__found") & (F.col(OPERATION) == UPSERT)
    kind = (
        F.when(F.col(IS_ERASED), ERASED)
        .when(F.col("__refused"), REFUSED)
        .when(F.col("__ignored"), IGNORED)
        .when(repeated, REPEATED)
        .otherwise(EVENT)
    )
    return rows.withColumn(KIND, kind)


def _measures(plan: StagePlan, origin: Origin) -> list[Column]:
    present, micros = ~F.col(IS_ERASED), _micros(F.col(WATERMARK))
    counted = present
    was_read = micros <= F.lit(_micros_of(origin.read_at))
    if origin.read_until is not None:
        # An earlier batch may have read only a part of a day.
        read_before = (
            origin.read_until - timedelta(days=1) if plan.watermark_in_days else origin.read_until
        )
        unread = (micros > F.lit(_micros_of(read_before))) & was_read
        counted = present & F.coalesce(unread, F.lit(False))
    is_open = (F.col(KIND) == REPEATED) | ((F.col(KIND) == EVENT) & (F.col(OPERATION) == UPSERT))
    digest = F.lit(0)
    if plan.fingerprint is not None:
        digest = value_digest(F.col(_clear(plan.fingerprint)))
    accepted = (F.col(KIND) != REFUSED) & (micros <= F.lit(_micros_of(origin.watermark_limit)))
    return [
        *counts(plan.checks, _mask(plan), counted, F.col("__unfit_columns")),
        *plan.measures.columns(counted, origin.read_at),
        *[F.count(F.when(F.col(KIND) == kind, 1)).alias(f"kind_{kind}") for kind in KINDS],
        F.max(F.when(accepted, micros)).alias(WATERMARK),
        F.max(F.when(was_read, micros)).alias(JUDGED_UNTIL),
        F.count(F.when(is_open, 1)).alias(THERE),
        F.coalesce(F.sum(F.when(is_open, digest)), F.lit(0)).alias(THERE_DIGEST),
    ]


def _new_persons(origin: Origin) -> Column:
    """How many rows are about persons who have no key yet."""
    makes = F.col(KIND).isin(*_staged_kinds(origin)) & F.col(SUBJECT).isNotNull()
    return F.count(F.when(makes & F.col(KNOWN_KEY).isNull(), 1)).alias(NEW_PERSONS)


def _micros(moment: Column) -> Column:
    """Microseconds since 1970, also of a moment that Python has no value for."""
    return F.unix_micros(moment.cast("timestamp"))


def _micros_of(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def _staged_kinds(origin: Origin) -> tuple[str, ...]:
    return (EVENT, REFUSED, IGNORED, REPEATED) if origin.stages_all_keys else (EVENT, REFUSED)


def _stage_columns(rows: DataFrame, plan: StagePlan, origin: Origin) -> DataFrame:
    """The stage's columns, all still in the clear; a seen row keeps its key only.

    A refused row has its source columns, and the values that could not be carried, as a struct.
    """
    refused = F.col(KIND) == REFUSED
    is_full = F.col(KIND).isin(EVENT, REFUSED)
    columns = []
    for name in plan.events:
        value = F.col(_clear(name))
        keeps_value = not origin.stages_all_keys or name in plan.key
        columns.append((value if keeps_value else F.when(is_full, value)).alias(name))
    row = F.when(refused, F.struct(*map(named, (*plan.protection.sources, UNFIT))))
    return rows.select(
        *columns,
        F.col(OPERATION),
        (F.when(F.col(KIND) == REPEATED, SEEN).otherwise(F.col(KIND))).alias(KIND),
        F.when(refused, F.array(*_mask(plan))).alias(FAILED),
        F.when(refused, F.col("__unfit_columns")).alias(UNFIT_COLUMNS),
        row.alias(SOURCE_ROW),
        F.col(DIGEST),
        *[F.col(set_digest(position)) for position, _ in enumerate(plan.set_checks.checks)],
        *([F.col(ANOMALY)] if plan.finds_anomalies else []),
        *[F.col(name) for name in (SUBJECT, KNOWN_KEY) if name in rows.columns],
        *[F.col(name) for name in origin.carried],
    )


def _clear(name: str) -> str:
    """The temporary column with a target column's clear value, beside the source columns."""
    return f"__clear_{name.replace('.', '_').replace('`', '_')}"
