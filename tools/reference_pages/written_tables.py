"""The page of the tables that Strandline writes: columns of histories, properties, ledgers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from contracts.loader import LEDGERS, load_ledger
from contracts.model.transformation_registry import TRANSFORMATIONS
from tools.reference_pages.code_index import modules
from tools.reference_pages.markdown import code, one_line, table

__all__ = ["tables_page"]

_PROPERTY_MODULES = (
    "history/iceberg/current_snapshot.py",
    "history/model/recorded_source_reads.py",
    "history/iceberg/table_properties.py",
)
_HEAD = """\
# Every table that is written

From the contracts and the code, by `python -m tools.reference_pages`. `strandline contracts show
TABLE` is the data dictionary of one history.

## A history

Its columns are those of its contract, among them such as Strandline fills; a contract says by
`transformation` which of its columns these are.

"""
_KEPT = """
Beside it lies `<table>__kept_events`: the events without a version of their own, such as deletes,
equal values that came again, and the originals of versions that show a later type-1 value
([computing a history anew](../restatement.md)). It has the columns of events.

### Properties

What a snapshot or the table says of itself:

"""
_LEDGERS = """
## Ledgers

Tables of the runs themselves, in the namespace that `governance_namespace` of the
[run settings](blocks.md#run-settings) names. Each is kept as long as it says:
[upkeep](../upkeep.md) deletes whole days.
"""


def tables_page() -> str:
    """The page."""
    generated = [
        (code(name), entry.description)
        for name, entry in TRANSFORMATIONS.items()
        if entry.generated
    ]  # fmt: skip
    ledgers = "".join(_ledger(path) for path in sorted(LEDGERS.glob("*.yaml")))
    return (
        f"{_HEAD}{table(('transformation', 'what is in it'), generated)}{_KEPT}"
        f"{table(('property', 'what it says'), _properties())}{_LEDGERS}{ledgers}"
    )


def _properties() -> Iterator[tuple[str, str]]:
    """Constants of the form `strandline....`, with the docstring below each."""
    for name in _PROPERTY_MODULES:
        body = modules()[name].body
        for statement, after in pairwise(body):
            match statement, after:
                case (
                    ast.Assign(value=ast.Constant(value=str(text))),
                    ast.Expr(value=ast.Constant(value=str(about))),
                ) if text.startswith("strandline."):
                    yield code(f"{text}COLUMN" if text.endswith(".") else text), one_line(about)


def _ledger(path: Path) -> str:
    ledger = load_ledger(path)
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    relation = document["schema"][0]
    about = document["description"]
    kept = (
        f"{ledger.retention_days} days, by `{ledger.dated_by}`"
        if ledger.retention_days is not None
        else "for ever"
    )
    said = [about.get("purpose"), about.get("usage"), about.get("limitations")]
    columns = [
        (code(each.name), code(each.type), "" if each.nullable else "yes", each.description)
        for each in ledger.columns
    ]
    return (
        f"\n### {ledger.name}\n\n{' '.join(one_line(each) for each in said if each)}\n\n"
        f"{one_line(str(relation.get('dataGranularityDescription', '')))} Kept {kept}. "
        f"Partitioned by {', '.join(map(code, ledger.partitioning)) or 'nothing'}.\n\n"
        f"{table(('column', 'type', 'required', 'what is in it'), columns)}"
    )
