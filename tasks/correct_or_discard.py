"""Correct quarantined rows, or give them up.

Promise: a corrected value is protected as its column is; it is in no parameter, plan, log or
ledger. Neither changes a history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import UsageError
from contracts.model import Contract
from contracts.model.encryption_keys import ProtectionKeys
from contracts.model.reserved_column_names import UNFIT
from contracts.yaml_reading.problem_report import did_you_mean
from history.spark.checkpoint import checkpoint
from history.spark.column_quoting_and_comparison import named
from history.writing.quarantine_table import SOURCE_FORM
from tasks.erasure.subject_key_ledger import (
    key_records,
    record_made_keys,
    subject_keys,
    with_subjects_of_source_rows,
)
from tasks.lifecycle.settle_rows import repair_claims, replace_values, settle_discarded
from tasks.observability.decision_ledger import record_decision
from tasks.run.quarantine_decision import Decision, Selection, unsettled_rows
from tasks.run.run_context import Run
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.transforms.mapping.text_values import is_lost, value_of_text
from tasks.transforms.protection.column_protection import (
    KNOWN_KEY,
    SUBJECT,
    ColumnProtection,
    compile_protection,
    source_row,
)
from tasks.transforms.rows_from_quarantine import ROW_ID, form, rows_of_source
from tasks.transforms.subject_keys import with_known_keys, with_made_keys


@dataclass(frozen=True, slots=True)
class Correction:
    """New values of source columns as text; None makes a column null."""

    texts: Mapping[str, str | None] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RowsChanged:
    """How many rows were selected, and how many of them were changed or given up."""

    contract: str
    decision_id: str
    selected: int
    changed: int


def correct_values(
    run: Run, contract: Contract, selection: Selection, decision: Decision, values: Correction
) -> RowsChanged | None:
    """Give the selected rows of the source other values; None: none is selected.

    Rows that the history refused, and keeps as events, are not changed.

    Raises:
        UsageError: A column is not the source's, or a value is not of its type.
        KeyUnavailableError: The keys that encrypted their values are not in the key ring.
    """
    protection = compile_protection(contract)
    columns = tuple(values.texts)
    with map_spark_errors(run.name, "correct"):
        changes = _typed(run, contract, protection, values)
        kept = _selected(run, selection)
        own = kept.where(form(protection.sources) == SOURCE_FORM)
        selected, changed = kept.count(), own.count()
        if not selected:
            return None
        record_decision(
            run,
            decision,
            contract_version=contract.version,
            selected_by=selection.words,
            rows_selected=selected,
            columns=columns,
        )
        ring = run.settings.key_ring
        keys = ring.keys_for_encryption(
            contract.target,
            values=changed * protection.tokens_per_row,
            create=False,
            at=decision.at,
        )
        every_key = ring.decryption_keys(contract.target)
        rows = rows_of_source(
            own,
            protection,
            every_key,
            key_records(run.spark, run.settings, run.target),
            table=contract.target,
            changes=changes,
        )
        replace_values(run, _protected_again(run, contract, protection, keys, rows))
    return RowsChanged(run.name, run.batch_id, selected, changed)


def give_up(
    run: Run, contract: Contract, selection: Selection, decision: Decision
) -> RowsChanged | None:
    """Settle the selected rows as discarded; None: none is selected."""
    with map_spark_errors(run.name, "discard"):
        rows = _selected(run, selection)
        selected = rows.count()
        if not selected:
            return None
        record_decision(
            run,
            decision,
            contract_version=contract.version,
            selected_by=selection.words,
            rows_selected=selected,
        )
        settle_discarded(run, rows, at=decision.at)
    return RowsChanged(run.name, run.batch_id, selected, selected)


def _selected(run: Run, selection: Selection) -> DataFrame:
    repair_claims(run)
    return unsettled_rows(run).where(selection.condition(run.spark, run.settings))


def _protected_again(
    run: Run,
    contract: Contract,
    protection: ColumnProtection,
    keys: ProtectionKeys,
    rows: DataFrame,
) -> DataFrame:
    """Rows of the source in the clear as the quarantine keeps them: `ROW_ID` and `__row`."""
    persons = subject_keys(run, contract.target, protection.subject, keys)
    text = source_row(
        protection,
        keys,
        table=contract.target,
        refused=F.lit(True),
        unfit=named(UNFIT),
        persons=None if persons is None else persons.keyring,
    )
    if persons is None:
        return rows.select(ROW_ID, text.alias("__row"))
    rows = with_subjects_of_source_rows(rows, contract, keys.fingerprint)
    known = with_known_keys(rows, persons)
    sealed = known.select(ROW_ID, text.alias("__row"), SUBJECT, KNOWN_KEY)
    stored = checkpoint(with_made_keys(sealed, persons)).rows
    record_made_keys(run, protection.subject, stored)
    return stored


def _typed(
    run: Run, contract: Contract, protection: ColumnProtection, values: Correction
) -> DataFrame:
    """One row of the new values in the source's types."""
    kinds = protection.sources
    for name in values.texts:
        if name not in kinds:
            raise UsageError(
                where=f"--set of {contract.name}",
                expected=f"a column of {contract.source.relation}",
                found=f"{name}; {did_you_mean(name, kinds)}",
                next_step="Name a source column, not one of the target.",
            )
    schema = T.StructType([T.StructField(name, T.StringType()) for name in values.texts])
    texts = run.spark.createDataFrame([tuple(values.texts.values())], schema)
    lost = [is_lost(named(name), kinds[name]).alias(name) for name in values.texts]
    (found,) = texts.select(*lost).collect()
    for name, is_wrong in found.asDict().items():
        if is_wrong:
            raise UsageError(
                where=f"--set of {contract.name}",
                expected=f"a value of {name}, which is {kinds[name]}",
                found="something that is none, or that would be rounded",
                next_step="Correct it and run the command again. Nothing was changed.",
            )
    return texts.select(
        *[value_of_text(named(name), kinds[name]).alias(name) for name in values.texts]
    )
