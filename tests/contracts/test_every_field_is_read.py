"""A field of a contract that no code reads would be a promise without effect."""

from __future__ import annotations

import ast
import dataclasses
import typing
from pathlib import Path

import pytest

from contracts.model import AnomalySettings, Contract, Ledger

ROOT = Path(__file__).parents[2]
ACTING = ("tasks", "flows", "strandline", "history", "blocks", "deployments")
ROOMS = [*ACTING, "contracts/schemas", "contracts/expressions", "contracts/model"]
"""Where a field can have an effect. Reading the file and checking it against itself are none."""


def fields_below(kind, seen):
    """The dataclasses that a dataclass consists of, each with its fields."""
    if kind in seen or not dataclasses.is_dataclass(kind):
        return
    hints = typing.get_type_hints(kind)
    seen[kind] = [each.name for each in dataclasses.fields(kind)]
    for name in seen[kind]:
        for part in parts_of(hints[name]):
            fields_below(part, seen)


def parts_of(hint):
    yield hint
    for part in typing.get_args(hint):
        yield from parts_of(part)


def attributes_read():
    """Every attribute that is read, with the modules that read it."""
    read = {}
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                    read.setdefault(node.attr, set()).add(path.relative_to(ROOT).as_posix())
    return read


MODEL = {}
for root in (Contract, Ledger):
    fields_below(root, MODEL)
READ = attributes_read()


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, names in MODEL.items() for name in names],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_a_field_of_a_contract_is_read_by_what_runs(kind, name):
    assert READ.get(name), f"nothing reads {kind.__name__}.{name}"


def test_the_whole_model_is_walked():
    assert {kind.__name__ for kind in MODEL} >= {
        *("Contract", "Source", "SourceColumn", "Column", "Check", "History", "ServiceLevel"),
        *("QualityGate", "AnomalySettings", "Feature", "Threshold", "ClosingLimit", "Condition"),
        *("Transformation", "Protection", "Ledger", "LedgerColumn"),
    }
    assert "features" in MODEL[AnomalySettings]


def test_a_field_that_nothing_reads_would_be_found():
    assert "a_field_that_nothing_reads" not in READ
