"""The contracts: nine columns of the accounts, none of them protected, or four, in two ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml

from benchmarks.load.case import Case
from benchmarks.load.contract import contract_document

__all__ = ["NAMES", "PROTECTION", "Name", "contract_of", "target_of", "write_contract"]

Name = Literal["plain", "protected", "subject_keys"]
NAMES: tuple[Name, ...] = ("plain", "protected", "subject_keys")
"""Of `subject_keys` each row, which is about a person of its own, has a key of its own too."""
PROTECTION: dict[str, dict[str, Any]] = {
    "email": {"kind": "encrypt"},
    "born_on": {"kind": "encrypt"},
    "name": {"kind": "pseudonymise"},
    "city": {"kind": "mask", "keep": 2},
}
_LEFT_OUT = "rate"
"""The tenth column of the accounts; the cost is stated for nine."""


def contract_of(name: Name, number: int) -> str:
    """The contract's name; each first load has a contract and a table of its own."""
    return f"accounts_{name}_{number}"


def target_of(name: Name, number: int) -> str:
    """The history's name within its catalog."""
    return f"bench.{contract_of(name, number)}"


def write_contract(directory: Path, case: Case, name: Name, number: int) -> None:
    """Write the contract's file; see `document`."""
    directory.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(document(case, name, number), sort_keys=False)
    (directory / f"{contract_of(name, number)}.yaml").write_text(text, encoding="utf-8")


def document(case: Case, name: Name, number: int) -> dict[str, Any]:
    """The contract as a document of the standard; they differ only in what is protected."""
    made = contract_document(case, says_kind=True)
    called = contract_of(name, number)
    (schema,) = made["schema"]
    (own,) = made["customProperties"]
    made |= {"id": called, "name": called}
    schema |= {"name": called, "physicalName": target_of(name, number)}
    schema["properties"] = _without(schema["properties"])
    history, source = own["value"]["history"], own["value"]["source"]
    history["tracked"] = [column for column in history["tracked"] if column != _LEFT_OUT]
    source["columns"] = _without(source["columns"])
    protection = {} if name == "plain" else PROTECTION
    if name == "subject_keys":
        own["value"]["privacy"] = {"subjectKeys": True}
    for column in schema["properties"]:
        (rule,) = column["customProperties"]
        rule["value"].pop("protection", None)
        if "transformSourceObjects" in column:
            column["classification"] = _classification(column["name"], protection)
        if column["name"] in protection:
            rule["value"]["protection"] = protection[column["name"]]
    for column in source["columns"]:
        column["classification"] = _classification(column["name"], protection)
    return made


def _without(columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [column for column in columns if column["name"] != _LEFT_OUT]


def _classification(column: str, protection: dict[str, dict[str, Any]]) -> str:
    return "CONFIDENTIAL" if column in protection else "INTERNAL"
