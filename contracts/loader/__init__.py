"""From a YAML file to a contract, with every problem of the file reported at once.

One module per part of the file. Each part is checked by itself while it is parsed; agreement
between parts is checked in `contracts.validation`.
"""

from __future__ import annotations

from contracts.loader.contract_files import (
    LEDGERS,
    SUFFIXES,
    TABLES,
    contract_files,
    contract_of_document,
    find_contract,
    find_contract_file,
    load_contract,
    load_contracts,
    load_ledger,
    problems,
)
from contracts.loader.select_contracts import is_pattern, select_contracts
from contracts.yaml_reading.problem_report import Problem

__all__ = [
    "LEDGERS",
    "SUFFIXES",
    "TABLES",
    "Problem",
    "contract_files",
    "contract_of_document",
    "find_contract",
    "find_contract_file",
    "is_pattern",
    "load_contract",
    "load_contracts",
    "load_ledger",
    "problems",
    "select_contracts",
]
