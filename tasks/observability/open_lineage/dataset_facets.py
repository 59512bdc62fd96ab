"""A contract's source and target as OpenLineage's datasets, with their columns and their lineage.

Names are those of the specification (OpenLineage, "Naming"): a source by its server and table, a
history by where its files lie, with its name in the catalog beside. No value of a row is in them.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.generated.column_lineage_dataset import (
    ColumnLineageDatasetFacet,
    Fields,
    InputField,
    Transformation,
)
from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
from openlineage.client.generated.documentation_dataset import DocumentationDatasetFacet
from openlineage.client.generated.output_statistics_output_dataset import (
    OutputStatisticsOutputDatasetFacet,
)
from openlineage.client.generated.schema_dataset import (
    SchemaDatasetFacet,
    SchemaDatasetFacetFields,
)
from openlineage.client.generated.symlinks_dataset import Identifier, SymlinksDatasetFacet

from blocks.run_settings import RunSettings
from blocks.source_database import SourceDatabase
from contracts.model import Contract
from contracts.schemas.column_lineage import ColumnLineage, column_lineage
from contracts.schemas.target_ddl import stored_type

_SCHEMES = {"postgresql": "postgres", "mariadb": "mysql"}
_IDENTITY = "direct"


def source_dataset(contract: Contract, source: SourceDatabase) -> InputDataset:
    """The source table with its columns."""
    namespace, name = source_name(contract, source)
    columns = [
        SchemaDatasetFacetFields(
            name=each.name,
            type=each.type,
            description=each.description or None,
            ordinal_position=position,
        )
        for position, each in enumerate(contract.source.columns, 1)
    ]
    return InputDataset(
        namespace=namespace, name=name, facets={"schema": SchemaDatasetFacet(fields=columns)}
    )


def source_name(contract: Contract, source: SourceDatabase) -> tuple[str, str]:
    """The namespace and the name of the source table."""
    scheme = _SCHEMES.get(source.dialect)
    if scheme is None:
        return f"{source.dialect}://{source.location}", contract.source.relation
    parts = [contract.source.schema, contract.source.table]
    if source.dialect == "postgresql":
        parts.insert(0, source.database)
    return f"{scheme}://{source.host}:{source.port}", ".".join(filter(None, parts))


def target_dataset(
    contract: Contract,
    source: SourceDatabase,
    settings: RunSettings,
    *,
    location: str,
    snapshot_id: int,
    opened: int | None,
) -> OutputDataset:
    """The history with its columns, their lineage and what the run wrote.

    Args:
        contract: What the table promises.
        source: Where its rows come from.
        settings: Where the table lies.
        location: The table's own folder.
        snapshot_id: The state that the run published.
        opened: How many versions it opened, if that is known.
    """
    made = changed_dataset(contract, settings, location=location, snapshot_id=snapshot_id)
    made.facets = {**(made.facets or {}), "columnLineage": column_facet(contract, source)}
    made.outputFacets = {"outputStatistics": OutputStatisticsOutputDatasetFacet(rowCount=opened)}
    return made


def known_dataset(contract: Contract, location: str, snapshot_id: int | None) -> InputDataset:
    """The history as it was before a change of it."""
    namespace, name = _place(location)
    version = {"version": DatasetVersionDatasetFacet(datasetVersion=str(snapshot_id))}
    return InputDataset(
        namespace=namespace,
        name=name,
        facets={
            "documentation": DocumentationDatasetFacet(description=contract.description.strip()),
            **(version if snapshot_id is not None else {}),
        },
    )


def changed_dataset(
    contract: Contract, settings: RunSettings, *, location: str, snapshot_id: int
) -> OutputDataset:
    """The history with its columns, in a state that was published."""
    namespace, name = _place(location)
    catalog = settings.lakehouse.catalog
    link = Identifier(namespace=f"iceberg://{catalog}", name=contract.target, type="TABLE")
    columns = [
        SchemaDatasetFacetFields(
            name=each.name,
            type=stored_type(each).simpleString(),
            description=each.description or None,
            ordinal_position=position,
        )
        for position, each in enumerate(contract.columns, 1)
    ]
    return OutputDataset(
        namespace=namespace,
        name=name,
        facets={
            "schema": SchemaDatasetFacet(fields=columns),
            "symlinks": SymlinksDatasetFacet(identifiers=[link]),
            "version": DatasetVersionDatasetFacet(datasetVersion=str(snapshot_id)),
            "documentation": DocumentationDatasetFacet(description=contract.description.strip()),
        },
    )


def column_facet(contract: Contract, source: SourceDatabase) -> ColumnLineageDatasetFacet:
    """Of each column that is made of source columns: which, how, and whether that masks them.

    The columns by which rows are chosen have an effect on the whole table.
    """
    namespace, name = source_name(contract, source)

    def read(column: str, transformation: Transformation) -> InputField:
        return InputField(
            namespace=namespace, name=name, field=column, transformations=[transformation]
        )

    fields = {
        each.column: Fields(
            inputFields=[read(column, _transformation(each)) for column in each.sources]
        )
        for each in column_lineage(contract)
        if each.sources
    }
    chosen_by = dict.fromkeys(
        [each.column for each in (*contract.source.membership, *contract.source.ignore)]
    )
    filtered = Transformation(
        type="INDIRECT", subtype="FILTER", description="chooses the rows", masking=False
    )
    return ColumnLineageDatasetFacet(
        fields=fields, dataset=[read(column, filtered) for column in chosen_by]
    )


def _transformation(lineage: ColumnLineage) -> Transformation:
    """How a column's sources become its values, as OpenLineage classifies it."""
    description = lineage.expression
    if lineage.protection:
        description += f"; {lineage.protection}"
    is_same = lineage.transformation == _IDENTITY and not lineage.is_masked
    return Transformation(
        type="DIRECT",
        subtype="IDENTITY" if is_same else "TRANSFORMATION",
        description=description,
        masking=lineage.is_masked,
    )


def _place(location: str) -> tuple[str, str]:
    """The namespace and the name of a folder: `s3://bucket` and the path in it, or `file`."""
    parts = urlsplit(location)
    if parts.scheme in ("", "file"):
        return "file", parts.path
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")
