"""The contract that a release loads green by: read from a file, and again from its record."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import yaml

from contracts.errors import ContractError, SettingsError
from contracts.loader import contract_of_document, load_contract
from contracts.model import Contract, ProtectionKind
from history.release.release_record import Release

_TAKEN = ("green", "blue_green")
"""Names of roles whose views would have the names of a release's own objects."""


def code_version() -> str:
    """The version of Strandline that runs."""
    return version("strandline")


def candidate(path: Path, current: Contract) -> tuple[Contract, str]:
    """The contract in a file, as a new one of the table, and its text.

    The file has the name of the current one, and lies in another folder.

    Raises:
        ContractError: The file has problems, or it is about another table.
        SettingsError: A role has a name that a release needs.
    """
    found = load_contract(path)
    text = path.read_text(encoding="utf-8")
    if (found.name, found.target) != (current.name, current.target):
        raise ContractError(
            where=str(path),
            expected=f"the contract {current.name}, of {current.target}",
            found=f"{found.name}, of {found.target}",
            next_step="A table that is named otherwise is another one: load it beside this one.",
        )
    taken = sorted({role.name for role in (*current.roles, *found.roles)} & {*_TAKEN})
    if taken:
        raise SettingsError(
            where=str(path),
            expected=f"no role named {' or '.join(_TAKEN)}: a release has tables of these names",
            found=", ".join(taken),
            next_step="Rename the role. Nothing was changed.",
        )
    return found, text


def contract_of_release(release: Release) -> Contract:
    """The contract that a release's green table is loaded by.

    Raises:
        ContractError: This version of Strandline does not accept it.
    """
    found = _parsed(release.text, release.contract)
    if found is None:
        raise ContractError(
            where=f"the contract of release {release.id}",
            expected=f"one that Strandline {code_version()} accepts, as {release.code} did",
            found="problems, which `strandline contracts check` names",
            next_step=f"strandline release rollback {release.contract}",
        )
    return found


def _parsed(text: str, name: str) -> Contract | None:
    return contract_of_document(yaml.safe_load(text), name)


def stored_alike(blue: Contract, green: Contract) -> bool:
    """Whether both store a key in the same way, so that it has one bucket."""
    if blue.key != green.key:
        return False
    pairs = ((blue.column(name), green.column(name)) for name in blue.key)
    return all(
        one.protection == other.protection
        and one.transformation == other.transformation
        and one.sources == other.sources
        for one, other in pairs
    )


def random_columns(*contracts: Contract) -> frozenset[str]:
    """The columns that are encrypted with random tokens by one of the contracts."""
    return frozenset(
        column.name
        for contract in contracts
        for column in contract.columns
        if column.protection is not None
        and column.protection.kind is ProtectionKind.ENCRYPT
        and not column.protection.deterministic
    )
