"""Every problem of every contract file under some paths.

Promise: an unreadable file is a problem like any other; nothing ends the list early.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from contracts.errors import ContractError
from contracts.loader import LEDGERS, TABLES, contract_files, load_contract, problems
from contracts.model import Contract
from contracts.validation.contract_notices import notices
from contracts.validation.validate_standard_keys import effect_notices
from contracts.yaml_reading.problem_report import Problem, Report
from contracts.yaml_reading.yaml_parser import parse

SHIPPED = (TABLES, LEDGERS)
"""The folders of the contracts that Strandline ships."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One file and what is wrong with it; `target` is the table of a contract without problems.

    `notices` are entries that it should have and need not, and those that have no effect: it loads.
    """

    path: Path
    problems: tuple[Problem, ...] = ()
    target: str | None = None
    notices: tuple[Problem, ...] = ()


def check_paths(paths: Iterable[Path]) -> list[Checked]:
    """The outcome of each file, and of each contract file in a folder."""
    checked = [each for path in paths for each in _under(path)]
    owners: dict[str, list[Path]] = {}
    for each in checked:
        if each.target is not None:
            owners.setdefault(each.target.lower(), []).append(each.path)
    return [
        each
        if each.target is None
        else replace(each, problems=_shared_target(each, owners[each.target.lower()]))
        for each in checked
    ]


def _under(path: Path) -> list[Checked]:
    if not path.is_dir():
        return [_check(path)]
    try:
        files = contract_files(path)
    except ContractError as error:
        return [Checked(path, (Problem(path.name, "", error.found, error.next_step),))]
    if not files:
        kinds = "contracts are *.yaml and *.yml files"
        empty = Problem(path.name, "", "no contract in this folder", kinds)
        return [Checked(path, (empty,))]
    return [_check(file) for file in files]


def _check(path: Path) -> Checked:
    try:
        contract = load_contract(path)
        return Checked(path, target=contract.target, notices=_notices(path, contract))
    except ContractError as error:
        unreadable = error
    try:
        # None for a ledger: it is no contract of a table, and nothing is wrong with it.
        return Checked(path, problems(path))
    except ContractError:
        message = f"can't be read: {unreadable.found}"
        return Checked(path, (Problem(path.name, "", message, unreadable.next_step),))


def _notices(path: Path, contract: Contract) -> tuple[Problem, ...]:
    document = parse(path.read_bytes(), Report(path.name)) or {}
    return (*notices(contract, path.name), *effect_notices(document, path.name))


def _shared_target(checked: Checked, owners: Sequence[Path]) -> tuple[Problem, ...]:
    """Two contracts would take turns in rewriting one table."""
    others = ", ".join(path.name for path in owners if path != checked.path)
    if not others:
        return ()
    problem = Problem(
        checked.path.name,
        "schema[0].physicalName",
        f"{others} has this target",
        "one contract per table: rename one, or remove it",
    )
    return (problem,)
