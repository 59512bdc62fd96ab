"""Refused rows as they were before they were refused: source rows, or events, from their JSON.

Promise: each value is the one that was refused, whatever its type, or it is among the values that
do not fit, and its row is refused again. What was encrypted is decrypted in the pass that protects
it again; it is written nowhere in between.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.model.encryption_keys import DataKey
from contracts.model.reserved_column_names import OPERATION, UNFIT
from contracts.schemas.contract_to_spark_types import data_type
from history.spark.column_quoting_and_comparison import EXACT_JSON, named
from history.writing.quarantine_table import EVENT_FORM, SOURCE_FORM
from tasks.transforms.mapping.text_values import is_decimal, value_of_text
from tasks.transforms.mapping.typed_literals import EXACT, is_text
from tasks.transforms.protection.column_protection import (
    SEALED,
    ColumnProtection,
    from_text,
    is_sealed,
    seals_unfit_values,
)
from tasks.transforms.protection.key_transport import provide_transport_key
from tasks.transforms.protection.subject_key_encryption import subject_decrypted
from tasks.transforms.subject_keys import KEY_OF_TOKENS, with_keys_of_tokens

ROW_ID = "__kept_row"
"""The column that tells which row of the quarantine a row came from.

Not `__row_id`: Spark gives MERGE a column of that name of its own, and mistakes one for the other.
"""

READ_AT = "__read_at"
"""The column with the instant at which a row of a state was read."""

_TEXTS = "map<string,string>"


def row_id() -> Column:
    """What identifies a row of the quarantine among those of its target."""
    return F.concat_ws("/", "batch_id", "row_digest")


def form(sources: Mapping[str, str]) -> Column:
    """What a quarantined row is; of one that an earlier release kept, by the columns that it has.

    `sources` are the source's columns, of which a row of the source has all.
    """
    texts = F.from_json("row", _TEXTS)
    has_all = F.forall(
        F.array(*[F.lit(name) for name in sources]),
        lambda name: F.array_contains(F.map_keys(texts), name),
    )
    return F.coalesce(F.col("form"), F.when(has_all, SOURCE_FORM).otherwise(EVENT_FORM))


def rows_of_source(
    quarantined: DataFrame,
    protection: ColumnProtection,
    keys: Mapping[str, DataKey],
    subject_keys: DataFrame | None = None,
    *,
    table: str,
    changes: DataFrame | None = None,
) -> DataFrame:
    """Quarantined rows in source form as the source gave them.

    Args:
        quarantined: Rows of the quarantine, all in source form.
        protection: Which of the source's columns there are, and which are encrypted.
        keys: The encryption keys of the table, the retired ones too, by id.
        subject_keys: `SUBJECT_KEY` of the persons of the table; None: there are none.
        table: What the tokens are bound to.
        changes: One row with values that replace those of the columns it has. A frame, since the
            plan of a query shows literals.

    Returns:
        The source's columns in the contract's order and types, `UNFIT`, `ROW_ID` and `READ_AT`. A
        column that the row does not have is null.
    """
    changed = () if changes is None else tuple(changes.columns)
    texts = quarantined.select(
        row_id().alias(ROW_ID),
        F.col("read_at").alias(READ_AT),
        F.from_json("row", _TEXTS).alias("__texts"),
        _decimals(protection.sources, exact=True).alias("__decimals"),
        _decimals(protection.sources, exact=False).alias("__wide"),
    )
    if changes is not None:
        renamed = [named(name).alias(_new(name)) for name in changed]
        texts = texts.crossJoin(F.broadcast(changes.select(*renamed)))
    provide_transport_key(quarantined.sparkSession)

    fields = [F.col("__texts")[name] for name in protection.tokens_of_source_rows]
    tokens = [F.when(is_sealed(text), from_text(text)) for text in fields]
    texts = with_keys_of_tokens(texts, tokens, subject_keys)

    def clear(text: Column, kind: str, *, bound_to: str) -> Column:
        return subject_decrypted(
            from_text(text),
            F.col(KEY_OF_TOKENS),
            keys,
            table=table,
            column_name=bound_to,
            kind=kind,
        )

    def value(name: str, kind: str) -> Column:
        if name in changed:
            return F.col(_new(name)).cast(kind)
        text = F.col("__texts")[name]
        plain = F.col("__decimals")[name] if is_decimal(kind) else value_of_text(text, kind)
        if name not in protection.sensitive:
            return plain
        if name not in protection.derived:
            return clear(text, kind, bound_to=f"source:{name}")
        # A row from before the contract said what the column is made of has it in the clear.
        sealed = F.when(is_sealed(text), text)
        opened = clear(sealed, kind, bound_to=f"source:{name}")
        return F.when(is_sealed(text), opened).otherwise(plain)

    values = [value(name, kind).alias(name) for name, kind in protection.sources.items()]
    unfit = [F.from_json(F.col("__texts")[UNFIT], _TEXTS), *_lost_values(protection, changed)]
    if seals_unfit_values(protection):
        sealed = clear(F.col("__texts")[SEALED], "string", bound_to=f"source:{UNFIT}")
        unfit.append(F.from_json(sealed, _TEXTS))
    return texts.select(*values, _still_unfit(unfit, changed), ROW_ID, READ_AT)


def _lost_values(protection: ColumnProtection, changed: tuple[str, ...]) -> list[Column]:
    """The values that no longer fit the contract's types, as a map of their texts."""
    lost = []
    for name, kind in protection.sources.items():
        if name in changed or name in protection.sensitive or is_text(kind):
            continue
        text, is_other = F.col("__texts")[name], F.lit(False)
        value = value_of_text(text, kind)
        if is_decimal(kind):
            value, wide = F.col("__decimals")[name], F.col("__wide")[name]
            is_other = F.coalesce(value != wide, F.lit(False))
        loses = text.isNotNull() & (value.isNull() | is_other)
        lost.append(F.when(loses, F.struct(F.lit(name), text)))
    entries = F.filter(F.array(*lost), lambda each: each.isNotNull())
    return [F.map_from_entries(entries)] if lost else []


def events(quarantined: DataFrame, schema: T.StructType) -> DataFrame:
    """Quarantined rows in event form as the history refused them.

    Args:
        quarantined: Rows of the quarantine, all in event form.
        schema: The event columns in stored types.

    Returns:
        The schema's columns, the operation, `ROW_ID`, `READ_AT` and `UNFIT`: null, or the columns
        whose values do not fit their types any more, which are null.
    """
    wanted = T.StructType([*schema.fields, T.StructField(OPERATION, T.StringType())])
    parsed = quarantined.select(
        row_id().alias(ROW_ID),
        F.col("read_at").alias(READ_AT),
        F.from_json("row", wanted, EXACT_JSON).alias("__event"),
        F.from_json("row", _TEXTS).alias("__texts"),
    )
    fields = [F.col("__event").getField(field.name).alias(field.name) for field in wanted.fields]
    lost = [
        F.when(value.isNull() & F.col("__texts")[field.name].isNotNull(), F.lit(field.name))
        for field, value in zip(wanted.fields, fields, strict=True)
    ]
    names = F.filter(F.array(*lost), lambda name: name.isNotNull())
    return parsed.select(*fields, ROW_ID, READ_AT, F.when(F.size(names) > 0, names).alias(UNFIT))


def _decimals(sources: Mapping[str, str], *, exact: bool) -> Column:
    """The decimals of a row, in their types or in one with more digits.

    As text, Spark would give a JSON number with the digits of a double.
    """
    kinds = {name: kind for name, kind in sources.items() if is_decimal(kind)}
    fields = [
        T.StructField(name, data_type(kind if exact else EXACT)) for name, kind in kinds.items()
    ]
    return F.from_json("row", T.StructType(fields), EXACT_JSON)


def _new(name: str) -> str:
    return f"__new_{name.replace('.', '_').replace('`', '_')}"


def _still_unfit(parts: list[Column], changed: tuple[str, ...]) -> Column:
    """The values that do not fit, as the reader of the source gives them, but for changed ones."""
    nothing = F.from_json(F.lit("{}"), _TEXTS)
    texts = F.map_concat(*[F.coalesce(part, nothing) for part in parts])
    if changed:
        texts = F.map_filter(texts, lambda name, _: ~name.isin(*changed))
    return F.when(F.size(texts) > 0, F.to_json(texts)).alias(UNFIT)
