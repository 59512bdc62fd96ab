"""`strandline decrypt`: the versions of one record in the clear, to who may and says why.

Promise: the audit record is written before a value is decrypted. Values go to standard output only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from rich.text import Text

from blocks.lookup import block_lookup
from contracts.errors import (
    DataError,
    KeyUnavailableError,
    NotFoundError,
    StrandlineError,
    UsageError,
)
from contracts.model import Contract
from history.model.history_settings import HistorySettings
from history.reading.point_in_time import holds_at
from history.schema_evolution.evolve_table import settings_of_table
from history.spark.column_quoting_and_comparison import named, same
from strandline.commands.access.access_command import rows_page
from strandline.queries.open_lakehouse import Lakehouse, contract_of, open_lakehouse
from strandline.queries.parse_key_argument import KeyValue, key_values, moment_of
from strandline.queries.role_overview import rows_as_shown
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.text_table import facts
from tasks.access.decrypt_versions import (
    KeyGrant,
    decrypted_for,
    key_grant,
    record_decryption,
    rows_of_role,
    subject_digest,
)
from tasks.compiler.compile_role_rights import rights_of
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.erasure.subject_key_ledger import key_records
from tasks.run.spark_error_mapping import map_spark_errors


@dataclass(frozen=True, slots=True)
class DecryptOptions:
    """Who asks and why, and of what: the moment that held, the columns, how many versions."""

    role: str
    reason: str
    as_of: str | None
    columns: tuple[str, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class DecryptedRecord:
    """The versions of one record as the role sees them, granted columns in the clear."""

    contract: str
    table: str
    role: str
    decrypted: tuple[str, ...]
    versions: tuple[Mapping[str, object], ...]


def decrypt(
    screen: CommandOutput, table: str, key: str, options: DecryptOptions, *, settings: str
) -> None:
    """Audit, then show the versions of the key, oldest first."""
    moment = None if options.as_of is None else moment_of(options.as_of)
    run_settings = block_lookup.settings(settings)
    contract = contract_of(table, run_settings)
    values = key_values(key, contract)
    rights = rights_of(contract, options.role)
    grant = key_grant(
        run_settings, contract, rights, columns=options.columns, reason=options.reason
    )
    with screen.waiting("Opening the lakehouse"):
        lake = open_lakehouse(run_settings, shared=False)
        with map_spark_errors(contract.name, "decrypt"):
            record = _decrypted(lake, lake.as_loaded(contract), grant, values, moment, options)
    pairs = [("role", record.role), ("decrypted", ", ".join(record.decrypted))]
    screen.answer(
        record,
        Text(record.table, "bold"),
        facts(pairs),
        *rows_page(record.versions, width=screen.out.width),
    )


def _decrypted(
    lake: Lakehouse,
    contract: Contract,
    grant: KeyGrant,
    values: Mapping[str, KeyValue],
    moment: datetime | None,
    options: DecryptOptions,
) -> DecryptedRecord:
    table = lake.target(contract)
    found = _versions(lake, contract, grant, values, moment).limit(options.limit)
    number = found.count()
    if not number:
        raise NotFoundError(
            where=table,
            expected="a version of this key that the role sees",
            found="none" if moment is None else "none that held at that moment",
            next_step="Correct the key, or see what the role sees: "
            f"strandline access {contract.name} --as {options.role}",
        )
    record_decryption(
        lake.spark,
        lake.settings,
        table,
        grant,
        at=datetime.now(UTC),
        counts={"versions": number},
        details={"record": subject_digest(lake.settings, contract, values)},
    )
    keys = key_records(lake.spark, lake.settings, table)
    try:
        rows = rows_as_shown(decrypted_for(found, grant, keys), options.limit)
    except PySparkException as error:
        raise _refusal(error, table) from None
    return DecryptedRecord(contract.name, table, options.role, tuple(grant.columns), rows[::-1])


def _versions(
    lake: Lakehouse,
    contract: Contract,
    grant: KeyGrant,
    values: Mapping[str, KeyValue],
    moment: datetime | None,
) -> DataFrame:
    """The versions of the key that the role sees, the newest first."""
    stored = lake.versions(contract)
    settings = settings_of_table(lake.spark, lake.target(contract), history_settings(contract))
    key = lake.stored_key(contract, stored, values)
    # Joined and not compared with a literal: a literal would show in the query plan.
    matching = (
        rows_of_role(stored, grant.rights)
        .alias("v")
        .join(F.broadcast(key).alias("k"), same("v", "k", settings.key), "left_semi")
    )
    if moment is not None:
        matching = matching.where(_held(contract, stored, settings, moment))
    return matching.orderBy(named(settings.valid_from).desc())


def _held(
    contract: Contract, stored: DataFrame, settings: HistorySettings, moment: datetime
) -> Column:
    kind = stored.schema[settings.valid_from].dataType
    if isinstance(kind, T.DateType):
        return holds_at(settings, moment.date())
    if isinstance(kind, T.TimestampType):
        return holds_at(settings, moment)
    raise UsageError(
        where=f"--as-of of {contract.name}",
        expected="a table whose versions are ordered by time",
        found="one whose versions are ordered by numbers",
        next_step="Leave out --as-of.",
    )


def _refusal(error: PySparkException, table: str) -> StrandlineError | PySparkException:
    """What a worker could not open; its text may quote more than the table."""
    text = str(error)
    if KeyUnavailableError.__name__ in text:
        return KeyUnavailableError(
            where=table,
            expected="the data keys of all tokens of the record",
            found="a token whose key the ring does not have",
            next_step="Restore the key ring's file from its copy; an erased key is gone.",
        )
    if DataError.__name__ in text:
        return DataError(
            where=table,
            expected="tokens as they were made for this table and column",
            found="one that was changed, or moved here from elsewhere",
            next_step="Compare the record with an earlier snapshot of the table.",
        )
    return error
