"""From a YAML file to a `Contract` or a `Ledger`, with every problem of the file reported at once.

Promise: whatever a file contains, the result is a value that can be run or one `ContractError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import ContractError
from contracts.loader.parse_ledger_contract import is_ledger, read_ledger
from contracts.loader.parse_table_contract import read_contract
from contracts.model import Contract, Ledger
from contracts.validation.odcs_json_schema import check_standard
from contracts.validation.validate_standard_keys import check_standard_keys
from contracts.yaml_reading.problem_report import Problem, Report, did_you_mean
from contracts.yaml_reading.yaml_parser import parse
from contracts.yaml_reading.yaml_section import Section

__all__ = [
    "LEDGERS",
    "SUFFIXES",
    "TABLES",
    "Problem",
    "contract_files",
    "contract_of_document",
    "find_contract",
    "find_contract_file",
    "load_contract",
    "load_contracts",
    "load_ledger",
    "problems",
]

TABLES = Path(__file__).parents[1] / "tables"
"""The contracts that Strandline ships."""

LEDGERS = Path(__file__).parents[1] / "ledgers"
"""The tables that Strandline itself appends to."""

SUFFIXES = (".yaml", ".yml")
"""How the name of a contract's file ends."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Contract | Ledger | None
    problems: tuple[Problem, ...]


def problems(path: Path) -> tuple[Problem, ...]:
    """Everything that is wrong with a contract or ledger file; empty when nothing is.

    Raises:
        ContractError: There is no such file, or it can't be read.
    """
    return _read(path).problems


def load_contract(path: Path) -> Contract:
    """The contract in a file.

    Raises:
        ContractError: The file is missing, broken or contradicts itself; all problems are listed.
    """
    outcome = _read(path)
    if isinstance(outcome.value, Contract) and not outcome.problems:
        return outcome.value
    raise _refusal(path, outcome, "the contract of a table")


def load_ledger(path: Path) -> Ledger:
    """The ledger in a file.

    Raises:
        ContractError: The file is missing or broken; all problems are listed.
    """
    outcome = _read(path)
    if isinstance(outcome.value, Ledger) and not outcome.problems:
        return outcome.value
    raise _refusal(path, outcome, "a ledger")


def load_contracts(folder: Path) -> dict[str, Contract]:
    """The contracts of all files in a folder, by name, in the order of their names.

    Raises:
        ContractError: A file has problems (those of all files are listed), or two contracts share
            a target.
    """
    files = contract_files(folder)
    outcomes = {path.stem: (path, _read(path)) for path in files}
    broken = [
        _refusal(path, outcome, "the contract of a table")
        for path, outcome in outcomes.values()
        if outcome.problems or not isinstance(outcome.value, Contract)
    ]
    if len(broken) == 1:
        raise broken[0]
    if broken:
        raise ContractError(
            where=str(folder),
            expected="contracts without problems",
            found="\n".join(f"in {error.where}: {error.found}" for error in broken),
            next_step="Correct the files and load them again.",
        )
    contracts = {
        name: outcome.value
        for name, (_, outcome) in outcomes.items()
        if isinstance(outcome.value, Contract)
    }
    _refuse_shared_targets(folder, contracts)
    return contracts


def find_contract(name: str, folder: Path) -> Contract:
    """The contract of that name, or of the target table of that name (`table`, `ns.table`).

    A contract's own name takes precedence, and then no other file is read.

    Raises:
        ContractError: None or more than one has that name, or a file has problems.
    """
    for path in contract_files(folder):
        if path.stem == name:
            return load_contract(path)
    contracts = load_contracts(folder)
    matches = [c for c in contracts.values() if name in (c.target, c.table)]
    if len(matches) == 1:
        return matches[0]
    names = {*contracts, *(c.target for c in contracts.values())}
    if matches:
        targets = ", ".join(sorted(c.target for c in matches))
        raise ContractError(
            where=str(folder),
            expected=f"one table named {name}",
            found=f"{len(matches)}: {targets}",
            next_step="Name the table with its namespace.",
        )
    guesses = {*names, *(c.table for c in contracts.values())}
    hint = did_you_mean(name, guesses)
    raise ContractError(
        where=str(folder),
        expected=f"one of the contracts {', '.join(sorted(contracts)) or '(there are none)'}",
        found=f"the name {name}" + (f"; {hint}" if hint.startswith("did") else ""),
        next_step="Correct the name, or add a YAML file of that name to the folder.",
    )


def find_contract_file(name: str, folder: Path) -> Path:
    """The file of the contract of that name, or of the target table of that name.

    Raises:
        ContractError: As `find_contract`.
    """
    contract = find_contract(name, folder)
    return next(path for path in contract_files(folder) if path.stem == contract.name)


def contract_files(folder: Path) -> list[Path]:
    """The contract files of a folder, `*.yaml` and `*.yml`, in the order of their names.

    Raises:
        ContractError: There is no such folder, or a contract is in two files.
    """
    if folder == TABLES and not folder.is_dir():
        raise ContractError(
            where="contracts",
            expected="a project with contracts: run settings with a contracts_directory",
            found="none; only a checkout of Strandline has contracts of its own",
            next_step="Make a project: strandline init. Or go to its folder, or name it: --project",
        )
    if not folder.is_dir():
        raise ContractError(
            where=str(folder),
            expected="a folder of contract files",
            found="no such folder",
            next_step="Correct the path, or create the folder.",
        )
    files = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
    names = [path.stem for path in files]
    twice = [path.name for path in files if names.count(path.stem) > 1]
    if twice:
        raise ContractError(
            where=str(folder),
            expected="one file per contract",
            found=" and ".join(twice),
            next_step="Remove or rename one of them.",
        )
    return files


def contract_of_document(document: Mapping[str, object], stem: str) -> Contract | None:
    """The contract in a document as YAML gives it; None if it is a ledger or has problems.

    Args:
        document: The file's top level.
        stem: The name of its file, without the suffix.
    """
    report = Report(stem)
    value = _value(document, stem, report)
    return value if isinstance(value, Contract) and not report.problems else None


def _read(path: Path) -> _Outcome:
    report = Report(path.name)
    document = parse(_text(path), report)
    value = None if document is None else _value(document, path.stem, report)
    return _Outcome(value, tuple(report.problems))


def _value(document: Mapping[str, object], stem: str, report: Report) -> Contract | Ledger | None:
    root = Section(document, "", report)
    read = read_ledger if is_ledger(root) else read_contract
    value = read(root, stem)
    if read is read_contract:
        check_standard_keys(root)
    check_standard(document, report)
    return value


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        names = [other.stem for other in path.parent.glob("*.y*ml")]
        hint = did_you_mean(path.stem, names) if names else ""
        raise ContractError(
            where=str(path),
            expected="a contract file that can be read",
            found=f"{type(error).__name__}" + (f"; {hint}" if hint else ""),
            next_step="Correct the path.",
        ) from error


def _refusal(path: Path, outcome: _Outcome, wanted: str) -> ContractError:
    count = len(outcome.problems)
    if count:
        lines = "".join(f"\n  - {problem}" for problem in outcome.problems)
        found = f"{count} problem{'s' if count > 1 else ''}:{lines}\n"
    else:
        found = "a ledger" if isinstance(outcome.value, Ledger) else "the contract of a table"
    return ContractError(
        where=str(path),
        expected=f"{wanted} without problems",
        found=found,
        next_step="Correct the file and load it again.",
    )


def _refuse_shared_targets(folder: Path, contracts: Mapping[str, Contract]) -> None:
    owners: dict[str, list[str]] = {}
    for name, contract in contracts.items():
        owners.setdefault(contract.target.lower(), []).append(name)
    shared = {target: names for target, names in owners.items() if len(names) > 1}
    if shared:
        raise ContractError(
            where=str(folder),
            expected="one contract per target table",
            found="; ".join(f"{_joined(names)} for {target}" for target, names in shared.items()),
            next_step="Remove or rename one of them.",
        )


def _joined(names: Iterable[str]) -> str:
    return " and ".join(names)
