"""Security tags of a table and its columns, as properties of the Iceberg table (spec 6.1).

Any engine reads them with `SHOW TBLPROPERTIES`. They tell; they enforce nothing.
"""

from __future__ import annotations

import json

from contracts.model import Classification, Contract
from history.iceberg.property_name_escaping import escaped
from history.iceberg.tag_properties import TAG


def security_tags(contract: Contract) -> dict[str, str]:
    """The tags of the contract's target, by the names of their properties.

    `strandline.tag.classification` is the highest of the columns', `.owner` the contract's,
    `.retention-days` and `.row-classification` are there where the contract says them,
    `.column.<name>` is a JSON object of classification and protection. Names and values that Spark
    would hide are percent-encoded.
    """
    ordered = tuple(Classification)
    highest = max((column.classification for column in contract.columns), key=ordered.index)
    tags = {"classification": str(highest), "owner": contract.owner}
    if contract.retention_days is not None:
        tags["retention-days"] = str(contract.retention_days)
    if contract.row_classification is not None:
        tags["row-classification"] = contract.row_classification
    for column in contract.columns:
        protection = None if column.protection is None else str(column.protection.kind)
        tag = {"classification": str(column.classification), "protection": protection}
        tags[f"column.{escaped(column.name)}"] = json.dumps(tag)
    return {TAG + name: escaped(value) for name, value in tags.items()}
