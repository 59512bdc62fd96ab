"""Every problem of every contract file under some paths.

Promise: a file that can't be read is a problem like any other; nothing ends the list early.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import ContractError
from contracts.loader import LEDGERS, TABLES, load_contract, problems
from contracts.model import Contract
from contracts.problem import Problem

SHIPPED = (TABLES, LEDGERS)
"""The folders of the contracts that come along."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One file and what is wrong with it."""

    path: Path
    problems: tuple[Problem, ...] = ()


def check_paths(paths: Iterable[Path]) -> list[Checked]:
    """The outcome of each file; of folders, each `*.yaml` file in them."""
    checked = [each for path in paths for each in _under(path)]
    shared = _shared_targets([each.path for each in checked if not each.problems])
    return [Checked(each.path, each.problems + shared.get(each.path, ())) for each in checked]


def _under(path: Path) -> list[Checked]:
    if not path.is_dir():
        return [_check(path)]
    files = sorted(path.glob("*.yaml"))
    if not files:
        empty = Problem(path.name, "", "no contract in this folder", "contracts are *.yaml files")
        return [Checked(path, (empty,))]
    return [_check(file) for file in files]


def _check(path: Path) -> Checked:
    try:
        return Checked(path, problems(path))
    except ContractError as error:
        unread = Problem(path.name, "", f"can't be read: {error.found}", error.next_step)
        return Checked(path, (unread,))


def _shared_targets(paths: Sequence[Path]) -> dict[Path, tuple[Problem, ...]]:
    """Two contracts would take turns in rewriting one table."""
    owners: dict[str, list[Path]] = {}
    for path in paths:
        contract = _contract(path)
        if contract is not None:
            owners.setdefault(contract.target.lower(), []).append(path)
    return {
        path: (
            Problem(
                path.name,
                "schema[0].physicalName",
                f"{', '.join(other.name for other in files if other is not path)} has this target",
                "one contract per table: rename one, or remove it",
            ),
        )
        for files in owners.values()
        if len(files) > 1
        for path in files
    }


def _contract(path: Path) -> Contract | None:
    """None for a ledger, which has no target of its own."""
    try:
        return load_contract(path)
    except ContractError:
        return None
