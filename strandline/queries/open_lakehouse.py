"""The lakehouse of some run settings, opened for reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession

from blocks.run_settings import RunSettings
from contracts.errors import NotFoundError
from contracts.loader import find_contract, load_contracts
from contracts.model import Contract, ProtectionKind
from history.iceberg.history_table import exists
from history.spark.column_quoting_and_comparison import named
from strandline.queries.parse_key_argument import KeyValue
from strandline.queries.versions_of_key import some_keys
from tasks.compiler.source_kind_in_history_table import with_recorded_source_kind
from tasks.lifecycle.open_run import contracts_folder
from tasks.run.run_context import ledger_table
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.transforms.protection.pseudonymisation import pseudonymised


@dataclass(frozen=True, slots=True)
class Lakehouse:
    """The settings, and a Spark session with their catalog."""

    settings: RunSettings
    spark: SparkSession = field(repr=False)

    def contracts(self) -> Mapping[str, Contract]:
        """All contracts of the settings, by name."""
        return load_contracts(contracts_folder(self.settings))

    def target(self, contract: Contract) -> str:
        """`catalog.namespace.table` of a contract."""
        return f"{self.settings.lakehouse.catalog}.{contract.target}"

    def as_loaded(self, contract: Contract) -> Contract:
        """The contract, with the source kind that its table records where it names none."""
        return with_recorded_source_kind(self.spark, contract, self.target(contract))

    def versions(self, contract: Contract) -> DataFrame:
        """The history table of a contract.

        Raises:
            NotFoundError: It was never loaded.
        """
        table = self.target(contract)
        if not exists(self.spark, table):
            raise NotFoundError(
                where=table,
                expected="a table that was loaded at least once",
                found="no such table",
                next_step=f"strandline run {contract.name}",
            )
        return self.spark.table(table)

    def ledger(self, name: str) -> DataFrame | None:
        """A ledger; None before its first record."""
        table = ledger_table(self.settings, name)
        return self.spark.table(table) if exists(self.spark, table) else None

    def stored_key(
        self, contract: Contract, versions: DataFrame, key: Mapping[str, KeyValue]
    ) -> DataFrame:
        """One row with the key as the table stores it; see `stored_keys`."""
        return self.stored_keys(contract, versions, [key])

    def stored_keys(
        self, contract: Contract, versions: DataFrame, keys: Sequence[Mapping[str, KeyValue]]
    ) -> DataFrame:
        """The keys as the table stores them: pseudonyms in place of pseudonymised values.

        Raises:
            KeyUnavailableError: A key column is pseudonymised, and its key is missing.
        """
        hidden = [
            name
            for name in contract.key
            if (protection := contract.column(name).protection) is not None
            and protection.kind is ProtectionKind.PSEUDONYMISE
        ]
        clear = some_keys(versions.sparkSession, keys, contract)
        if not hidden:
            return clear
        ring = self.settings.key_ring.keys_for(contract.target, create=False)
        return pseudonymised(
            clear,
            {name: named(name) for name in hidden},
            ring.pseudonym.material,
            table=contract.target,
        )


def contract_of(name: str, settings: RunSettings) -> Contract:
    """The contract of that name, or of the target table of that name; needs no Spark."""
    return find_contract(name, contracts_folder(settings))


def open_lakehouse(settings: RunSettings, *, shared: bool = True) -> Lakehouse:
    """The lakehouse of the run settings; the first call starts Spark.

    A command that writes takes a session that is not `shared`.
    """
    settings.lakehouse.check()
    with map_spark_errors(settings.lakehouse.catalog, "open"):
        return Lakehouse(settings, settings.spark.session(settings.lakehouse, shared=shared))
