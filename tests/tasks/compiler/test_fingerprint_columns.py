from __future__ import annotations

from types import SimpleNamespace

import pytest

from contracts.errors import ContractError
from contracts.model import Protection, ProtectionKind
from tasks.compiler.fingerprint_columns import _refuse_incomparable
from tasks.transforms.protection.column_protection import compile_protection
from tests.tasks.transforms.examples import COLUMNS, contract, made


def compiled(**protection):
    """A contract of which only `name` is in the table's fingerprint."""
    later = made("later", "string", "direct", "status", protection=Protection(**protection))
    protected = compile_protection(contract(columns=(*COLUMNS, later)))
    return SimpleNamespace(
        name="people", stage=SimpleNamespace(tracked=("name", "later"), protection=protected)
    )


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(ProtectionKind.ENCRYPT, "other tokens"), (ProtectionKind.REDACT, "hides every change")],
)
def test_a_column_that_is_tracked_later_must_be_stored_so_that_changes_show(kind, reason):
    with pytest.raises(ContractError, match=f"later: .*{reason}") as caught:
        _refuse_incomparable(compiled(kind=kind), ("name",))

    assert "Nothing was written" in caught.value.next_step


@pytest.mark.parametrize(
    "protection",
    [
        {"kind": ProtectionKind.ENCRYPT, "deterministic": True},
        {"kind": ProtectionKind.PSEUDONYMISE},
        {"kind": ProtectionKind.MASK},
    ],
)
def test_what_differs_where_the_values_do_may_be_tracked_later(protection):
    _refuse_incomparable(compiled(**protection), ("name",))


def test_what_the_fingerprint_covers_may_be_stored_in_any_way():
    _refuse_incomparable(compiled(kind=ProtectionKind.REDACT), ("name", "later"))
