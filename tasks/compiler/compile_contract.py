"""From a contract and its source's catalog to all that a run needs, in one object.

Promise: made once per read of a source, after its catalog was queried. Nothing after it goes
back to the contract; what a step needs is an attribute here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pyspark.sql import types as T

from contracts.model import (
    Absence,
    AnomalySettings,
    ClosingLimit,
    Contract,
    Feature,
    LoadKind,
    QualityGate,
    SourceKind,
)
from contracts.model.referenced_table import ReferencedTable, referenced_tables
from contracts.model.source_kind import one_row_a_key, source_kind_reason, with_source_kind
from contracts.model.source_relation import Relation
from contracts.schemas.spark_schemas import comment, event_schema, source_schema
from contracts.schemas.target_ddl import create_table
from history import HistorySettings
from tasks.compiler.compile_role_rights import RoleRights, compile_role_rights
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.compiler.security_tags import security_tags
from tasks.source.jdbc_reader import Fetch
from tasks.source.source_query import SourceQuery, compile_source_query
from tasks.source.source_schema_drift import refuse_drift
from tasks.transforms.anomalies.feature_selection import select_features, sensitive_features
from tasks.transforms.stage_plan import StagePlan, compile_stage


@dataclass(frozen=True, slots=True)
class AnomalySearch:
    """How unusual rows are found.

    Attributes:
        settings: The contract's.
        features: What rows are compared by.
        hidden: The names of the features whose values may not be told.
        identity: The source columns that tell one row from the others.
    """

    settings: AnomalySettings
    features: tuple[Feature, ...]
    hidden: frozenset[str]
    identity: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CompiledContract:
    """What a run needs of a contract.

    Attributes:
        name: The contract's name.
        version: Its version.
        description: What the target is about.
        owner: Who is responsible for it.
        table: The target below its catalog, `namespace.table`.
        relation: The source's table, qualified, as messages and lineage show it.
        kind: What the rows of the source are.
        kind_reason: Why they are read as that; empty: the contract states it.
        query: The queries that read the source, but for the bounds of a load.
        rows: The source rows' schema.
        fetch: How rows are fetched.
        overlap: How far behind a watermark is read again.
        incremental: Whether a load begins at a watermark.
        partitioned: Whether the source's partition column bounds a read.
        sequence_is_watermark: Whether the columns that order changes are those that choose rows.
        one_row_a_key: Whether the source itself has no two rows of one key.
        references: The other tables that checks look values up in, by key.
        may_be_empty: Whether a read may have no rows.
        stage: How a source row is staged.
        events: The schema of the staged events.
        comments: The catalog comment of each event column.
        key: The key's target columns.
        closes_absent: Whether a key that a full read does not find is closed.
        closing_limit: How many keys a full read may close.
        create_table: The DDL of the target.
        history: The settings of the target's history.
        quality: When a batch is published.
        anomalies: How unusual rows are found; None: they are not looked for.
        freshness_hours: How old the newest row may be; None: the contract does not say.
        roles: What each role sees.
        tags: The security tags of the target and its columns.
    """

    name: str
    version: str
    description: str
    owner: str
    table: str
    relation: str
    kind: SourceKind
    kind_reason: str
    query: SourceQuery
    rows: T.StructType
    fetch: Fetch
    overlap: timedelta
    incremental: bool
    partitioned: bool
    sequence_is_watermark: bool
    one_row_a_key: bool
    references: Mapping[str, ReferencedTable]
    may_be_empty: bool
    stage: StagePlan
    events: T.StructType
    comments: Mapping[str, str]
    key: tuple[str, ...]
    closes_absent: bool
    closing_limit: ClosingLimit
    create_table: str
    history: HistorySettings
    quality: QualityGate
    anomalies: AnomalySearch | None
    freshness_hours: float | None
    roles: tuple[RoleRights, ...]
    tags: Mapping[str, str]

    @property
    def is_state(self) -> bool:
        """Whether the source is read as it is now."""
        return self.kind is SourceKind.STATE


def compile_contract(
    contract: Contract, relation: Relation, *, target: str, recorded: str | None, dialect: str
) -> CompiledContract:
    """All that a run needs of a contract.

    Args:
        contract: As it was loaded.
        relation: The source, as its catalog describes it.
        target: The identifier of the target, `catalog.namespace.table`.
        recorded: The kind of source that the target was loaded from before; None: it was not.
        dialect: Of the source: `postgresql` or `mysql`.

    Raises:
        SchemaDriftError: The source lacks a column or has another type than the contract says.
        ContractError: The contract contradicts what its source is.
    """
    refuse_drift(relation, contract)
    reason = source_kind_reason(contract, relation, recorded)
    contract = with_source_kind(contract, relation, recorded)
    source, events = contract.source, event_schema(contract)
    columns = {column.name: column for column in contract.columns}
    tags = security_tags(contract)
    return CompiledContract(
        name=contract.name,
        version=contract.version,
        description=contract.description,
        owner=contract.owner,
        table=contract.target,
        relation=source.relation,
        kind=source.kind or SourceKind.EVENTS,
        kind_reason=reason,
        query=compile_source_query(contract, relation, dialect=dialect),
        rows=source_schema(contract),
        fetch=Fetch(rows=source.batch_size, timeout_seconds=source.timeout_seconds),
        overlap=source.overlap,
        incremental=source.load is LoadKind.INCREMENTAL,
        partitioned=source.partition_column is not None,
        sequence_is_watermark={*source.watermark} == {*source.sequence},
        one_row_a_key=one_row_a_key(contract, relation),
        references=referenced_tables(contract),
        may_be_empty=source.may_be_empty,
        stage=compile_stage(contract),
        events=events,
        comments={name: comment(columns[name]) for name in events.fieldNames()},
        key=contract.key,
        closes_absent=contract.history.absent is Absence.CLOSE,
        closing_limit=source.closing_limit,
        create_table=create_table(contract, target, tags),
        history=history_settings(contract),
        quality=contract.quality,
        anomalies=_anomaly_search(contract),
        freshness_hours=contract.service_level.freshness_hours,
        roles=compile_role_rights(contract),
        tags=tags,
    )


def _anomaly_search(contract: Contract) -> AnomalySearch | None:
    settings = contract.quality.anomalies
    if settings is None:
        return None
    features = select_features(contract)
    key = [name for each in contract.key for name in contract.column(each).sources]
    order = () if contract.source.is_state else contract.source.sequence
    return AnomalySearch(
        settings=settings,
        features=features,
        hidden=sensitive_features(contract, features),
        identity=tuple(dict.fromkeys((*key, *order))),
    )
