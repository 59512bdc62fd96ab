"""The settings of a run: one block that names the others.

Promise: with this block and a contract's name a load is determined; nothing else is looked up.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, SerializeAsAny, field_validator

from blocks.backup_target import BackupTarget
from blocks.key_rings.key_ring import KeyRing
from blocks.key_rings.key_ring_types import key_ring_of
from blocks.lakehouse import Lakehouse
from blocks.open_lineage_receiver import OpenLineageReceiver
from blocks.prefect_ui.block_type_descriptions import BLOCK_DOCUMENTATION, STORAGE_LOGO
from blocks.spark_runtime import SparkRuntime

__all__ = ["RunSettings"]

_NAMESPACE = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$"


class RunSettings(Block):
    """Where a run computes, keeps its tables and its keys, and the limits it observes.

    Example:
        Load the block and open the run's Spark session:
        ```python
        from blocks.run_settings import RunSettings

        settings = RunSettings.load("BLOCK_NAME")
        spark = settings.spark.session(settings.lakehouse)
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Strandline Run Settings"
    _block_type_slug = "strandline-run-settings"
    _documentation_url: ClassVar[HttpUrl] = BLOCK_DOCUMENTATION
    _logo_url: ClassVar[HttpUrl] = STORAGE_LOGO

    spark: SparkRuntime = Field(description="Where Spark runs.")
    lakehouse: Lakehouse = Field(description="Where the tables live.")
    key_ring: SerializeAsAny[KeyRing] = Field(
        description="The keys that protect the tables: any kind of key ring."
    )
    contracts_directory: Path | None = Field(
        default=None, description="Folder of contracts; without one, those that are shipped."
    )
    state_directory: Path = Field(
        default=Path(".strandline"), description="Where locks and logs of this machine's runs lie."
    )
    governance_namespace: str = Field(
        default="governance",
        pattern=_NAMESPACE,
        description="Namespace of the ledgers: lineage, metrics, quarantine.",
    )
    stage_namespace: str = Field(
        default="stage",
        pattern=_NAMESPACE,
        description="Namespace of the tables in which batches wait to be judged.",
    )
    side_by_side: int = Field(
        default=3, ge=1, description="How many tables one run loads at the same time."
    )
    slices: int = Field(
        default=4, ge=1, description="How many connections read one source table side by side."
    )
    table_minutes: int = Field(
        default=30, ge=1, description="How long the load of one table may take, in minutes."
    )
    keep_days: int = Field(
        default=30,
        ge=0,
        description="For how many days back upkeep keeps every published state readable.",
    )
    keep_at_least: int = Field(
        default=10,
        ge=1,
        description="How many of a table's newest batches upkeep keeps, however old they are.",
    )

    open_lineage: OpenLineageReceiver | None = Field(
        default=None, description="Who is sent OpenLineage events of the runs; nobody without it."
    )

    backups: BackupTarget | None = Field(
        default=None,
        description="Where backups of catalog and key ring go, if there are any.",
    )

    @field_validator("key_ring", mode="before")
    @classmethod
    def _of_its_kind(cls, ring: object) -> object:
        # A server hands over a block within a block without its type.
        return key_ring_of(ring) if isinstance(ring, dict) else ring
